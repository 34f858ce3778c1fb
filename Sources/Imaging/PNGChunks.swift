/// The chunks of a PNG file up to its end or the first that is cut off.
///
/// After eight bytes of signature each chunk is: length, type, content, checksum (PNG
/// specification, third edition, section 5.3). Checksums are left to libpng.
struct PNGChunks: Sequence, IteratorProtocol {
  struct Chunk {
    let type: String
    let content: ArraySlice<UInt8>
  }

  private let reader: ByteReader
  private var offset = 8

  init(_ bytes: [UInt8]) { reader = ByteReader(bytes: bytes[...]) }

  mutating func next() -> Chunk? {
    guard let length = reader.value(at: offset, bytes: 4, littleEndian: false),
      let type = reader.slice(at: offset + 4, count: 4),
      let content = reader.slice(at: offset + 8, count: length)
    else { return nil }
    offset += 12 + length
    return Chunk(type: String(decoding: type, as: UTF8.self), content: content)
  }

  /// Lengths that leave no choice, of chunks that libpng is told to skip.
  private static let lengths = ["cHRM": 32, "gAMA": 4, "sRGB": 1, "pHYs": 9, "tIME": 7]

  /// Why the file cannot be whole: a chunk whose length contradicts its type; nil where the bytes end
  /// before one does.
  static func complaint(about bytes: [UInt8]) -> String? {
    for chunk in PNGChunks(bytes) {
      if let length = lengths[chunk.type], chunk.content.count != length {
        return "chunk \(chunk.type) has \(chunk.content.count) bytes instead of \(length)"
      }
      if chunk.type == "IEND" { return nil }
    }
    return nil
  }
}
