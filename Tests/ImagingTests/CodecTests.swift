import Foundation
import Imaging
import Testing

/// Encoding and decoding, and the errors between.
struct CodecTests {
  static let sizes = [(1, 1), (1, 9), (9, 1), (16, 16), (33, 20)]

  @Test(arguments: sizes)
  func `PNG gives back every bit`(size: (Int, Int)) throws {
    for level in [0, 1, 9] {
      let image = Pattern.noise(size.0, size.1)
      let file = try ImageEncoder(compressionLevel: level).encode(image, as: .png)
      #expect(ImageFormat(startOf: file) == .png)
      #expect(try ImageDecoder().decode(file, name: "x") == image)
    }
  }

  @Test(arguments: sizes, [false, true])
  func `JPEG gives back nearly the image`(size: (Int, Int), halvesChroma: Bool) throws {
    let image = Pattern.smooth(size.0, size.1)
    let file = try ImageEncoder(halvesChroma: halvesChroma).encode(image, as: .jpeg)
    #expect(ImageFormat(startOf: file) == .jpeg)
    let decoded = try ImageDecoder().decode(file, name: "x")
    #expect(decoded.width == image.width && decoded.height == image.height)
    #expect(decibels(image, decoded) > (halvesChroma ? 25 : 35))
  }

  @Test func `JPEG's quality and chroma change the size of the file`() throws {
    let image = Pattern.noise(64, 64)
    func bytes(_ quality: Int, halvesChroma: Bool = false) throws -> Int {
      try ImageEncoder(halvesChroma: halvesChroma).encode(image, as: .jpeg, quality: quality).count
    }
    #expect(try bytes(10) < bytes(50))
    #expect(try bytes(50) < bytes(95))
    #expect(try bytes(95, halvesChroma: true) < bytes(95))
  }

  // More than 64 KiB of output makes the encoder's buffer grow.
  @Test(arguments: ImageFormat.allCases)
  func `a large image encodes`(format: ImageFormat) throws {
    let image = Pattern.noise(301, 299)
    let file = try ImageEncoder().encode(image, as: format, quality: 100)
    #expect(file.count > 1 << 17)
    #expect(decibels(image, try ImageDecoder().decode(file, name: "x")) > 30)
  }

  @Test func `an image too wide for JPEG is an error`() {
    #expect(throws: ImageError.self) {
      try ImageEncoder().encode(Image(width: 65_501, height: 1), as: .jpeg)
    }
  }

  @Test(arguments: ImageFormat.allCases)
  func `the pixel limit is exact and comes with the numbers`(format: ImageFormat) throws {
    let file = try ImageEncoder().encode(Pattern.smooth(12, 10), as: format)
    #expect(try ImageDecoder(pixelLimit: 120).decode(file, name: "x").width == 12)
    let error = ImageError.tooManyPixels(file: "x", width: 12, height: 10, limit: 119)
    #expect(throws: error) { try ImageDecoder(pixelLimit: 119).decode(file, name: "x") }
    #expect(throws: error) { try ImageDecoder(pixelLimit: 119).size(of: file, name: "x") }
  }

  @Test func `no bytes are an error of their own`() {
    #expect(throws: ImageError.empty(file: "x.png")) {
      try ImageDecoder().decode([], name: "x.png")
    }
  }

  @Test(arguments: [
    ("GIF89a......", "a GIF image"), ("BM......", "a BMP image"),
    ("RIFF....WEBPVP8 ", "a WebP image"), ("<html> äöü\n", "text"),
    ("\u{1}\u{2}", "something unknown"),
    ("II*\0........", "a TIFF image"),
  ])
  func `other formats are named`(content: String, seems: String) {
    #expect(throws: ImageError.notAnImage(file: "x.png", seems: seems)) {
      try ImageDecoder().decode(Array(content.utf8), name: "x.png")
    }
  }

  @Test(arguments: ImageFormat.allCases)
  func `a file cut anywhere is an error`(format: ImageFormat) throws {
    let file = try ImageEncoder().encode(Pattern.noise(20, 20), as: format)
    for count in 1..<file.count {
      #expect(throws: ImageError.self, "cut after \(count) bytes") {
        try ImageDecoder().decode(Array(file[..<count]), name: "x")
      }
    }
  }

  @Test(arguments: ImageFormat.allCases)
  func `damaged files decode whole or fail, nothing else`(format: ImageFormat) throws {
    let file = try ImageEncoder().encode(Pattern.smooth(40, 30), as: format)
    let decoder = ImageDecoder(pixelLimit: 1 << 20)
    var noise = Scramble(state: 7)
    var failures = 0
    for _ in 0..<1500 {
      var damaged = file
      for _ in 0..<Int.random(in: 1...4, using: &noise) {
        damaged[Int.random(in: 8..<file.count, using: &noise)] = .random(in: 0...255, using: &noise)
      }
      do throws(ImageError) {
        let image = try decoder.decode(damaged, name: "x")
        #expect(image.pixels.count == image.width * image.height * 3)
      } catch {
        failures += 1
      }
    }
    #expect(failures > 0)
  }

  // Scans without content cost a few bytes in the file and a walk over the image each.
  @Test func `a progressive JPEG of very many scans is refused`() throws {
    var file = try ImageEncoder().encode(Pattern.smooth(8, 8), as: .jpeg)
    let frame = try #require((0..<file.count).first { file[$0...].starts(with: [0xFF, 0xC0]) })
    file[frame + 1] = 0xC2
    // The only scan becomes one of the lowest frequency alone.
    let scan = try #require((0..<file.count).first { file[$0...].starts(with: [0xFF, 0xDA]) })
    file[scan + 12] = 0
    file.removeLast(2)
    let refinement: [UInt8] = [0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 0x10, 0, 0]
    func outcome(_ count: Int) throws -> Image {
      let scans = [[UInt8]](repeating: refinement, count: count).flatMap { $0 }
      return try ImageDecoder().decode(file + scans + [0xFF, 0xD9], name: "x")
    }
    #expect(try outcome(99).width == 8)
    #expect(throws: ImageError.self) { try outcome(101) }
  }

  @Test func `errors carry the file's name`() {
    let errors: [ImageError] = [
      .unreadable(file: "a/b.png", reason: "r"), .empty(file: "a/b.png"),
      .notAnImage(file: "a/b.png", seems: "text"),
      .corrupt(file: "a/b.png", format: .png, reason: "r"),
      .tooManyPixels(file: "a/b.png", width: 1, height: 2, limit: 1),
      .tooManyBytes(file: "a/b.png", bytes: 2, limit: 1),
      .cannotEncode(file: "a/b.png", format: .jpeg, reason: "r"),
      .cannotWrite(file: "a/b.png", reason: "r"),
    ]
    for error in errors { #expect(error.description.hasPrefix("a/b.png: ")) }
  }
}

/// The peak signal-to-noise ratio, written out.
func decibels(_ a: Image, _ b: Image) -> Double {
  let sum = zip(a.pixels, b.pixels).reduce(0.0) { sum, pair in
    let difference = Double(pair.0) - Double(pair.1)
    return sum + difference * difference
  }
  return -10 * log10(sum / Double(a.pixels.count) / (255 * 255))
}
