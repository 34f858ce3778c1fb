import Configuration
import Foundation

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
