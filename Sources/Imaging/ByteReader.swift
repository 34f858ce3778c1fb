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
