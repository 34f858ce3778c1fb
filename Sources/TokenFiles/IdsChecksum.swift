/// The checksum of a piece's ids, as its header tells it.
///
/// `xxh64:` and sixteen hexadecimal digits is XXH64 of the ids' bytes (`Fingerprint`), which is what is
/// written. Sixteen digits alone are FNV-1a (`Checksum`), as older files have it.
struct IdsChecksum {
  private enum Kind {
    case xxh64(Fingerprint.Stream)
    case fnv1a(Checksum)
  }

  static let prefix = "xxh64:"

  private var kind: Kind

  /// Starts the kind that is written.
  init() { kind = .xxh64(Fingerprint.Stream()) }

  /// Starts the kind that an expected text is of.
  init(comparedWith expected: String) {
    kind = expected.hasPrefix(Self.prefix) ? .xxh64(Fingerprint.Stream()) : .fnv1a(Checksum())
  }

  /// Goes on with more bytes.
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    switch kind {
    case .xxh64(var stream):
      stream.add(bytes)
      kind = .xxh64(stream)
    case .fnv1a(var checksum):
      checksum.add(bytes)
      kind = .fnv1a(checksum)
    }
  }

  /// The text of all that has come.
  var text: String {
    switch kind {
    case .xxh64(let stream): Self.prefix + Fingerprint.hexadecimal(stream.value)
    case .fnv1a(let checksum): checksum.hexadecimal
    }
  }
}
