/// Names that other programs give a setting, and what stands for it here.
public struct KeyHabit: Sendable {
  /// The names, with case and separators of no account: `batch-size` is `batchSize` too.
  public let names: [String]
  /// The key that is meant; nil where there is none.
  public let path: String?
  /// What else there is to know; may be empty.
  public let note: String

  /// Names for a key, or for something that is not there, which the note then says.
  public init(_ names: String..., path: String? = nil, note: String = "") {
    self.names = names
    self.path = path
    self.note = note
  }

  /// Whether a word is one of the names.
  public func answers(_ word: String) -> Bool { names.contains { isSameWord($0, word) } }

  /// The hint for somebody who wrote one of the names as a key.
  var remedy: String {
    [path.map { "Did you mean \"\($0)\"?" }, note.isEmpty ? nil : note].compactMap(\.self)
      .joined(separator: " ")
  }
}
