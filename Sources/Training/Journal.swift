import Configuration
import Foundation
import Safetensors

/// The diary of a run: `metrics.jsonl`, one JSON object a line.
///
/// Lines of steps that a resumed run repeats are dropped when it begins, so that the file reads
/// as if the run had never stopped.
public final class Journal {
  /// The file's name in a checkpoint's folder.
  public static let fileName = "metrics.jsonl"

  private let handle: FileHandle
  private let path: String

  /// Opens a journal, keeping the lines of the steps up to the given one.
  public init(folder: String, keepingSteps steps: Int) throws(TrainingError) {
    path = folder + "/" + Self.fileName
    let kept = Self.lines(folder: folder).filter { line in
      if case .integer(let step)? = line["step"] { return step <= steps }
      return false
    }
    do {
      try AtomicFile.write(
        kept.map { JSONValue.object($0).compactText + "\n" }.joined(), to: path)
    } catch { throw .file(error) }
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw .file(FileError(.write, path, .system(errno)))
    }
    self.handle = handle
    _ = try? handle.seekToEnd()
  }

  /// Appends one line.
  public func record(_ object: JSONObject) throws(TrainingError) {
    do {
      try handle.write(contentsOf: Data((JSONValue.object(object).compactText + "\n").utf8))
    } catch {
      throw .file(FileError(.write, path, .system(errno)))
    }
  }

  /// The lines of a run's journal; those that are cut short are passed over.
  public static func lines(folder: String) -> [JSONObject] {
    guard let text = try? String(contentsOfFile: folder + "/" + fileName, encoding: .utf8) else {
      return []
    }
    return text.split(separator: "\n").compactMap { line in
      guard let value = try? JSONValue(parsing: String(line)), case .object(let object) = value
      else { return nil }
      return object
    }
  }
}
