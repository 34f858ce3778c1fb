/// PNG files put together by hand, independent of libpng: stored deflate blocks, filter 0.
enum PNGBuilder {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// A file from samples in reading order, `channels` per pixel, each of `depth` bits.
  static func file(
    width: Int, height: Int, depth: Int, colorType: UInt8, samples: [Int],
    isInterlaced: Bool = false,
    chunks: [(String, [UInt8])] = []
  ) -> [UInt8] {
    let channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][colorType]!
    precondition(samples.count == width * height * channels)
    func scan(_ xs: [Int], _ ys: [Int]) -> [UInt8] {
      if xs.isEmpty { return [] }
      return ys.flatMap { y in
        [0]
          + packed(
            xs.flatMap { x in
              (0..<channels).map { samples[(y * width + x) * channels + $0] }
            }, depth: depth)
      }
    }
    func steps(_ start: Int, _ step: Int, _ end: Int) -> [Int] {
      Array(stride(from: start, to: end, by: step))
    }
    var raw: [UInt8] = []
    if isInterlaced {
      // Adam7: start and step of columns and rows in each of the seven passes.
      for (x, dx, y, dy) in [
        (0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2),
        (0, 1, 1, 2),
      ] { raw += scan(steps(x, dx, width), steps(y, dy, height)) }
    } else {
      raw = scan(Array(0..<width), Array(0..<height))
    }
    var file = signature
    file += chunk(
      "IHDR",
      bigEndian(width, 4) + bigEndian(height, 4)
        + [UInt8(depth), colorType, 0, 0, isInterlaced ? 1 : 0])
    for (type, content) in chunks { file += chunk(type, content) }
    return file + chunk("IDAT", zlib(raw)) + chunk("IEND", [])
  }

  static func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + content
    return bigEndian(content.count, 4) + body + bigEndian(Int(crc(body)), 4)
  }

  static func bigEndian(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> ((count - 1 - $0) * 8)) }
  }

  private static func packed(_ samples: [Int], depth: Int) -> [UInt8] {
    if depth == 16 { return samples.flatMap { bigEndian($0, 2) } }
    var bytes = [UInt8](repeating: 0, count: (samples.count * depth + 7) / 8)
    for (index, sample) in samples.enumerated() {
      let bit = index * depth
      bytes[bit / 8] |= UInt8(sample << (8 - depth - bit % 8))
    }
    return bytes
  }

  private static func zlib(_ raw: [UInt8]) -> [UInt8] {
    precondition(raw.count < 65536, "one stored block")
    let count = raw.count
    let head: [UInt8] = [0x78, 0x01, 1, UInt8(count & 255), UInt8(count >> 8)]
    var (a, b) = (1, 0)
    for byte in raw {
      a = (a + Int(byte)) % 65521
      b = (b + a) % 65521
    }
    return head + [~head[3], ~head[4]] + raw + bigEndian(b << 16 | a, 4)
  }

  private static func crc(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { value, _ in
        value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
      }
    }
  }
}
