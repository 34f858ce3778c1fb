import Configuration
import Files
import Foundation
import Safetensors

/// The metrics log of a run: `metrics.jsonl`, one JSON object per line.
///
/// A resumed run keeps the lines of the steps that it has behind it, byte for byte, and drops those
/// of later steps, which it makes again; so the file reads as if the run had never stopped. The file
/// is gone through line by line, and left alone where all lines stay.
public final class Journal {
  /// The file's name in a checkpoint's folder.
  public static let fileName = "metrics.jsonl"
  /// The file beside it for unreadable lines, as a damaged disk leaves them.
  public static let unreadableFileName = "metrics.unreadable"

  /// What is kept of an existing log.
  enum Kept {
    /// Nothing: a run begins.
    case nothing
    /// The lines of the steps up to this one. Up to 0, those of starts alone: all others are written
    /// again.
    case steps(Int)

    func includes(_ line: JournalLineHead) -> Bool {
      switch self {
      case .nothing: false
      case .steps(0): line.isRun && line.step == 0
      case .steps(let last): line.step.map { $0 <= last } ?? true
      }
    }
  }

  /// Lines that could not be read, and were put aside.
  let unreadableLines: Int

  private let path: String
  private let calls = SystemCalls.current
  private let descriptor: Int32
  private var byteCount: Int

  /// Opens a log.
  init(folder: String, keeping kept: Kept) throws {
    path = folder + "/" + Self.fileName
    if case .nothing = kept {
      unreadableLines = 0
      do { try AtomicFile.write("", to: path) } catch { throw TrainingError.file(error) }
    } else {
      unreadableLines = try Self.cut(path, in: folder, keeping: kept)
    }
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw TrainingError.file(FileError(.write, path, .system(errno))) }
    var status = stat()
    fstat(descriptor, &status)
    byteCount = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Appends one line.
  ///
  /// One that cannot be written whole, as on a full disk, is taken back.
  func record(_ object: JSONObject) throws(TrainingError) {
    let bytes = Array((JSONValue.object(object).compactText + "\n").utf8)
    let code = bytes.withUnsafeBytes { calls.writeAll($0, to: descriptor) }
    guard code == 0 else {
      ftruncate(descriptor, off_t(byteCount))
      throw .file(FileError(.write, path, .system(code)))
    }
    byteCount += bytes.count
  }

  /// The lines of a run's metrics log; unreadable ones are skipped.
  public static func lines(folder: String) -> [JSONObject] {
    var objects: [JSONObject] = []
    try? JournalReading.lines(of: folder + "/" + fileName) { line, _ in
      if let value = try? JSONValue(parsing: String(decoding: line, as: UTF8.self)),
        case .object(let object) = value
      {
        objects.append(object)
      }
    }
    return objects
  }

  // MARK: Resuming

  /// Drops the lines that are not kept.
  ///
  /// The last line, where it was cut short, is dropped too; any other that is no JSON object is put
  /// aside.
  ///
  /// - Returns: how many were put aside.
  private static func cut(_ path: String, in folder: String, keeping kept: Kept) throws -> Int {
    var dropped = 0
    try JournalReading.lines(of: path) { line, isWhole in
      guard isWhole, let head = JournalLineHead(line), kept.includes(head) else {
        dropped += 1
        return
      }
    }
    guard dropped > 0 else { return 0 }
    do {
      let rest = try AtomicFile(path: path)
      var unreadable: [UInt8] = []
      var count = 0
      try JournalReading.lines(of: path) { line, isWhole in
        if let head = JournalLineHead(line) {
          guard kept.includes(head) else { return }
          try rest.append(line)
          try rest.append([10])
        } else if isWhole, line.contains(where: { $0 > 32 || $0 == 0 }) {
          count += 1
          unreadable += Array(line) + [10]
          if unreadable.count > 1 << 20 {
            try putAside(unreadable, in: folder)
            unreadable = []
          }
        }
      }
      if !unreadable.isEmpty { try putAside(unreadable, in: folder) }
      try rest.finish()
      return count
    } catch let error as FileError {
      throw TrainingError.file(error)
    }
  }

  /// Adds unreadable lines to that file.
  private static func putAside(_ lines: [UInt8], in folder: String) throws(FileError) {
    let path = folder + "/" + unreadableFileName
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileError(.write, path, .system(errno)) }
    defer { close(descriptor) }
    let calls = SystemCalls.current
    var code = lines.withUnsafeBytes { calls.writeAll($0, to: descriptor) }
    if code == 0, calls.sync(descriptor) != 0 { code = errno }
    if code != 0 { throw FileError(.write, path, .system(code)) }
  }
}

extension JSONObject {
  /// Adds a number, unless it is not known or not finite: JSON has neither NaN nor infinity.
  mutating func add(_ key: String, _ number: Double?) {
    if let number, number.isFinite { self[key] = .number(number) }
  }
}

extension JSONValue {
  /// A list of numbers with four significant digits each, `null` where one is not known: lists of all
  /// tensors are long, and come often.
  static func digits(_ numbers: [Double?]) -> JSONValue {
    .array(numbers.map(digits))
  }

  /// A number with four significant digits, `null` where it is not known.
  static func digits(_ number: Double?) -> JSONValue {
    guard let number, number.isFinite else { return .null }
    return .number(Double(String(format: "%.4g", number)) ?? number)
  }
}

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
