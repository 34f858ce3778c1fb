import Foundation

/// A line of the results file: a run's numbers, or why it failed.
enum SweepRecord: Sendable {
  /// The run finished.
  case finished(SweepResult)
  /// The run failed; it is tried again when the sweep is.
  case failed(SweepFailure)

  /// The names of the file of results and of what is made of it.
  static let fileName = "results.jsonl"

  /// The values by which a run is known again.
  var overrides: [String] {
    switch self {
    case .finished(let result): result.overrides
    case .failed(let failure): failure.overrides
    }
  }

  /// The numbers, if the run finished.
  var result: SweepResult? { if case .finished(let result) = self { result } else { nil } }

  /// Why it failed, if it did.
  var failure: SweepFailure? { if case .failed(let failure) = self { failure } else { nil } }

  /// The records of a file, of each run the last; an empty list where there is no file.
  ///
  /// A line that was cut short is skipped: that run's line is written again.
  static func read(_ path: String) throws -> [SweepRecord] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(.noInput, "\(path): cannot be read")
    }
    let lines = String(decoding: data, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    var records: [SweepRecord] = []
    for (index, line) in lines.enumerated() where !line.isEmpty {
      let data = Data(line.utf8)
      let decoder = JSONDecoder()
      let record =
        (try? decoder.decode(SweepFailure.self, from: data)).map(SweepRecord.failed)
        ?? (try? decoder.decode(SweepResult.self, from: data)).map(SweepRecord.finished)
      guard let record else {
        if (try? JSONSerialization.jsonObject(with: data)) == nil { continue }
        throw Failure(
          .badData,
          "\(path): line \(index + 1): expected a result of a sweep. Remove the line; that run is "
            + "then evaluated again.")
      }
      records.removeAll { $0.overrides == record.overrides }
      records.append(record)
    }
    return records
  }

  /// The line of a file of results, without its end.
  func line() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    switch self {
    case .finished(let result): return try encoder.encode(result)
    case .failed(let failure): return try encoder.encode(failure)
    }
  }

  /// Appends the record to a file, which is made where there is none.
  func append(to path: String) throws {
    var line = try line() + Data("\n".utf8)
    let descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw Failure(.cannotCreate, "\(path): \(String(cString: strerror(errno)))")
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    // A line that was cut short stays a line of its own.
    if let end = try? handle.seekToEnd(), end > 0 {
      try? handle.seek(toOffset: end - 1)
      if (try? handle.read(upToCount: 1)) != Data("\n".utf8) { line = Data("\n".utf8) + line }
    }
    do {
      try handle.write(contentsOf: line)
      try handle.synchronize()
    } catch {
      throw Failure(.inputOutput, "\(path): \(error.localizedDescription)")
    }
  }
}

/// A run of a sweep that ended with an error.
struct SweepFailure: Codable, Sendable {
  /// The names of variant and size.
  let variant, size: String
  /// The seed.
  let seed: Int
  /// The values set over the configuration's, by which the run is known again.
  let overrides: [String]
  /// The exit code.
  let code: Int32
  /// The command's messages.
  let failure: String
}
