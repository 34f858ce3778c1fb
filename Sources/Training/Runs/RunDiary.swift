import Configuration
import Evaluation
import EventFiles
import Execution
import Files
import Foundation
import Imaging

/// Where a run records itself: the metrics log, the folder of samples, and event files
/// for TensorBoard if they are wanted.
package final class RunDiary {
  private let folder: String
  /// The log; nil where another process writes it.
  private let journal: Journal?
  private let events: EventLog?
  /// Lines that are still to be written, because a write failed.
  private var due: [JSONObject]

  /// Opens the diary of a run.
  ///
  /// - Parameters:
  ///   - steps: the steps behind it; nil for a run that begins.
  ///   - due: lines that could not be written before.
  init(
    _ checkpoint: Checkpoint, _ monitor: MonitorConfiguration, keepingSteps steps: Int?,
    due: [String]
  ) throws {
    folder = checkpoint.folder
    let writes = !checkpoint.isReadOnly
    journal =
      writes ? try Journal(folder: folder, keeping: steps.map { .steps($0) } ?? .nothing) : nil
    events =
      writes && monitor.tensorBoard ? try EventLog(folder: folder, after: steps ?? 0) : nil
    self.due = due.compactMap {
      if case .object(let line)? = try? JSONValue(parsing: $0) { line } else { nil }
    }
  }

  /// Writes what stands before the next step: lines that are still to be written, one of this start,
  /// and the first lines of a run.
  func begin(_ run: JSONObject, _ first: [JSONObject]) throws(TrainingError) {
    try record()
    try journal?.record(run)
    for line in first { try journal?.record(line) }
  }

  /// What was wrong with the existing log; nil if it was whole.
  var damage: String? {
    guard let journal, journal.unreadableLines > 0 else { return nil }
    return
      "\(folder)/\(Journal.fileName): \(journal.unreadableLines) lines could not be read and were "
      + "put aside, into \(Journal.unreadableFileName)"
  }

  /// The lines that are still to be written, as a state keeps them.
  var dueLines: [String] { due.map { JSONValue.object($0).compactText } }

  /// Writes lines, those first that could not be written before.
  package func record(_ lines: [JSONObject] = []) throws(TrainingError) {
    due += lines
    while let line = due.first {
      try journal?.record(line)
      due.removeFirst()
      try events?.record(line)
    }
  }

  /// Writes a line that has no numbers to plot.
  package func note(_ line: JSONObject) throws(TrainingError) { try journal?.record(line) }

  /// Writes how often each code was used since the last diagnosis.
  func record(_ usage: CodebookUsage, step: Int) throws(TrainingError) {
    try events?.record(usage, step: step)
  }

  /// Writes a sheet of samples; its folder is created again where someone removed it.
  func record(samples sheet: Image, step: Int) throws {
    guard journal != nil else { return }
    let digits = String(step)
    let name = String(repeating: "0", count: max(0, 7 - digits.count)) + digits + ".png"
    let samples = folder + "/" + Checkpoint.samplesFolder
    try? Folder.make(samples)
    try ImageEncoder().write(sheet, to: samples + "/" + name, as: .png)
    try events?.record(samples: sheet, step: step)
  }
}

/// A run's lines, code usage and samples, as event files for TensorBoard.
///
/// Each number of a line becomes a scalar, named by the line's kind and the number's keys with
/// slashes between, as in `averages/ema/psnr`; each list of numbers a histogram. A run that goes on
/// writes a further file, which voids what earlier ones hold of later steps.
struct EventLog {
  private let file: EventFile

  /// Opens a new file beside those of a run's earlier parts.
  init(folder: String, after steps: Int) throws(TrainingError) {
    do { file = try EventFile(folder: folder, keepingSteps: steps > 0 ? steps : nil) } catch {
      throw .file(error)
    }
  }

  /// Writes the numbers of a line.
  func record(_ line: JSONObject) throws(TrainingError) {
    guard case .string(let kind)? = line["kind"], case .integer(let step)? = line["step"] else {
      return
    }
    var scalars: [(tag: String, value: Double)] = []
    var lists: [(tag: String, values: [Double])] = []
    func collect(_ object: JSONObject, _ path: String) {
      for member in object.members where member.key != "kind" && member.key != "step" {
        let tag = path + "/" + member.key
        switch member.value {
        case .object(let inner): collect(inner, tag)
        case .integer(let value): scalars.append((tag, Double(value)))
        case .number(let value): scalars.append((tag, value))
        case .array(let values):
          let numbers = values.compactMap(\.double)
          if !numbers.isEmpty { lists.append((tag, numbers)) }
        case .flag, .string, .null: break
        }
      }
    }
    collect(line, kind)
    do {
      try file.scalars(scalars, step: step)
      for (tag, values) in lists { try file.histogram(tag, Histogram(of: values), step: step) }
    } catch { throw .file(error) }
  }

  /// Writes how often each code was used, over the codes' indices.
  func record(_ usage: CodebookUsage, step: Int) throws(TrainingError) {
    let buckets = min(usage.codes, 64)
    let edges = (0...buckets).map { $0 * usage.codes / buckets }
    var counts = [Double](repeating: 0, count: buckets)
    var bucket = 0
    usage.forEachUsed { code, count in
      while code >= edges[bucket + 1] { bucket += 1 }
      counts[bucket] += Double(count)
    }
    do {
      try file.histogram(
        "codes/uses", Histogram(edges: edges.map(Double.init), counts: counts), step: step)
    } catch { throw .file(error) }
  }

  /// Writes a sheet of originals over reconstructions.
  func record(samples sheet: Image, step: Int) throws {
    let png = try ImageEncoder().encode(sheet, as: .png)
    do {
      try file.image(
        "samples", png: png, width: sheet.width, height: sheet.height, step: step)
    } catch { throw TrainingError.file(error) }
  }
}

/// What the log records of each start and resumption of a run: `kind` is "run".
struct RunLine {
  /// Updates that were made before.
  var step: Int
  /// Threads that compute.
  var threads: Int
  /// Lanes, which decide over the result.
  var lanes: Int
  /// What the run reads, by name: images to train on, images to validate with.
  var counts: [(name: String, count: Int)] = []
  /// What differs from the configuration before, by key: the old value and the new one.
  var changes: [ConfigurationChange] = []
  /// What else is to be told of this start, by name.
  var details: [(name: String, value: JSONObject)] = []

  /// The line, as of now.
  var line: JSONObject {
    var line = JSONObject([
      "kind": .string("run"), "step": .integer(step),
      "time": .string(Date().ISO8601Format()), "version": .string(Release.version),
      "cpu": .string(Machine.processor), "cores": .integer(Machine.cores),
      "threads": .integer(threads), "lanes": .integer(lanes),
    ])
    for (name, count) in counts { line[name] = .integer(count) }
    if !changes.isEmpty {
      var object = JSONObject()
      for change in changes { object[change.key] = .array([change.old, change.new]) }
      line["changes"] = .object(object)
    }
    for (name, value) in details { line[name] = .object(value) }
    return line
  }
}

/// The version of the software.
public enum Release {
  /// The number that runs record.
  public static let version = "0.2.0"

  /// A hash of the running program, or of the library that holds it; empty where its file cannot be read.
  static var fingerprint: String {
    guard let path = libraryPath ?? Bundle.main.executablePath,
      let bytes = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    else { return "" }
    var hash = Checksum()
    bytes.withUnsafeBytes { hash.add($0) }
    return hash.hexadecimal
  }

  /// The shared library that this is a part of, if it is in one.
  private static var libraryPath: String? {
    let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
    let line = maps.split(separator: "\n").first { $0.hasSuffix("/libTesseraCommands.so") }
    return line.flatMap { line in line.firstIndex(of: "/").map { String(line[$0...]) } }
  }
}

/// The machine that a run is made on.
enum Machine {
  /// The processor's name as the system reports it, or else its architecture.
  static var processor: String {
    #if os(Linux)
      let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
      for line in text.split(separator: "\n") where line.hasPrefix("model name") {
        let name = line.drop { $0 != ":" }.dropFirst().drop { $0 == " " }
        if !name.isEmpty { return String(name) }
      }
    #elseif canImport(Darwin)
      var size = 0
      if sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0) == 0, size > 1 {
        var name = [UInt8](repeating: 0, count: size)
        if sysctlbyname("machdep.cpu.brand_string", &name, &size, nil, 0) == 0 {
          return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        }
      }
    #endif
    return architecture
  }

  /// The cores that the process may use.
  static var cores: Int { AvailableCores.count }

  private static var architecture: String {
    #if arch(x86_64)
      "x86-64"
    #elseif arch(arm64)
      "arm64"
    #else
      "unknown"
    #endif
  }
}
