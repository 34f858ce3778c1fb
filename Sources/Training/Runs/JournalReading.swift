import Files
import Foundation
import Safetensors

/// The lines of a log as bytes, one after the other, for files of any size.
enum JournalReading {
  /// Bytes that are read at once.
  private static let portion = 1 << 20

  /// Hands over each line without its line feed, and whether it had one.
  ///
  /// A missing file has no lines.
  static func lines(
    of path: String, _ body: (UnsafeRawBufferPointer, _ isWhole: Bool) throws -> Void
  ) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0, errno == ENOENT { return }
    func failure() -> TrainingError { .file(FileError(.read, path, .system(errno))) }
    guard descriptor >= 0 else { throw failure() }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure() }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw TrainingError.file(FileError(.read, path, .notARegularFile))
    }
    // What is left of a line whose end is not read yet, and the bytes read last behind it.
    var bytes: [UInt8] = []
    while true {
      let begun = bytes.count
      bytes.append(contentsOf: repeatElement(0, count: portion))
      let count = bytes.withUnsafeMutableBytes {
        read(descriptor, $0.baseAddress! + begun, portion)
      }
      if count < 0, errno == EINTR {
        bytes.removeLast(portion)
        continue
      }
      guard count >= 0 else { throw failure() }
      bytes.removeLast(portion - count)
      if count == 0 { break }
      let rest = try bytes.withUnsafeBytes { bytes in
        var (start, from) = (0, begun)
        while let end = memchr(bytes.baseAddress! + from, 10, bytes.count - from) {
          let place = UnsafeRawPointer(end) - bytes.baseAddress!
          try body(UnsafeRawBufferPointer(rebasing: bytes[start..<place]), true)
          start = place + 1
          from = start
          if from == bytes.count { break }
        }
        return start
      }
      bytes.removeFirst(rest)
    }
    if !bytes.isEmpty { try bytes.withUnsafeBytes { try body($0, false) } }
  }
}

/// What a log's line is of, found without making anything of the rest.
struct JournalLineHead: Equatable {
  /// The step; nil where the line names none.
  var step: Int?
  /// Whether it tells of a start: `kind` is "run".
  var isRun = false

  /// Reads a line; nil where it is no JSON object, as where it was cut short or overwritten.
  init?(_ line: UnsafeRawBufferPointer) {
    var scanner = Scanner(bytes: line)
    guard scanner.scan() else { return nil }
    if scanner.isAboveASCII, String(validating: line, as: UTF8.self) == nil { return nil }
    step = scanner.step
    isRun = scanner.isRun
  }

  /// Goes over the bytes once: strings end, brackets match, members of the outermost object are known.
  private struct Scanner {
    let bytes: UnsafeRawBufferPointer
    var step: Int?
    var isRun = false
    var isAboveASCII = false
    private var at = 0
    private var open: [UInt8] = []

    init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func scan() -> Bool {
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: "{") else { return false }
      // Whether the next string of the outermost object is a key.
      var expectsKey = false
      while at < bytes.count {
        let byte = bytes[at]
        switch byte {
        case UInt8(ascii: "\""):
          guard let text = string() else { return false }
          if open.count == 1, expectsKey {
            expectsKey = false
            guard member(text) else { return false }
          }
          continue
        case UInt8(ascii: "{"), UInt8(ascii: "["):
          open.append(byte == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]"))
          if open.count == 1 { expectsKey = true }
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
          guard open.popLast() == byte else { return false }
          if open.isEmpty {
            at += 1
            skipSpace()
            return at == bytes.count
          }
        case UInt8(ascii: ","):
          if open.count == 1 { expectsKey = true }
        case 0..<9, 10..<13, 14..<32, 127...:
          return false
        default: break
        }
        at += 1
      }
      return false
    }

    private mutating func skipSpace() {
      while at < bytes.count, [32, 9, 13].contains(bytes[at]) { at += 1 }
    }

    /// A string from its quotation mark on, without both.
    private mutating func string() -> Range<Int>? {
      let start = at + 1
      at = start
      while at < bytes.count {
        let byte = bytes[at]
        if byte == UInt8(ascii: "\"") {
          at += 1
          return start..<(at - 1)
        }
        if byte < 32 { return nil }
        if byte >= 128 { isAboveASCII = true }
        at += byte == UInt8(ascii: "\\") ? 2 : 1
      }
      return nil
    }

    /// What follows a key of the outermost object.
    private mutating func member(_ key: Range<Int>) -> Bool {
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { return false }
      at += 1
      skipSpace()
      if matches(key, "step") {
        var (end, number) = (at, 0)
        while end < bytes.count, case let digit = bytes[end], (48...57).contains(digit) {
          let (product, overflows) = number.multipliedReportingOverflow(by: 10)
          guard !overflows, product <= Int.max - 9 else { return false }
          number = product + Int(digit - 48)
          end += 1
        }
        let isEnd = end < bytes.count && [44, 125, 32, 9, 13].contains(bytes[end])
        if end > at, isEnd { step = number }
      } else if matches(key, "kind"), at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
        guard let value = string() else { return false }
        isRun = matches(value, "run")
      }
      return true
    }

    private func matches(_ range: Range<Int>, _ text: StaticString) -> Bool {
      range.count == text.utf8CodeUnitCount
        && memcmp(bytes.baseAddress! + range.lowerBound, text.utf8Start, range.count) == 0
    }
  }
}
