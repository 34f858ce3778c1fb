import Safetensors

/// Where the ids of one piece lie: in a tensor, or behind the header of a flat file.
struct TokenArray: Sendable {
  enum Source: Sendable {
    case tensor(SafetensorsFile, TensorEntry)
    case flat(MappedFile, start: Int)
  }

  let source: Source
  /// U8, U16 or U32.
  let type: ElementType
  /// `[N, h, w]` or `[T]`, with the depth behind where it is more than 1.
  let shape: [Int]

  var count: Int { shape.reduce(1, *) }

  func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    switch source {
    case .tensor(let file, let entry): file.withBytes(of: entry, body)
    case .flat(let file, let start):
      body(UnsafeRawBufferPointer(rebasing: file.bytes[start...]))
    }
  }

  /// A copy of some ids.
  subscript(range: Range<Int>) -> [UInt32] {
    withBytes { bytes in
      switch type {
      case .u8: range.map { UInt32(bytes[$0]) }
      case .u16:
        range.map { UInt32(bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self)) }
      default: range.map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self) }
      }
    }
  }

  /// The position of the first id that is not below `limit`, and the id.
  func firstAtLeast(_ limit: Int) -> (position: Int, id: UInt32)? {
    func search<T: FixedWidthInteger & UnsignedInteger>(_: T.Type) -> (Int, UInt32)? {
      // Every value of the type may be an id: nothing to look for.
      if limit > Int(T.max) { return nil }
      let bound = T(limit)
      let size = MemoryLayout<T>.size
      let found = withBytes { bytes in
        (0..<count).first {
          bytes.loadUnaligned(fromByteOffset: $0 * size, as: T.self) >= bound
        }
      }
      return found.map { ($0, self[$0..<$0 + 1][0]) }
    }
    switch type {
    case .u8: return search(UInt8.self)
    case .u16: return search(UInt16.self)
    default: return search(UInt32.self)
    }
  }

  func checksum() -> String {
    withBytes { bytes in
      var checksum = Checksum()
      checksum.add(bytes)
      return checksum.hexadecimal
    }
  }
}
