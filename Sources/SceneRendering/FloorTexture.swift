/// The floor's pattern as a function of the place: how far towards its darker colour it is.
struct FloorTexture {
  private let pattern: Scene.Pattern
  private let light: Vector
  private let dark: Vector
  private let sine: Float
  private let cosine: Float
  private let scale: Float

  init(_ floor: Scene.Floor) {
    pattern = floor.pattern
    light = linear(floor.colour.codes.light)
    dark = linear(floor.colour.codes.dark)
    mean = mix(light, dark, 0.4)
    (sine, cosine) = sineCosine(degrees: floor.turn)
    scale = 1 / Float(floor.scale)
  }

  /// The colour in between, which the floor casts onto what stands on it.
  let mean: Vector

  /// The colour at a place; `footprint` is the length that one ray stands for there, and a
  /// pattern finer than that fades into its mean.
  func colour(x: Float, z: Float, footprint: Float) -> Vector {
    let u = (x * cosine + z * sine) * scale
    let v = (z * cosine - x * sine) * scale
    let detail = 1 - smooth(0.25, 0.8, footprint * scale)
    return mix(light, dark, 0.4 + (shade(u, v) - 0.4) * detail)
  }

  private func shade(_ u: Float, _ v: Float) -> Float {
    switch pattern {
    case .checker:
      return (Int(u.rounded(.down)) + Int(v.rounded(.down))) & 1 == 0 ? 0.04 : 0.96
    case .stripes:
      let across = u - u.rounded(.down)
      return across < 0.5 ? 0.05 : (across > 0.62 && across < 0.7 ? 0.5 : 0.92)
    case .dots:
      // Rows shifted by half a period, as on cloth.
      let row = (v * 1.6).rounded(.down)
      let shift: Float = Int(row) & 1 == 0 ? 0 : 0.5
      let a = u * 1.6 + shift
      let x = a - a.rounded(.down) - 0.5
      let y = v * 1.6 - row - 0.5
      return x * x + y * y < 0.075 ? 0.95 : 0.05
    case .tiles:
      let column = u.rounded(.down)
      let row = v.rounded(.down)
      let x = min(u - column, column + 1 - u)
      let y = min(v - row, row + 1 - v)
      if min(x, y) < 0.045 { return 1 }
      return 0.08 + 0.34 * Self.noise(Int(column), Int(row))
    case .planks:
      let row = (u * 2).rounded(.down)
      let across = u * 2 - row
      let along = v * 0.55 + Self.noise(Int(row), 7)
      let plank = along.rounded(.down)
      if across < 0.05 || along - plank < 0.018 { return 1.25 }
      let tone = Self.noise(Int(row), Int(plank))
      let grain = Self.clouds(u * 14, v * 1.7)
      return 0.05 + 0.6 * tone + 0.3 * (grain - 0.5)
    case .clouds:
      let coarse = Self.clouds(u * 1.6, v * 1.6)
      let fine = Self.clouds(u * 3.7 + 31, v * 3.7)
      return smooth(0.28, 0.72, 0.68 * coarse + 0.32 * fine)
    }
  }

  /// Random numbers on the grid of integers, joined smoothly.
  private static func clouds(_ u: Float, _ v: Float) -> Float {
    let column = u.rounded(.down)
    let row = v.rounded(.down)
    let x = smooth(0, 1, u - column)
    let y = smooth(0, 1, v - row)
    let c = Int(column)
    let r = Int(row)
    let low = noise(c, r) + (noise(c + 1, r) - noise(c, r)) * x
    let high = noise(c, r + 1) + (noise(c + 1, r + 1) - noise(c, r + 1)) * x
    return low + (high - low) * y
  }

  /// A fixed random number in [0, 1) for each pair of integers, by mixing their bits.
  private static func noise(_ column: Int, _ row: Int) -> Float {
    var bits = UInt64(bitPattern: Int64(column)) &* 0x9E37_79B9_7F4A_7C15
    bits ^= UInt64(bitPattern: Int64(row)) &* 0xC2B2_AE3D_27D4_EB4F
    bits ^= bits >> 29
    bits = bits &* 0xBF58_476D_1CE4_E5B9
    bits ^= bits >> 32
    return Float(bits >> 40 & 0xFFFFFF) * 0x1p-24
  }
}
