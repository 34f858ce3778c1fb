/// Paths with braces that stand for many: `{000..099}` for numbers, `{train,extra}` for words.
///
/// The braces of bash and of WebDataset: numbers keep the zeros before them, `{0..9..3}` takes every
/// third, and there may be several braces, also within each other.
struct BracePattern {
  /// The paths, in the order that the braces say.
  let paths: [String]
  /// The folder that all of them are in, as it is written before the first brace; empty for the
  /// working directory.
  let folder: String

  /// The most paths that a pattern may stand for.
  static let mostPaths = 100_000

  /// Whether a path has braces.
  static func isOne(_ path: String) -> Bool { path.contains { "{}".contains($0) } }

  /// Expands a pattern.
  ///
  /// - Throws: `badPattern` where braces do not match or hold neither a range nor a list.
  init(_ pattern: String) throws(ShardError) {
    paths = try Self.expand(Array(pattern), of: pattern)
    folder = ImageSource.parent(of: String(pattern.prefix { $0 != "{" }) + "x")
  }

  private static func expand(
    _ text: [Character], of pattern: String
  ) throws(ShardError) -> [String] {
    guard let first = text.firstIndex(where: { "{}".contains($0) }) else { return [String(text)] }
    guard text[first] == "{" else {
      throw .badPattern(pattern, reason: "a } without a { before it")
    }
    var depth = 0
    var commas: [Int] = []
    var last: Int?
    for index in first..<text.count {
      switch text[index] {
      case "{": depth += 1
      case "}": depth -= 1
      case "," where depth == 1: commas.append(index)
      default: break
      }
      if depth == 0 {
        last = index
        break
      }
    }
    guard let last else { throw .badPattern(pattern, reason: "a { without its }") }
    var choices: [String] = []
    if commas.isEmpty {
      choices = try range(String(text[first + 1..<last]), of: pattern)
    } else {
      var start = first + 1
      for end in commas + [last] {
        choices += try expand(Array(text[start..<end]), of: pattern)
        start = end + 1
      }
    }
    let rests = try expand(Array(text[(last + 1)...]), of: pattern)
    guard choices.count * rests.count <= mostPaths else { throw tooMany(pattern) }
    let start = String(text[..<first])
    return choices.flatMap { choice in rests.map { start + choice + $0 } }
  }

  /// The numbers of `000..099` or `0..9..3`.
  private static func range(_ text: String, of pattern: String) throws(ShardError) -> [String] {
    let parts = text.split(separator: "..", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in
      !part.isEmpty && part.utf8.allSatisfy { (48...57).contains($0) } ? Int(part) : nil
    }
    guard (2...3).contains(parts.count), numbers.count == parts.count else {
      throw .badPattern(pattern, reason: "{\(text)}, which is neither a range nor a list")
    }
    let (from, to) = (numbers[0], numbers[1])
    let step = numbers.count == 3 ? numbers[2] : 1
    guard step > 0 else { throw .badPattern(pattern, reason: "{\(text)}, whose step is 0") }
    guard abs(to - from) / step < mostPaths else { throw tooMany(pattern) }
    let isPadded = parts.prefix(2).contains { $0.count > 1 && $0.first == "0" }
    let width = isPadded ? parts.prefix(2).map(\.count).max() ?? 0 : 0
    return stride(from: from, through: to, by: from <= to ? step : -step).map { number in
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
  }

  private static func tooMany(_ pattern: String) -> ShardError {
    .badPattern(pattern, reason: "more than \(mostPaths) paths")
  }
}
