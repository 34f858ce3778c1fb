import Imaging
import Testing

/// Transparent pixels over a background, against the definition in whole numbers.
struct TransparencyTests {
  /// The twin: the nearest whole number to (c a + b (top - a)) / top, found by trying.
  static func composite(_ sample: Int, _ alpha: Int, _ background: Int, top: Int) -> Int {
    let exact = sample * alpha + background * (top - alpha)
    var nearest = 0
    var distance = Int.max
    // Any number of 0...top may be it; the quotient's two neighbours are enough to look at.
    for candidate in max(0, exact / top - 1)...min(top, exact / top + 1) {
      let off = abs(candidate * top - exact)
      if off < distance { (nearest, distance) = (candidate, off) }
    }
    return nearest
  }

  /// A sample of `depth` bits and its alpha, as the 8 bits of the result.
  static func level(_ sample: Int, _ alpha: Int, depth: Int, _ background: UInt8) -> UInt8 {
    if depth == 16 {
      return UInt8(composite(sample, alpha, Int(background) * 257, top: 65535) >> 8)
    }
    let wide = sample * 255 / (1 << depth - 1)
    return UInt8(composite(wide, alpha, Int(background), top: 255))
  }

  static let backgrounds = [PixelColor.white, .black, PixelColor(1, 128, 254)]

  struct Kind: Sendable, CustomTestStringConvertible {
    let colorType: UInt8
    let depth: Int
    var testDescription: String { "type \(colorType), \(depth) bits" }
  }

  static let kinds: [Kind] = [
    (0, [1, 2, 4, 8, 16]), (2, [8, 16]), (3, [1, 2, 4, 8]), (4, [8, 16]), (6, [8, 16]),
  ].flatMap { type, depths in depths.map { Kind(colorType: UInt8(type), depth: $0) } }

  @Test(arguments: kinds, [(1, 1), (3, 2), (7, 5), (17, 9)])
  func `every kind of transparency is composited as defined`(
    kind: Kind, size: (Int, Int)
  ) throws {
    let (width, height) = size
    let (type, depth) = (Int(kind.colorType), kind.depth)
    let channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][type]!
    let top = 1 << depth - 1
    var noise = Scramble(state: UInt64(depth * 10 + type))
    let samples = (0..<width * height * channels).map { index in
      // Of each alpha often nothing and all, where rounding must do nothing.
      let value = Int(noise.next() >> 32)
      let isAlpha = (type == 4 || type == 6) && index % channels == channels - 1
      return isAlpha && value % 3 == 0 ? 0 : isAlpha && value % 3 == 1 ? top : value & top
    }
    let palette = (0..<3 << min(depth, 8)).map { _ in UInt8(truncatingIfNeeded: noise.next()) }
    let opacities = (0..<1 << min(depth, 8)).map { _ in UInt8(truncatingIfNeeded: noise.next()) }
    // For gray and RGB: the colour that is transparent, with one near it that is not.
    let keyed = Array(samples.prefix(channels))
    let transparency: [UInt8] =
      switch type {
      case 0, 2: keyed.flatMap { PNGBuilder.bigEndian($0, 2) }
      // Fewer opacities than colours: the others are opaque.
      case 3: Array(opacities.prefix(max(1, opacities.count - 1)))
      default: []
      }
    for isInterlaced in [false, true] {
      let file = PNGBuilder.file(
        width: width, height: height, depth: depth, colorType: kind.colorType, samples: samples,
        isInterlaced: isInterlaced,
        chunks: (type == 3 ? [("PLTE", palette)] : [])
          + (transparency.isEmpty ? [] : [("tRNS", transparency)]))
      #expect(try ImageDecoder().header(of: file, name: "x").hasTransparency)
      for background in Self.backgrounds {
        let under = [background.red, background.green, background.blue]
        let expected = Pattern.make(width, height) { x, y, channel in
          let start = (y * width + x) * channels
          let pixel = Array(samples[start..<start + channels])
          switch type {
          case 3:
            let index = pixel[0]
            let alpha = index < transparency.count ? Int(transparency[index]) : 255
            return Self.level(Int(palette[index * 3 + channel]), alpha, depth: 8, under[channel])
          case 4, 6:
            let alpha = pixel[channels - 1]
            return Self.level(
              pixel[type == 6 ? channel : 0], alpha, depth: depth, under[channel])
          default:
            let alpha = pixel == keyed ? 0 : depth == 16 ? 65535 : 255
            return Self.level(pixel[type == 2 ? channel : 0], alpha, depth: depth, under[channel])
          }
        }
        #expect(try ImageDecoder(background: background).decode(file, name: "x") == expected)
      }
    }
  }

  @Test func `all pairs of 8-bit colour and alpha round to the nearest`() throws {
    // A row of all alphas for each of some colours.
    for sample in [0, 1, 2, 100, 127, 128, 200, 254, 255] {
      let samples = (0..<256).flatMap { [sample, 255 - sample, 77, $0] }
      let file = PNGBuilder.file(
        width: 256, height: 1, depth: 8, colorType: 6, samples: samples)
      for background in Self.backgrounds {
        let image = try ImageDecoder(background: background).decode(file, name: "x")
        for alpha in 0..<256 {
          let expected = PixelColor(
            Self.level(sample, alpha, depth: 8, background.red),
            Self.level(255 - sample, alpha, depth: 8, background.green),
            Self.level(77, alpha, depth: 8, background.blue))
          #expect(image[alpha, 0] == expected)
        }
      }
    }
  }

  @Test(arguments: [0, 2, 3]) func `a background changes no image without alpha`(type: Int) throws {
    let depth = type == 3 ? 8 : 16
    let channels = type == 2 ? 3 : 1
    var noise = Scramble(state: 5)
    let samples = (0..<9 * 7 * channels).map { _ in Int(noise.next() >> 32) & (1 << depth - 1) }
    let palette = (0..<768).map { _ in UInt8(truncatingIfNeeded: noise.next()) }
    for isInterlaced in [false, true] {
      let file = PNGBuilder.file(
        width: 9, height: 7, depth: depth, colorType: UInt8(type), samples: samples,
        isInterlaced: isInterlaced, chunks: type == 3 ? [("PLTE", palette)] : [])
      let header = try ImageDecoder().header(of: file, name: "x")
      #expect(!header.hasTransparency)
      #expect(
        try ImageDecoder(background: .black).decode(file, name: "x")
          == ImageDecoder().decode(file, name: "x"))
    }
  }

  @Test func `opaque pixels keep their colour to the bit`() throws {
    var noise = Scramble(state: 9)
    for depth in [8, 16] {
      let top = 1 << depth - 1
      let samples = (0..<64).flatMap { _ in
        [Int(noise.next() >> 32) & top, Int(noise.next() >> 32) & top, 0, top]
      }
      let file = PNGBuilder.file(width: 8, height: 8, depth: depth, colorType: 6, samples: samples)
      #expect(
        try ImageDecoder(background: PixelColor(9, 8, 7)).decode(file, name: "x")
          == ImageDecoder().decode(file, name: "x"))
    }
  }

  @Test func `colours are read from their texts`() {
    #expect(PixelColor(text: "white") == .white)
    #expect(PixelColor(text: "black") == .black)
    #expect(PixelColor(text: "#Ff8001") == PixelColor(255, 128, 1))
    for text in ["", "#", "#fff", "#ff80011", "ff8001", "#ff80g1", "#+f8001", "red", "#ff 001"] {
      #expect(PixelColor(text: text) == nil, "\(text)")
    }
  }
}
