import Configuration
import Datasets
import FileTestSupport
import Foundation
import Imaging
import Testing

/// Transparent images in a data set: counted, and laid over the background.
@Suite struct TransparentImagesTests {
  /// A PNG of 8x8 pixels, gray and half transparent, as libpng writes it.
  private static let transparent: [UInt8] = {
    // 89 50 4E 47 ...: IHDR 8x8, 8 bits, gray and alpha; one stored block of zeros and 128s.
    func bigEndian(_ value: UInt32) -> [UInt8] {
      withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
    func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
      let body = Array(type.utf8) + content
      let sum = body.reduce(UInt32.max) { sum, byte in
        (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in
          sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1
        }
      }
      return bigEndian(UInt32(content.count)) + body + bigEndian(~sum)
    }
    let raw: [UInt8] = (0..<8).flatMap { _ in [0] + (0..<8).flatMap { _ in [100, 128] as [UInt8] } }
    let (a, b) = raw.reduce((1, 0)) { sums, byte in
      let a = (sums.0 + Int(byte)) % 65521
      return (a, (sums.1 + a) % 65521)
    }
    let count = UInt8(raw.count)
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
      + chunk("IHDR", bigEndian(8) + bigEndian(8) + [8, 4, 0, 0, 0])
      + chunk(
        "IDAT",
        [0x78, 0x01, 1, count, 0, ~count, 0xFF] + raw + bigEndian(UInt32(b << 16 | a)))
      + chunk("IEND", [])
  }()

  @Test(arguments: [0, 1]) func theyAreCountedAndComposited(megabytes: Int) throws {
    let folder = try ScratchFolder()
    try folder.fill(3)
    try Data(Self.transparent).write(to: URL(fileURLWithPath: folder.path + "/glow.png"))
    for (background, expected) in [
      // 100 * 128 / 255 and what shines through of 255 or 0.
      (PixelColor.white, 177), (.black, 50), (nil, 100),
    ] as [(PixelColor?, UInt8)] {
      let data = try Dataset(
        train: folder.path, validationShare: 0, seed: 1, augmentation: Augmentation(size: 8),
        background: background, cacheMegabytes: megabytes)
      #expect(data.transparentCount == 1)
      #expect(data.training.file(3) == "glow.png")
      #expect(try data.training.image(3).pixels.allSatisfy { $0 == expected })
    }
  }

  @Test func theConfigurationSaysTheBackground() throws {
    for (text, expected) in [
      (#"{"train": "d"}"#, PixelColor.white), (#"{"train": "d", "background": "black"}"#, .black),
      (##"{"train": "d", "background": "#102030"}"##, PixelColor(16, 32, 48)),
    ] {
      let configuration = try DataConfiguration.parse(text)
      #expect(configuration.backgroundColor == expected)
      #expect(try DataConfiguration.parse(configuration.resolved) == configuration)
      #expect(configuration.resolved.contains("\"background\""))
    }
    for wrong in [#""grey""#, ##""#12345""##, "255", #""""#] {
      #expect(throws: (any Error).self) {
        try DataConfiguration.parse(#"{"train": "d", "background": \#(wrong)}"#)
      }
    }
  }
}
