import Foundation
import Imaging
import Testing

/// All files of the conformance set, as its manifest expects.
@Suite(
  .enabled(
    if: ConformanceManifest.isPresent, "shared/data/conformance is not beside the repository"))
struct ConformanceTests {
  let files: [ConformanceManifest.Entry]

  init() throws { files = try ConformanceManifest.load().files }

  @Test func `the set is complete`() {
    #expect(files.count == 573)
    #expect(files.count(where: \.firm) == 512)
  }

  @Test func `firm files decode or fail as expected`() throws {
    for file in files where file.firm {
      let outcome = try file.decoded()
      switch outcome {
      case .success(let image):
        #expect(file.isExpectedToDecode, "\(file.path) should be refused")
        #expect(image.width == file.width && image.height == file.height, "\(file.path)")
      case .failure(let error):
        #expect(!file.isExpectedToDecode, "\(error)")
        #expect(error.description.hasPrefix(file.path))
      }
    }
  }

  @Test func `files that decoders dispute decode whole or fail with an error`() throws {
    for file in files where !file.firm {
      if case .success(let image) = try file.decoded() {
        #expect(image.pixels.count == image.width * image.height * 3, "\(file.path)")
      }
    }
  }

  @Test func `the header's size is the image's`() throws {
    for file in files where file.firm && file.isExpectedToDecode {
      let bytes = try file.bytes
      let size = try ImageDecoder(appliesOrientation: false).size(of: bytes, name: file.path)
      #expect(size.width == file.width && size.height == file.height, "\(file.path)")
      let upright = try ImageDecoder().decode(bytes, name: file.path)
      let uprightSize = try ImageDecoder().size(of: bytes, name: file.path)
      #expect(uprightSize == (upright.width, upright.height), "\(file.path)")
    }
  }

  @Test func `orientation tags have their raw values`() throws {
    for file in files where file.firm && file.isExpectedToDecode {
      #expect(try Orientation.tag(in: file.bytes) == file.orientation, "\(file.path)")
    }
  }

  @Test(.enabled(if: CheckSums.isAvailable, "there is no sha256sum"))
  func `PNG pixels are equal bit for bit`() throws {
    var expected: [String] = []
    var names: [String] = []
    var images: [Image] = []
    for file in files where file.firm && file.isExpectedToDecode {
      guard ImageFormat(startOf: try file.bytes) == .png else { continue }
      images.append(try file.decoded().get())
      expected.append(try #require(file.rgbSHA256))
      names.append(file.path)
    }
    #expect(images.count > 250)
    let found = try CheckSums.of(images.map(\.pixels))
    try #require(found.count == expected.count)
    for index in names.indices {
      #expect(found[index] == expected[index], "\(names[index])")
    }
  }

  @Test(arguments: ["Landscape", "Portrait"])
  func `the same photograph in eight orientations looks the same`(name: String) throws {
    func small(_ orientation: Int) throws -> Image {
      let path = "jpeg/sharp_\(name)_\(orientation).jpg"
      return try ImageDecoder().decode(ConformanceManifest.bytes(path), name: path)
        .resized(to: 12, 12, filter: .area)
    }
    // The first was not made from the same pixels as the others.
    let first = try small(2).pixels
    for orientation in 3...8 {
      let difference = zip(first, try small(orientation).pixels)
        .reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
      #expect(Double(difference) / Double(first.count) < 2, "orientation \(orientation)")
    }
    // What a wrong turn would look like.
    let mirrored = try small(2).flippedHorizontally().pixels
    let wrong = zip(first, mirrored).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
    #expect(Double(wrong) / Double(first.count) > 10)
  }

  // In a process of its own, where nothing else allocates. The largest image among the files that
  // are not refused takes 2.4 MB; most of the rest is the process itself. Measured: 28 MiB.
  @Test(.enabled(if: peakResidentBytes() != nil, "the system tells no peak resident size"))
  func `no file makes memory run away`() async {
    await #expect(processExitsWith: .success) {
      for file in try ConformanceManifest.load().files { _ = try file.decoded() }
      let peak = try #require(peakResidentBytes())
      #expect(peak < 64 << 20, "\(peak >> 20) MiB")
    }
  }

  @Test func `JPEG pixels are near those of the reference`() throws {
    var compared = 0
    for file in files where file.firm && file.isExpectedToDecode {
      guard let reference = file.reference else { continue }
      let image = try file.decoded().get()
      let expected = try ImageDecoder().decode(
        ConformanceManifest.bytes(reference), name: reference)
      try #require(image.width == expected.width && image.height == expected.height)
      let worst = zip(image.pixels, expected.pixels).reduce(0) {
        max($0, abs(Int($1.0) - Int($1.1)))
      }
      // Equal where libjpeg-turbo made both; another libjpeg may round otherwise.
      #expect(worst <= 2, "\(file.path) differs by \(worst)")
      compared += 1
    }
    #expect(compared > 100)
  }

  @Test func `mean colours are those of the reference`() throws {
    for file in files where file.firm && file.isExpectedToDecode {
      let image = try file.decoded().get()
      let expected = try #require(file.meanRGB)
      for channel in 0..<3 {
        let sum = stride(from: channel, to: image.pixels.count, by: 3)
          .reduce(0) { $0 + Int(image.pixels[$1]) }
        let mean = Double(sum) * 3 / Double(image.pixels.count)
        #expect(abs(mean - expected[channel]) < 0.1, "\(file.path)")
      }
    }
  }
}

/// The process's peak resident size, nil where the system does not tell.
func peakResidentBytes() -> Int? {
  guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
    let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
  else { return nil }
  return line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 * 1024 }
}
