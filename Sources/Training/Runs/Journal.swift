import Configuration
import Files
import Foundation

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
    .array(
      numbers.map { number in
        guard let number, number.isFinite else { return .null }
        return .number(Double(String(format: "%.4g", number)) ?? number)
      })
  }
}
