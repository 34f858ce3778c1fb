import FileTestSupport
import Foundation
import Imaging
import Testing

/// What is known of an image file before its pixels, and how little of it that takes.
struct HeaderReadingTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func write(_ bytes: [UInt8], _ name: String) throws -> String {
    try folder.write(bytes, to: name)
    return folder.file(name)
  }

  /// A JPEG with a segment of each given length in front, as previews and profiles are.
  private static func jpeg(_ image: Image, segments: [Int]) throws -> [UInt8] {
    var file = try ImageEncoder().encode(image, as: .jpeg)
    let extra = segments.flatMap { length in
      [0xFF, 0xE2] + PNGBuilder.bigEndian(length + 2, 2) + [UInt8](repeating: 1, count: length)
    }
    file.insert(contentsOf: extra, at: 2)
    return file
  }

  @Test(arguments: [[], [3000], [5000], [65_000, 65_000], [Int](repeating: 65_533, count: 40)])
  func `a long header of a JPEG is read to its end`(segments: [Int]) throws {
    let path = try write(
      try Self.jpeg(Pattern.smooth(40, 30), segments: segments), "x.jpg")
    let file = try ImageDecoder().open(path)
    #expect(
      file.header == ImageHeader(format: .jpeg, width: 40, height: 30, hasTransparency: false))
    #expect(try decibels(file.decode(), Pattern.smooth(40, 30)) > 30)
  }

  @Test(arguments: [0, 4000, 70_000, 3_000_000])
  func `a long header of a PNG is read to its end`(length: Int) throws {
    let path = try write(
      PNGBuilder.file(
        width: 3, height: 2, depth: 8, colorType: 0, samples: [1, 2, 3, 4, 5, 6],
        chunks: [("iTXt", [UInt8](repeating: 65, count: length)), ("tRNS", [0, 3])]), "x.png")
    let file = try ImageDecoder(background: .white).open(path)
    #expect(file.header == ImageHeader(format: .png, width: 3, height: 2, hasTransparency: true))
    #expect(try file.decode()[2, 0] == .white)
  }

  @Test(arguments: ImageFormat.allCases)
  func `a header is known where the rest of the file is missing`(format: ImageFormat) throws {
    let whole = try ImageEncoder().encode(Pattern.noise(200, 100), as: format)
    try #require(whole.count > 8192)
    let path = try write(Array(whole[..<8192]), "x")
    let file = try ImageDecoder().open(path)
    #expect(file.header.width == 200 && file.header.height == 100)
    #expect(throws: ImageError.self) { try file.decode() }
  }

  @Test(arguments: ImageFormat.allCases)
  func `a header that is cut is an error`(format: ImageFormat) throws {
    let whole = try ImageEncoder().encode(Pattern.noise(200, 100), as: format)
    for count in [17, 24, 30] {
      let path = try write(Array(whole[..<count]), "x")
      #expect(throws: ImageError.self) { try ImageDecoder().open(path) }
    }
  }

  @Test(.timeLimit(.minutes(10))) func `pipes and devices are refused at once`() throws {
    let pipe = folder.file("pipe.png")
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, "/dev/zero", folder.path] {
      let error = #expect(throws: ImageError.self) { try ImageDecoder().read(path) }
      #expect(error?.description.contains("not a regular file") == true)
    }
  }

  @Test func `a JPEG that is cut is refused, and one whose data end early is told of`() throws {
    let whole = try ImageEncoder().encode(Pattern.noise(64, 64), as: .jpeg)
    let half = Array(whole[..<(whole.count / 2)])
    let error = #expect(throws: ImageError.self) {
      try ImageDecoder().decode(half, name: "half.jpg")
    }
    #expect(error?.description.contains("half.jpg") == true)
    // With an end marker it cannot be told from one that is damaged in some place.
    let ended = try ImageDecoder().open(try write(half + [0xFF, 0xD9], "ended.jpg"))
    #expect(try ended.decodeNoting().doubt?.contains("premature end") == true)
    let good = try ImageDecoder().open(try write(whole, "whole.jpg"))
    #expect(try good.decodeNoting().doubt == nil)
    // What stands between the data and the end marker takes nothing from the image.
    let padded = try ImageDecoder().open(
      try write(Array(whole.dropLast(2)) + [0, 0, 0, 0xFF, 0xD9], "padded.jpg"))
    let (image, doubt) = try padded.decodeNoting()
    #expect(doubt == nil)
    #expect(try image == ImageDecoder().decode(whole, name: "x"))
  }
}
