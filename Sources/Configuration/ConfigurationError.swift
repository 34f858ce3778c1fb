import Files

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
