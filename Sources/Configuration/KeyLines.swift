/// On which line each key of a text stands.
///
/// Paths are kept as hashes: those of all items under a long key would take the product of both.
struct KeyLines: Sendable {
  /// The path of a key, up to where it has been read.
  struct Path: Sendable {
    private(set) var isEmpty = true
    fileprivate private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    /// The outermost value.
    init() {}

    /// A whole path, as in `model.channels[2]`.
    init(_ text: some StringProtocol) { append(text) }

    /// The path of a member of the value at this one.
    func member(_ key: String) -> Path {
      var path = self
      if !isEmpty { path.append(".") }
      path.append(key)
      return path
    }

    /// The path of an item of the value at this one.
    func item(_ index: Int) -> Path {
      var path = self
      path.append("[\(index)]")
      return path
    }

    /// FNV-1a, which continues where it ended.
    private mutating func append(_ text: some StringProtocol) {
      for byte in text.utf8 {
        hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        isEmpty = false
      }
    }
  }

  private var lines: [UInt64: Int] = [:]

  /// The line of a key.
  subscript(path: Path) -> Int? {
    get { lines[path.hash] }
    set { lines[path.hash] = newValue }
  }
}
