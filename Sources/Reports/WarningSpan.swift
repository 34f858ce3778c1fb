/// Consecutive lines of a log with one kind of warning.
public struct WarningSpan: Sendable, Equatable {
  /// The kind: the warning up to its first colon or digit.
  public let kind: String
  /// The step of the first line.
  public let first: Int
  /// The step of the last line so far.
  public private(set) var last: Int
  /// The warning in full, as last reported.
  public private(set) var text: String
  /// How many lines.
  public private(set) var count = 1
  /// Whether a line without it, or with another, followed.
  public var hasEnded = false

  /// A span of one line.
  init(_ text: String, step: Int) {
    kind = Self.kind(of: text)
    first = step
    last = step
    self.text = text
  }

  /// Takes in another line of the same kind.
  mutating func extend(_ text: String, to step: Int) {
    last = step
    self.text = text
    count += 1
  }

  /// The span in words: "steps 110 to 149: codebook collapsing".
  public var words: String {
    let place =
      !hasEnded && count > 1
      ? "from step \(NumberText.count(first)) on"
      : first == last
        ? "step \(NumberText.count(first))"
        : "steps \(NumberText.count(first)) to \(NumberText.count(last))"
    return place + ": " + text
  }

  static func kind(of text: String) -> String {
    String(text.prefix { $0 != ":" && !$0.isNumber }).trimmingSpaces
  }
}

extension String {
  fileprivate var trimmingSpaces: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
