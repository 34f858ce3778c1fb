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
