/// One thing wrong with a configuration.
public struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
  /// The key, as in `training.optimizer.learningRate`; empty where no key is concerned.
  public var key: String
  /// Where it stands: `line 12`, or `--set` for an override; nil when there is no text.
  public var place: String?
  /// What was expected, and what was found.
  public var message: String
  /// The way out; may be empty.
  public var remedy: String

  /// Creates a problem.
  public init(key: String, place: String? = nil, message: String, remedy: String = "") {
    self.key = key
    self.place = place
    self.message = message
    self.remedy = remedy
  }

  /// Place, key, message and way out.
  public var description: String {
    let head = [place, key.isEmpty ? nil : shortened(key), message].compactMap(\.self)
      .joined(separator: ": ")
    return remedy.isEmpty ? head + "." : "\(head). \(remedy)"
  }
}

/// A key of a length that anyone reads.
func shortened(_ key: String) -> String {
  key.utf8.count <= 200 ? key : key.prefix(100) + "..."
}

/// Everything wrong with a configuration, collected in one reading.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
  /// What kind of failure this is.
  public enum Kind: Sendable, Equatable {
    /// The file cannot be opened.
    case unreadable
    /// The text is not JSON.
    case syntax
    /// A value is not what it should be.
    case invalid
  }

  /// What kind of failure this is.
  public var kind: Kind
  /// The file concerned; nil for a configuration that comes from no file.
  public var file: String?
  /// What is wrong, in the order of the text.
  public var problems: [ConfigurationProblem]
  /// How many more problems there are behind those.
  public var omitted: Int

  /// The most problems that are listed.
  static let mostProblems = 50

  /// Creates an error.
  public init(kind: Kind, file: String?, problems: [ConfigurationProblem], omitted: Int = 0) {
    self.kind = kind
    self.file = file
    self.problems = problems
    self.omitted = omitted
  }

  /// File and problems; a line each when there are several.
  public var description: String { lines.joined(separator: "\n") }

  /// The lines of the description.
  public var lines: [String] {
    let name = file ?? "configuration"
    if problems.count == 1, omitted == 0 { return ["\(name): \(problems[0])"] }
    return ["\(name): \(problems.count + omitted) problems"] + problems.map { "  \($0)" }
      + (omitted > 0 ? ["  and \(omitted) more."] : [])
  }
}

// MARK: - What was probably meant

/// The word among `candidates` that was probably meant by `word`, or nil when none is near.
///
/// Near means: equal but for case and separators (`batch_size`), a few letters apart, or a part.
public func nearest(to word: String, among candidates: [String]) -> String? {
  // Whoever writes more has not just missed a key.
  guard word.utf8.count <= 200 else { return nil }
  let plain = letters(word)
  guard !plain.isEmpty else { return nil }
  let ranked = candidates.map { (word: $0, distance: editDistance(plain, letters($0))) }
  guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
  if best.distance <= max(1, plain.count / 3) { return best.word }
  guard plain.count >= 3 else { return nil }
  return candidates.first {
    String(letters($0)).contains(String(plain)) || String(plain).contains(String(letters($0)))
  }
}

/// Whether two words differ in case and separators alone, as `batch_size` and `batchSize` do.
public func isSameWord(_ a: String, _ b: String) -> Bool { letters(a) == letters(b) }

/// Letters and digits in lower case.
private func letters(_ word: String) -> [Character] {
  word.lowercased().filter { $0.isLetter || $0.isNumber }.map(\.self)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into another.
///
/// The optimal string alignment distance, by three rows of its table.
func editDistance(_ a: [Character], _ b: [Character]) -> Int {
  var beforeLast: [Int] = []
  var last = Array(0...b.count)
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        cost = min(cost, beforeLast[j - 1] + 1)
      }
      row.append(cost)
    }
    (beforeLast, last) = (last, row)
  }
  return last[b.count]
}

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
