import Foundation
import Synchronization

/// A program that is run to its end: what it prints, how long it takes, how much memory.
struct ChildProcess {
  /// What it printed to standard output.
  let output: String
  /// The time from its start to its end.
  let seconds: Double
  /// The most memory that it had at once; nil where the system does not tell.
  let peakBytes: Int?

  /// Runs a program, found on the search path if it is a bare name; `NAME=VALUE` before it sets a variable.
  ///
  /// - Parameter scratch: the folder of what it prints: one for each that runs at the same time.
  init(
    _ executable: String, _ arguments: [String], allowingExitCodes allowed: Set<Int32> = [0],
    scratch: String = "output"
  ) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [executable] + arguments
    let folder = try Places.scratch(scratch)
    let output = try OutputFile(folder + "/stdout")
    let errors = try OutputFile(folder + "/stderr")
    process.standardOutput = output.handle
    process.standardError = errors.handle
    process.standardInput = FileHandle.nullDevice

    let ended = DispatchSemaphore(value: 0)
    let end = Mutex(ContinuousClock.now)
    process.terminationHandler = { _ in
      end.withLock { $0 = .now }
      ended.signal()
    }
    let began = ContinuousClock.now
    try process.run()
    var peak: Int?
    while ended.wait(timeout: .now() + .milliseconds(20)) == .timedOut {
      peak = PeakMemory.bytes(ofProcess: process.processIdentifier) ?? peak
    }
    seconds = began.duration(to: end.withLock { $0 }) / .seconds(1)
    peakBytes = peak
    self.output = output.text
    guard allowed.contains(process.terminationStatus) else {
      let words = errors.text.split(separator: "\n").suffix(5).joined(separator: "\n")
      throw BenchmarkError(
        "\(([executable] + arguments).joined(separator: " ")) ended with code "
          + "\(process.terminationStatus):\n\(words)")
    }
  }
}

/// A file that takes what a program prints; a pipe would block when full.
private struct OutputFile {
  let path: String
  let handle: FileHandle

  init(_ path: String) throws {
    self.path = path
    try Data().write(to: URL(fileURLWithPath: path))
    handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
  }

  var text: String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}

/// The most memory that a process has had at once.
enum PeakMemory {
  /// As Linux tells it (`VmHWM`); it only grows, so that the last look counts.
  static func bytes(ofProcess identifier: Int32) -> Int? {
    let path = "/proc/\(identifier)/status"
    guard let status = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line?.split(separator: " ").compactMap { Int($0) }.first.map { $0 * 1024 }
  }

  /// That of this process.
  static var ofThisProcess: Int? { bytes(ofProcess: ProcessInfo.processInfo.processIdentifier) }
}
