/// How a camera held the image: the EXIF orientation tag, 1...8.
///
/// The raw values are those of tag 0x0112 (EXIF 2.3, section 4.6.4); the names say what turns the
/// stored pixels upright.
public enum Orientation: Int, Sendable, CaseIterable {
  case upright = 1
  case mirrored
  case turnedHalf
  case flipped
  case transposed
  case turnedRight
  case transversed
  case turnedLeft

  /// Whether turning the image upright exchanges width and height.
  public var swapsSides: Bool { rawValue >= 5 }

  /// The raw tag in a PNG's eXIf chunk or a JPEG's APP1 segment, nil if there is none.
  ///
  /// It may lie outside 1...8; such values mean nothing. A damaged block counts as none.
  public static func tag(in bytes: [UInt8]) -> Int? {
    let block =
      switch ImageFormat(startOf: bytes) {
      case .png: pngBlock(bytes)
      case .jpeg: jpegBlock(bytes)
      case nil: nil as ArraySlice<UInt8>?
      }
    return block.flatMap { tag(inBlock: ByteReader(bytes: $0)) }
  }

  /// The eXIf chunk's content.
  private static func pngBlock(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
    PNGChunks(bytes).first { $0.type == "eXIf" }?.content
  }

  /// What follows "Exif\0\0" in the first APP1 segment that starts so.
  ///
  /// Segments: FF, marker, length
  /// including itself, content; the first scan (DA) ends the search.
  private static func jpegBlock(_ bytes: [UInt8]) -> ArraySlice<UInt8>? {
    let reader = ByteReader(bytes: bytes[...])
    var offset = 2
    while reader.value(at: offset, bytes: 1, littleEndian: false) == 0xFF {
      guard let marker = reader.value(at: offset + 1, bytes: 1, littleEndian: false) else {
        return nil
      }
      // FF before a marker is padding.
      if marker == 0xFF {
        offset += 1
        continue
      }
      if marker == 0xDA || marker == 0xD9 { return nil }
      // These stand alone.
      if marker == 0x01 || (0xD0...0xD8).contains(marker) {
        offset += 2
        continue
      }
      guard let length = reader.value(at: offset + 2, bytes: 2, littleEndian: false), length >= 2
      else { return nil }
      if marker == 0xE1, let content = reader.slice(at: offset + 4, count: length - 2),
        content.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0])
      {
        return content.dropFirst(6)
      }
      offset += 2 + length
    }
    return nil
  }

  /// The tag in the first directory of a TIFF block: byte order, 42, offset of the directory; there
  /// a count, then entries of 12 bytes: tag, type, count, value.
  private static func tag(inBlock block: ByteReader) -> Int? {
    let littleEndian: Bool
    switch block.value(at: 0, bytes: 2, littleEndian: false) {
    case 0x4949: littleEndian = true
    case 0x4D4D: littleEndian = false
    default: return nil
    }
    func value(_ offset: Int, _ bytes: Int) -> Int? {
      block.value(at: offset, bytes: bytes, littleEndian: littleEndian)
    }
    // Bytes of BYTE, SHORT, LONG, SSHORT and SLONG.
    let sizes = [1: 1, 3: 2, 4: 4, 8: 2, 9: 4]
    guard value(2, 2) == 42, let directory = value(4, 4), let count = value(directory, 2) else {
      return nil
    }
    for index in 0..<count {
      let entry = directory + 2 + index * 12
      guard let tag = value(entry, 2) else { return nil }
      guard tag == 0x0112 else { continue }
      // Exactly one whole number: SHORT by the standard, but some programs write BYTE or LONG.
      guard let type = value(entry + 2, 2), let bytes = sizes[type], value(entry + 4, 4) == 1 else {
        return nil
      }
      return value(entry + 8, bytes)
    }
    return nil
  }
}

// MARK: - Turning

extension Image {
  /// The image with the orientation's turn carried out.
  public func turned(_ orientation: Orientation) -> Image {
    if orientation == .upright { return self }
    let newWidth = orientation.swapsSides ? height : width
    let newHeight = orientation.swapsSides ? width : height
    // Where the pixel at the new top left lies in the old image, and the steps there for one column
    // and one row of the new one.
    let right = width - 1
    let bottom = height - 1
    let (x, y, column, row): (Int, Int, (Int, Int), (Int, Int)) =
      switch orientation {
      case .upright: (0, 0, (1, 0), (0, 1))
      case .mirrored: (right, 0, (-1, 0), (0, 1))
      case .turnedHalf: (right, bottom, (-1, 0), (0, -1))
      case .flipped: (0, bottom, (1, 0), (0, -1))
      case .transposed: (0, 0, (0, 1), (1, 0))
      case .turnedRight: (0, bottom, (0, -1), (1, 0))
      case .transversed: (right, bottom, (0, -1), (-1, 0))
      case .turnedLeft: (right, 0, (0, 1), (-1, 0))
      }
    let start = (y * width + x) * 3
    let columnStep = (column.1 * width + column.0) * 3
    let rowStep = (row.1 * width + row.0) * 3
    let count = pixels.count
    let turned = pixels.withUnsafeBufferPointer { old in
      [UInt8](unsafeUninitializedCapacity: count) { new, initialized in
        var target = 0
        for newY in 0..<newHeight {
          var source = start + newY * rowStep
          for _ in 0..<newWidth {
            new[target] = old[source]
            new[target + 1] = old[source + 1]
            new[target + 2] = old[source + 2]
            target += 3
            source += columnStep
          }
        }
        initialized = count
      }
    }
    return Image(width: newWidth, height: newHeight, pixels: turned)
  }
}

// MARK: - Reading tags

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

/// Numbers out of bytes, nil beyond their end.
struct ByteReader {
  let bytes: ArraySlice<UInt8>

  /// The `count` bytes from `offset`, which counts from the first byte.
  func slice(at offset: Int, count: Int) -> ArraySlice<UInt8>? {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
      return nil
    }
    let start = bytes.startIndex + offset
    return bytes[start..<start + count]
  }

  /// The unsigned number in 1 to 4 bytes from `offset`.
  func value(at offset: Int, bytes count: Int, littleEndian: Bool) -> Int? {
    guard let slice = slice(at: offset, count: count) else { return nil }
    var value = 0
    for index in 0..<count {
      let place = littleEndian ? count - 1 - index : index
      value = value << 8 | Int(slice[slice.startIndex + place])
    }
    return value
  }
}
