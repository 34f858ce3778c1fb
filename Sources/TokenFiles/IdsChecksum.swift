import Files

/// Compares ids with the checksum in their header: XXH64 (`Fingerprint`) where it has one, else
/// FNV-1a (`Checksum`), which takes ten times as long and is all that older files have.
///
/// Both are written, so that programs that know only FNV-1a can still read; who leaves `checksum` out
/// for ids of their own has neither compared.
struct IdsChecksum {
  private enum Kind {
    case none
    case xxh64(Fingerprint.Stream)
    case fnv1a(Checksum)
  }

  private let expected: String
  private var kind: Kind

  /// Starts with no bytes.
  init(of header: TokenHeader) {
    self.init(checksum: header.checksum, xxh64: header.xxh64)
  }

  /// Starts with no bytes.
  init(checksum: String?, xxh64: String?) {
    if let sum = xxh64, checksum != nil {
      (expected, kind) = (sum, .xxh64(Fingerprint.Stream()))
    } else if let sum = checksum {
      (expected, kind) = (sum, .fnv1a(Checksum()))
    } else {
      (expected, kind) = ("", .none)
    }
  }

  /// Goes on with more bytes.
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    switch kind {
    case .none: break
    case .xxh64(var stream):
      stream.add(bytes)
      kind = .xxh64(stream)
    case .fnv1a(var checksum):
      checksum.add(bytes)
      kind = .fnv1a(checksum)
    }
  }

  /// Refuses ids, or latents, that are not those of the header.
  func check(path: String, ofLatents: Bool = false) throws(TokenFileError) {
    let found: String
    switch kind {
    case .none: return
    case .xxh64(let stream): found = Fingerprint.hexadecimal(stream.value)
    case .fnv1a(let checksum): found = checksum.hexadecimal
    }
    guard found == expected else {
      if ofLatents { throw .latentChecksum(path: path, expected: expected, found: found) }
      throw .checksum(path: path, expected: expected, found: found)
    }
  }
}
