import Files
import Configuration
import Foundation

/// Reads a log's lines for their numbers, fast.
///
/// A long run's log is some hundred megabytes, nearly all of it lists with a number for each
/// tensor of the network. The scanner takes every number and text outside of lists, under its key
/// (`modules.encoder.cosine`), and only notes where lists lie; see ``RunHistory`` for those that
/// are read. Lines that are cut short or malformed are skipped.
struct JournalScanner {
  /// One line.
  struct Line {
    var kind = ""
    var step = 0
    var numbers: [(key: String, value: Double)] = []
    var texts: [(key: String, value: String)] = []
    var lists: [(key: String, range: Range<Int>)] = []
  }

  private static let deepest = 16

  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0

  /// A scanner over a text that ends in a line feed.
  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  /// Calls `body` with every line that has a kind and a step.
  static func scan(_ text: [UInt8], _ body: (Line) -> Void) {
    guard text.last == UInt8(ascii: "\n") else {
      if !text.isEmpty { scan(text + [UInt8(ascii: "\n")], body) }
      return
    }
    text.withUnsafeBufferPointer { bytes in
      var start = 0
      while start < bytes.count {
        guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else { break }
        var scanner = JournalScanner(UnsafeBufferPointer(rebasing: bytes[..<(end + 1)]))
        scanner.position = start
        if let line = scanner.line() { body(line) }
        start = end + 1
      }
    }
  }

  private mutating func line() -> Line? {
    var line = Line()
    skipSpace()
    guard current == UInt8(ascii: "{"), object(prefix: "", depth: 0, into: &line) else {
      return nil
    }
    skipSpace()
    guard position == bytes.count - 1 else { return nil }
    guard let step = line.numbers.first(where: { $0.key == "step" })?.value,
      let kind = line.texts.first(where: { $0.key == "kind" })?.value, step >= 0, step < 1e15
    else { return nil }
    line.kind = kind
    line.step = Int(step)
    return line
  }

  private var current: UInt8 { bytes[position] }

  private mutating func skipSpace() {
    while current == 0x20 || current == 0x09 || current == 0x0D { position += 1 }
  }

  private mutating func object(prefix: String, depth: Int, into line: inout Line) -> Bool {
    guard depth < Self.deepest else { return false }
    position += 1
    skipSpace()
    if current == UInt8(ascii: "}") {
      position += 1
      return true
    }
    while true {
      skipSpace()
      guard let key = string() else { return false }
      skipSpace()
      guard current == UInt8(ascii: ":") else { return false }
      position += 1
      guard member(prefix.isEmpty ? key : prefix + "." + key, depth: depth, into: &line) else {
        return false
      }
      skipSpace()
      if current == UInt8(ascii: ",") {
        position += 1
      } else {
        guard current == UInt8(ascii: "}") else { return false }
        position += 1
        return true
      }
    }
  }

  private mutating func member(_ key: String, depth: Int, into line: inout Line) -> Bool {
    skipSpace()
    switch current {
    case UInt8(ascii: "{"): return object(prefix: key, depth: depth + 1, into: &line)
    case UInt8(ascii: "["):
      let start = position
      guard skipList() else { return false }
      line.lists.append((key, start..<position))
    case UInt8(ascii: "\""):
      guard let text = string() else { return false }
      line.texts.append((key, text))
    case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
      guard let word = word() else { return false }
      if let word { line.numbers.append((key, word ? 1 : 0)) }
    default:
      guard let number = number() else { return false }
      line.numbers.append((key, number))
    }
    return true
  }

  /// `true`, `false`, or `null` as an inner nil; an outer nil where it is none of them.
  private mutating func word() -> Bool?? {
    for (text, value) in [("true", Bool?.some(true)), ("false", .some(false)), ("null", nil)]
    where bytes[position...].starts(with: text.utf8) {
      position += text.utf8.count
      return .some(value)
    }
    return nil
  }

  private mutating func number() -> Double? {
    guard current == UInt8(ascii: "-") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= current else {
      return nil
    }
    // A line feed ends the line at the latest, so that strtod never leaves it.
    return bytes.withMemoryRebound(to: CChar.self) { text in
      let start = text.baseAddress! + position
      var end: UnsafeMutablePointer<CChar>?
      let value = strtod(start, &end)
      guard let end, end != start else { return nil }
      position += UnsafePointer(end) - start
      return value
    }
  }

  private mutating func string() -> String? {
    guard current == UInt8(ascii: "\"") else { return nil }
    let start = position + 1
    var escaped = false
    position = start
    while current != UInt8(ascii: "\"") {
      if current == UInt8(ascii: "\n") { return nil }
      if current == UInt8(ascii: "\\") {
        escaped = true
        position += 1
        if current == UInt8(ascii: "\n") { return nil }
      }
      position += 1
    }
    defer { position += 1 }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    return escaped ? JournalList.unescaped(text) : text
  }

  private mutating func skipList() -> Bool {
    var depth = 0
    while true {
      switch current {
      case UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "]"):
        depth -= 1
        if depth == 0 {
          position += 1
          return true
        }
      case UInt8(ascii: "\""):
        guard string() != nil else { return false }
        continue
      case UInt8(ascii: "\n"): return false
      default: break
      }
      position += 1
    }
  }
}

/// Lists of a log's lines, read where they are wanted.
enum JournalList {
  /// The numbers of a list; `null` becomes NaN, what is no number too.
  static func numbers(_ text: ArraySlice<UInt8>) -> [Double] {
    text.dropFirst().dropLast().split(separator: UInt8(ascii: ",")).map { item in
      Double(trimmed(item)) ?? .nan
    }
  }

  /// The numbers of a list of lists.
  static func rows(_ text: ArraySlice<UInt8>) -> [[Double]] {
    var rows: [[Double]] = []
    var start: Int?
    for index in text.indices.dropFirst().dropLast() {
      if text[index] == UInt8(ascii: "[") {
        start = index
      } else if text[index] == UInt8(ascii: "]"), let begin = start {
        rows.append(numbers(text[begin...index]))
        start = nil
      }
    }
    return rows
  }

  /// The texts of a list.
  static func texts(_ text: ArraySlice<UInt8>) -> [String] {
    guard case .array(let values)? = try? JSONValue(parsing: String(decoding: text, as: UTF8.self))
    else { return [] }
    return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
  }

  /// What a JSON string with escapes says; the text itself where it is malformed.
  static func unescaped(_ text: String) -> String {
    if case .string(let plain)? = try? JSONValue(parsing: "\"\(text)\"") { plain } else { text }
  }

  private static func trimmed(_ item: ArraySlice<UInt8>) -> String {
    String(decoding: item.filter { $0 > 0x20 }, as: UTF8.self)
  }
}
