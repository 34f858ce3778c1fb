import Imaging
import Testing

/// Every kind of PNG becomes the RGB bytes the format's definition says.
struct PNGKindsTests {
  struct Kind: Sendable, CustomTestStringConvertible {
    let colorType: UInt8
    let depth: Int
    let isInterlaced: Bool
    var testDescription: String {
      "type \(colorType), \(depth) bits\(isInterlaced ? ", interlaced" : "")"
    }
  }

  static let kinds: [Kind] = [
    (0, [1, 2, 4, 8, 16]), (2, [8, 16]), (3, [1, 2, 4, 8]), (4, [8, 16]), (6, [8, 16]),
  ].flatMap { colorType, depths in
    depths.flatMap { depth in
      [false, true].map { Kind(colorType: UInt8(colorType), depth: depth, isInterlaced: $0) }
    }
  }

  @Test(arguments: kinds, [(1, 1), (7, 5), (17, 9)])
  func `pixels are those of the definition`(kind: Kind, size: (Int, Int)) throws {
    let (width, height) = size
    let channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][kind.colorType]!
    var noise = Scramble(state: UInt64(kind.depth))
    let samples = (0..<width * height * channels).map { _ in
      Int(noise.next() >> 32) % (1 << kind.depth)
    }
    let palette = (0..<3 << min(kind.depth, 8)).map { _ in UInt8(truncatingIfNeeded: noise.next()) }
    // Transparency is there to be ignored.
    let transparency: [UInt8] =
      switch kind.colorType {
      case 0: PNGBuilder.bigEndian(samples[0], 2)
      case 2: samples[0..<3].flatMap { PNGBuilder.bigEndian($0, 2) }
      case 3: [0, 128]
      default: []
      }
    let file = PNGBuilder.file(
      width: width, height: height, depth: kind.depth, colorType: kind.colorType, samples: samples,
      isInterlaced: kind.isInterlaced,
      chunks: [("gAMA", [0, 0, 0xB1, 0x8F])] + (kind.colorType == 3 ? [("PLTE", palette)] : [])
        + (transparency.isEmpty ? [] : [("tRNS", transparency)]))
    func level(_ sample: Int) -> UInt8 {
      UInt8(kind.depth == 16 ? sample >> 8 : sample * 255 / (1 << kind.depth - 1))
    }
    let expected = Pattern.make(width, height) { x, y, channel in
      let start = (y * width + x) * channels
      return switch kind.colorType {
      case 2, 6: level(samples[start + channel])
      case 3: palette[samples[start] * 3 + channel]
      default: level(samples[start])
      }
    }
    #expect(try ImageDecoder().decode(file, name: "kind.png") == expected)
  }

  @Test func `a chunk of impossible length is refused`() {
    let file = PNGBuilder.file(
      width: 1, height: 1, depth: 8, colorType: 0, samples: [7], chunks: [("cHRM", [])])
    #expect(throws: ImageError.self) { try ImageDecoder().decode(file, name: "x.png") }
  }

  @Test func `texts and unknown chunks are stepped over however large`() throws {
    let file = PNGBuilder.file(
      width: 1, height: 1, depth: 8, colorType: 0, samples: [7],
      chunks: [("iTXt", [UInt8](repeating: 65, count: 9 << 20)), ("teSt", [1, 2, 3])])
    #expect(try ImageDecoder().decode(file, name: "x.png").pixels == [7, 7, 7])
  }
}
