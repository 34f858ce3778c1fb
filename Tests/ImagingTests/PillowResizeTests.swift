import FileTestSupport
import Foundation
import Imaging
import Testing

/// Pillow's resize, byte for byte: against its definition, its own results as numbers, and itself.
struct PillowResizeTests {
  /// Width, height, new width, new height, and FNV-1a of what Pillow 13 gives under box, bilinear,
  /// bicubic and Lanczos: printed by Tests/Golden/golden_pillow.py.
  static let golden: [(Int, Int, Int, Int, [UInt64])] = [
    (
      1, 1, 3, 2,
      [0x934D4288FA5F340F, 0x934D4288FA5F340F, 0x934D4288FA5F340F, 0x934D4288FA5F340F]
    ),
    (
      5, 4, 1, 1,
      [0x454E59193A4A7BD9, 0x3DEE3F19367A1A78, 0x3DF23019367DE9D2, 0x3DEE4019367A1C2B]
    ),
    (
      16, 12, 8, 6,
      [0x909EABD5C73B850D, 0xE891ACFFB6272AAB, 0x8CD93A8DE9C8FB86, 0x7D8653878390BDD3]
    ),
    (
      13, 17, 5, 9,
      [0xABAAC6B3114882D6, 0x583F88F5A1A147E7, 0x7B4B0B442BE404B5, 0xE8E889BD79B0472D]
    ),
    (
      7, 5, 14, 10,
      [0x6308D1ECAED7C195, 0x29677975893C1128, 0xC7D83E474D99BDD3, 0x80CBA5EA4137B6CD]
    ),
    (
      9, 3, 4, 11,
      [0xB0E496F45D1C52E9, 0x64CC8E7249AE07BF, 0xFE9F1093F9A823C1, 0x69400B6D0D65A102]
    ),
    (
      3, 9, 11, 4,
      [0x6CB6E697F3BB244E, 0x7CAF39A6FAF3BB40, 0x5232DA96BE31E65D, 0x797185FA3F4D0026]
    ),
    (
      31, 29, 30, 28,
      [0x303ED4C91410DD96, 0x01D6F7640BD9EF22, 0xE72ECA59C03E533E, 0x5DA8F71045888F2A]
    ),
    (
      64, 3, 7, 3,
      [0x8040DFBB1636AC2C, 0x0D833947BD575BE9, 0xD58163559CCAE626, 0xDB02CF295CC4DBD9]
    ),
    (
      3, 64, 3, 7,
      [0x7C0ACDCB8BFA3D8B, 0x91736FF4A7535366, 0x6CB74CE154D81327, 0x62DAFA3B7067FB5B]
    ),
    (
      1, 200, 1, 3,
      [0x12D82B163C430F52, 0x5CC5F6783CE2A6CA, 0x9931027E8268A46E, 0x5A1D895CBC4A9A43]
    ),
    (
      200, 1, 3, 5,
      [0xCBAB59A113ACDC26, 0x96A8ED8E9E79C446, 0x4B58BCB4B4D738D2, 0x1416AC1FF8D723C3]
    ),
    (
      2, 97, 50, 1,
      [0x1C5EB9A44A8CCFC9, 0x3B5B1D1A40660C96, 0xB3A4D0934DD75319, 0x2D83EC9A8D1C3E9A]
    ),
    (
      97, 2, 1, 50,
      [0x3B6EEAD9A26F9BF5, 0x6797EFCD61E4E68F, 0xFFBE70587FE7DC60, 0x8F25A23E2FAA9BB4]
    ),
    (
      40, 90, 30, 20,
      [0xF06A3D1EA304F157, 0x2637086F01CD5929, 0x3200FB62524F7711, 0xDE1D6EA610EFE209]
    ),
    (
      90, 40, 20, 30,
      [0xBDE4A43D59E742B6, 0xEC450C038DD7FA31, 0x34A7796BB2F43538, 0xFF9840EEE236001B]
    ),
    (
      61, 47, 128, 128,
      [0x67179890CB645B5B, 0x754FDDDE375F5D53, 0x53AB8F701E29F0B0, 0xD5E3AB5EA02B7CE6]
    ),
  ]

  static func fnv(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  @Test(arguments: golden.indices)
  func `bytes are those that Pillow gave`(number: Int) {
    let (width, height, across, down, sums) = Self.golden[number]
    let image = Pattern.noise(width, height)
    for (filter, sum) in zip(PillowFilter.allCases, sums) {
      let resized = image.resizedAsPillow(to: across, down, filter: filter)
      #expect(resized.width == across && resized.height == down)
      #expect(Self.fnv(resized.pixels) == sum, "\(filter)")
    }
  }

  // MARK: The slow twin

  /// Weights of output `o` of `m` over all inputs of `n`, in 2^-22.
  static func weights(_ o: Int, _ n: Int, _ m: Int, _ filter: PillowFilter) -> [Int: Int] {
    let (support, kernel): (Double, (Double) -> Double) =
      switch filter {
      case .box: (0.5, { $0 > -0.5 && $0 <= 0.5 ? 1 : 0 })
      case .bilinear: (1, { max(0, 1 - abs($0)) })
      case .bicubic: (2, Self.cubic)
      case .lanczos: (3, { $0 == 0 ? 1 : $0 >= -3 && $0 < 3 ? Self.lanczos($0) : 0 })
      }
    let ratio = max(1, Double(n) / Double(m))
    let centre = (Double(o) + 0.5) * (Double(n) / Double(m))
    var values: [Int: Double] = [:]
    for i in 0..<n where i >= Int(centre - support * ratio + 0.5) {
      guard i < Int(centre + support * ratio + 0.5) else { break }
      values[i] = kernel((Double(i) - centre + 0.5) * (1 / ratio))
    }
    // In order: sums of floats depend on it.
    let total = values.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value }
    return values.mapValues { value in
      let weight = total == 0 ? value : value / total
      return Int((abs(weight) * 4_194_304 + 0.5).rounded(.down)) * (weight < 0 ? -1 : 1)
    }
  }

  static func cubic(_ x: Double) -> Double {
    let t = abs(x)
    if t < 1 { return (1.5 * t - 2.5) * t * t + 1 }
    return t < 2 ? (((t - 5) * t + 8) * t - 4) * -0.5 : 0
  }

  static func lanczos(_ x: Double) -> Double {
    sin(x * .pi) / (x * .pi) * (sin(x / 3 * .pi) / (x / 3 * .pi))
  }

  /// One pass over one side, pixel by pixel.
  static func pass(_ image: Image, to length: Int, across: Bool, _ filter: PillowFilter) -> Image {
    let input = across ? image.width : image.height
    if input == length { return image }
    let table = (0..<length).map { weights($0, input, length, filter) }
    let (width, height) = (across ? length : image.width, across ? image.height : length)
    return Pattern.make(width, height) { x, y, channel in
      let sum = table[across ? x : y].reduce(1 << 21) { sum, entry in
        let place = across ? y * image.width + entry.key : entry.key * image.width + x
        return sum + entry.value * Int(image.pixels[place * 3 + channel])
      }
      return UInt8(min(max(sum >> 22, 0), 255))
    }
  }

  @Test(arguments: PillowFilter.allCases)
  func `resizing is its definition`(filter: PillowFilter) {
    var random = Scramble(state: 5)
    for _ in 0..<40 {
      let sides = (0..<4).map { _ in Int.random(in: 1...48, using: &random) }
      let image = Pattern.noise(sides[0], sides[1], seed: UInt64(sides[2]))
      let columnsFirst = sides[1] > sides[3] && sides[1] - sides[3] > 2 * (sides[0] - sides[2])
      var expected = image
      for across in columnsFirst ? [false, true] : [true, false] {
        expected = Self.pass(expected, to: sides[across ? 2 : 3], across: across, filter)
      }
      #expect(
        image.resizedAsPillow(to: sides[2], sides[3], filter: filter) == expected, "\(sides)")
    }
  }

  @Test(arguments: PillowFilter.allCases)
  func `the same size is the same image, and a constant one stays constant`(filter: PillowFilter) {
    let image = Pattern.noise(9, 8)
    #expect(image.resizedAsPillow(to: 9, 8, filter: filter) == image)
    for value: UInt8 in [0, 1, 127, 254, 255] {
      let color = PixelColor(value, 255 - value, 77)
      for (width, height) in [(1, 1), (3, 50), (100, 7)] {
        #expect(
          Image(width: 33, height: 21, filledWith: color)
            .resizedAsPillow(to: width, height, filter: filter)
            == Image(width: width, height: height, filledWith: color))
      }
    }
  }

  // MARK: Pillow itself

  @Test(.enabled(if: PythonPeer.pillow.isHere, "\(PythonPeer.pillow.absence)"))
  func `bytes are those of Pillow`() throws {
    let script = """
      import sys, pathlib, PIL
      from PIL import Image
      folder = pathlib.Path(sys.argv[1])
      data, at, out = (folder / "in").read_bytes(), 0, b""
      for line in (folder / "cases").read_text().split():
          w, h, across, down, name = line.split(",")
          w, h, across, down = int(w), int(h), int(across), int(down)
          image = Image.frombytes("RGB", (w, h), data[at:at + w * h * 3])
          at += w * h * 3
          out += image.resize((across, down), Image.Resampling[name.upper()]).tobytes()
      (folder / "out").write_bytes(out)
      print(PIL.__version__.split(".")[0])
      """
    var random = Scramble(state: 9)
    func side(_ most: Int) -> Int { Int.random(in: 1...most, using: &random) }
    var sizes = (0..<60).map { _ in (side(90), side(90), side(90), side(90)) }
    sizes += [(1, 1, 1, 64), (1, 700, 5, 2), (700, 1, 2, 5), (640, 480, 341, 256), (2, 3, 500, 1)]
    sizes += [(300, 20, 1, 1), (20, 300, 1, 1), (255, 257, 256, 256), (480, 640, 256, 341)]
    var (input, cases, images): ([UInt8], [String], [(Image, Int, Int, PillowFilter)]) = (
      [], [], []
    )
    for (number, size) in sizes.enumerated() {
      let image = Pattern.noise(size.0, size.1, seed: UInt64(number))
      for filter in PillowFilter.allCases {
        input += image.pixels
        cases.append("\(size.0),\(size.1),\(size.2),\(size.3),\(filter.rawValue)")
        images.append((image, size.2, size.3, filter))
      }
    }
    let folder = try ScratchFolder()
    try folder.write(input, to: "in")
    try folder.write(cases.joined(separator: "\n"), to: "cases")
    let version = try PythonPeer.pillow.run(script: script, [folder.path])
    let major = try #require(Int(version.trimmingCharacters(in: .whitespacesAndNewlines)))
    var output = try ScratchFolder.read(folder.file("out"))[...]
    for (text, (image, width, height, filter)) in zip(cases, images) {
      let theirs = Array(output.prefix(width * height * 3))
      output = output.dropFirst(theirs.count)
      // Before version 13 rows always came first.
      let isOrdered = image.height - height > 2 * (image.width - width) && image.height > height
      if major < 13, isOrdered { continue }
      #expect(
        image.resizedAsPillow(to: width, height, filter: filter).pixels == theirs, "\(text)")
    }
    #expect(output.isEmpty)
  }
}
