import Imaging

/// Turns scenes into images, by rays.
///
/// A pixel is a grid of 4 x 4 rays. Four of them, one in each row and column, are followed first;
/// where they agree they stand for all, and where they do not (at edges, in the soft rim of a
/// shadow, in a fine pattern) the other twelve follow. Each ray meets the nearest surface, and one
/// ray from there to its own sixteenth of the light's disc says whether the light is seen, so
/// shadows have soft edges and no noise. Light is added up linearly: the lamp (Lambert's cosine,
/// Blinn's highlight), the surroundings from above and the floor's colour from below, both dimmed
/// by what stands near.
public enum SceneRenderer {
  /// The rays of a pixel in the order in which they are followed: those that are always, first.
  private static let order = [1, 7, 8, 14, 0, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 15]

  /// Whether four rays agree: in no channel do they span more than about six of 255 levels.
  private static func agree(_ low: Vector, _ high: Vector) -> Bool {
    let room = high * 0.05 + 0.004 - (high - low)
    return min(room.x, room.y, room.z) > 0
  }

  /// The image of `scene`, `size` pixels wide and high; the same bytes for the same scene.
  ///
  /// - Precondition: `size` is at least 1.
  public static func render(_ scene: Scene, size: Int = 64) -> Image {
    precondition(size > 0, "an image is at least one pixel wide, not \(size)")
    let view = View(scene.camera, size: size)
    let stage = Stage(scene)
    let bodies = Bodies(scene)
    var pixels = [UInt8](repeating: 0, count: size * size * 3)
    bodies.all.withUnsafeBufferPointer { all in
      bodies.planes.withUnsafeBufferPointer { planes in
        let tracer = Tracer(stage: stage, bodies: all, planes: planes, footprint: view.footprint)
        for row in 0..<size {
          for column in 0..<size {
            let light = light(x: Float(column), y: Float(row), view, tracer)
            let stored = light.squareRoot() * 255
            let index = (row * size + column) * 3
            for channel in 0..<3 {
              pixels[index + channel] = UInt8(max(0, min(255, stored[channel].rounded())))
            }
          }
        }
      }
    }
    return Image(width: size, height: size, pixels: pixels)
  }

  /// The mean light of a pixel.
  private static func light(x: Float, y: Float, _ view: View, _ tracer: Tracer) -> Vector {
    var nearby = Nearby.unknown
    var sum = Vector.zero
    var low = Vector.one
    var high = Vector.zero
    for position in 0..<16 {
      let sample = order[position]
      let ray = view.ray(
        x: x + (Float(sample & 3) + 0.5) / 4, y: y + (Float(sample >> 2) + 0.5) / 4)
      // Clipped before the mean, so that the rims of highlights stay smooth.
      let light = tracer.light(along: ray, lamp: tracer.stage.lamps[sample], &nearby)
        .clamped(lowerBound: .zero, upperBound: .one)
      sum += light
      if position < 4 {
        low.replace(with: light, where: light .< low)
        high.replace(with: light, where: light .> high)
      }
      if position == 3, agree(low, high) { return sum / 4 }
    }
    return sum / 16
  }
}

/// The camera as rays.
struct View {
  private let eye: Vector
  private let corner: Vector
  private let right: Vector
  private let down: Vector
  /// The width of a quarter of a pixel at distance 1.
  let footprint: Float

  init(_ camera: Scene.Camera, size: Int) {
    let (sine, cosine) = sineCosine(degrees: camera.azimuth)
    let (rise, level) = sineCosine(degrees: camera.elevation)
    let target = Vector(0, 0.52, 0)
    let back = Vector(sine * level, rise, -cosine * level)
    eye = target + back * Float(camera.distance)
    let across = normalized(cross(Vector(0, 1, 0), -back))
    let up = cross(-back, across)
    let half = sineCosine(degrees: camera.span / 2)
    let width = 2 * half.sine / half.cosine / Float(size)
    right = across * width
    down = up * -width
    corner = -back - (right + down) * (Float(size) / 2)
    footprint = width / 4
  }

  /// The ray through a place in the picture, in pixels from the upper left corner.
  @inline(__always) func ray(x: Float, y: Float) -> Ray {
    Ray(origin: eye, direction: normalized(corner + right * x + down * y))
  }
}

// MARK: - Following rays

/// What does not depend on the ray: the lamp, the surroundings, the floor and the wall.
struct Stage {
  /// Which sixteenth of the disc, from its middle to its rim, each ray looks at: rays that are
  /// neighbours look at distant parts.
  private static let order = [0, 10, 5, 15, 6, 12, 3, 9, 11, 1, 14, 4, 13, 7, 8, 2]
  /// The directions to sixteen points of the light's disc, one for each ray of a pixel.
  let lamps: [Vector]
  let lampColour: Vector
  let top: Vector
  let bottom: Vector
  let isWall: Bool
  let texture: FloorTexture
  /// The surroundings straight above and straight below.
  private let above: Vector
  private let below: Vector
  /// Where the wall stands.
  let wallZ: Float = 2.9
  let wallHeight: Float = 4.5

  init(_ scene: Scene) {
    texture = FloorTexture(scene.floor)
    top = linear(scene.backdrop.codes.top)
    bottom = linear(scene.backdrop.codes.bottom)
    isWall = scene.backdrop.isWall
    let strength: Float = isWall ? 0.62 : 0.72
    above = mix(Vector(repeating: 0.34), mix(top, bottom, 0.5), 0.35) * strength
    below = texture.mean * (0.5 * strength)
    let (sine, cosine) = sineCosine(degrees: scene.light.azimuth)
    let (rise, level) = sineCosine(degrees: scene.light.elevation)
    let middle = Vector(sine * level, rise, -cosine * level)
    let across = normalized(cross(Vector(0, 1, 0), middle))
    let up = cross(middle, across)
    // Points spread evenly over a disc: the radius grows as the root, the angle by the golden one.
    lamps = Self.order.map { index in
      let share = ((Float(index) + 0.5) / 16).squareRoot() * Float(scene.light.softness)
      let (s, c) = sineCosine(degrees: 137.50776 * Double(index))
      return normalized(middle + (across * c + up * s) * share)
    }
    let warm = Float(scene.light.warmth)
    lampColour = mix(Vector(0.94, 0.98, 1.06), Vector(1.12, 0.97, 0.76), warm) * 0.92
  }

  /// The light of the surroundings that reaches a surface facing upwards by `rise` (-1 to 1).
  func surroundings(_ rise: Float) -> Vector {
    mix(below, above, 0.5 + 0.5 * rise)
  }

  /// What a ray that meets nothing sees.
  func sky(_ rise: Float) -> Vector { mix(bottom, top, smooth(-0.02, 0.2, rise)) }
}

/// Follows rays through one scene.
struct Tracer {
  let stage: Stage
  let bodies: UnsafeBufferPointer<Body>
  let planes: UnsafeBufferPointer<Plane>
  let footprint: Float

  /// The light that comes back along a ray from the camera.
  func light(along ray: Ray, lamp: Vector, _ nearby: inout Nearby) -> Vector {
    var nearest: Hit?
    var index = -1
    for candidate in bodies.indices {
      guard let hit = bodies[candidate].hit(ray, planes),
        hit.distance < nearest?.distance ?? .infinity
      else { continue }
      nearest = hit
      index = candidate
    }
    if let nearest, ray.point(at: nearest.distance).y > 0 {
      return solid(ray, nearest, index, lamp, &nearby)
    }
    return surroundings(ray, lamp, &nearby)
  }

  private func solid(
    _ ray: Ray, _ hit: Hit, _ index: Int, _ lamp: Vector, _ nearby: inout Nearby
  ) -> Vector {
    let body = bodies[index]
    let point = ray.point(at: hit.distance)
    let lit = lighting(point, hit.normal, lamp, surface: index, &nearby)
    var light = body.colour * (lit.ambient + lit.direct)
    if body.highlight > 0 {
      var gleam = max(0, dot(hit.normal, normalized(lamp - ray.direction)))
      for _ in 0..<body.halvings { gleam *= gleam }
      light += stage.lampColour * (lit.isSeen ? body.highlight * gleam : 0)
      // Schlick's rise towards the rim, over a mirror of the sky or the floor.
      let facing = -dot(hit.normal, ray.direction)
      let rim = 1 - unit(facing)
      let share = body.reflection * (0.12 + 0.88 * rim * rim * rim)
      let away = ray.direction + hit.normal * (2 * facing)
      let mirrored =
        away.y > 0 ? mix(stage.bottom, stage.top, unit(away.y)) : stage.texture.mean * 0.8
      light = mix(light, mirrored, share)
    }
    return light
  }

  private func surroundings(_ ray: Ray, _ lamp: Vector, _ nearby: inout Nearby) -> Vector {
    let down = ray.direction.y < -1e-4 ? -ray.origin.y / ray.direction.y : Float.infinity
    if stage.isWall {
      let ahead =
        ray.direction.z > 1e-4 ? (stage.wallZ - ray.origin.z) / ray.direction.z : .infinity
      if ahead < down {
        let point = ray.point(at: ahead)
        let rise = point.y / stage.wallHeight
        let lit = lighting(point, Vector(0, 0, -1), lamp, surface: Nearby.wall, &nearby)
        let skirting: Float = point.y < 0.16 ? 0.72 : 1
        // The corner between wall and floor gathers less light.
        let corner = 0.72 + 0.28 * unit(point.y / 0.7)
        let paint = mix(stage.bottom, stage.top, unit(rise * 1.6)) * skirting
        return paint * (lit.ambient * 1.75 * corner + lit.direct * 1.35)
      }
    }
    guard down < .infinity else { return stage.sky(ray.direction.y) }
    let point = ray.point(at: down)
    let colour = stage.texture.colour(
      x: point.x, z: point.z, footprint: footprint * down / -ray.direction.y)
    let lit = lighting(point, Vector(0, 1, 0), lamp, surface: Nearby.floor, &nearby)
    if stage.isWall {
      let corner = 0.7 + 0.3 * unit((stage.wallZ - point.z) / 0.8)
      return colour * (lit.ambient * corner + lit.direct)
    }
    // Haze: far floor fades into the horizon.
    return mix(colour * (lit.ambient + lit.direct), stage.bottom, 0.92 * smooth(9, 38, down))
  }

  /// The light that falls on a point, and whether it sees the lamp.
  private func lighting(
    _ point: Vector, _ normal: Vector, _ lamp: Vector, surface: Int, _ nearby: inout Nearby
  ) -> (ambient: Vector, direct: Vector, isSeen: Bool) {
    if nearby.surface != surface { nearby = self.nearby(point, normal, surface: surface) }
    let ambient = stage.surroundings(normal.y) * nearby.open + nearby.cast
    let cosine = dot(normal, lamp)
    guard cosine > 0 else { return (ambient, .zero, false) }
    let ray = Ray(origin: point + normal * 1e-3, direction: lamp)
    for index in bodies.indices where bodies[index].hit(ray, planes) != nil {
      return (ambient, .zero, false)
    }
    return (ambient, stage.lampColour * cosine, true)
  }

  /// What the bodies do to the surroundings' light at a point.
  private func nearby(_ point: Vector, _ normal: Vector, surface: Int) -> Nearby {
    // Every other body hides as much of the surroundings as a sphere of its size would, and
    // gives back some of its own colour.
    var found = Nearby(surface: surface, open: 1, cast: .zero)
    for index in bodies.indices where index != surface {
      let body = bodies[index]
      let size = min(body.radius, body.height * 0.5)
      let way = Vector(body.base.x, size * 0.9, body.base.z) - point
      let square = max(dot(way, way), size * size)
      let facing = dot(normal, way) / square.squareRoot()
      let hidden = unit(max(0, facing + 0.25) / 1.25 * size * size / square)
      found.open *= 1 - 0.75 * hidden
      found.cast += body.colour * (0.14 * hidden)
    }
    // A solid's own foot stands in the floor's shade.
    if surface >= 0 { found.open *= 0.72 + 0.28 * unit(point.y / 0.3) }
    return found
  }
}

/// How much of the surroundings a place sees, and what the bodies around cast on it.
///
/// It changes slowly, so the rays of a pixel that meet the same surface share it.
struct Nearby {
  /// The body's number, or one of the others'.
  var surface: Int
  var open: Float
  var cast: Vector

  static let floor = -1
  static let wall = -2
  static let unknown = Nearby(surface: -3, open: 1, cast: .zero)
}

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
