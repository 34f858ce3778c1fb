import Configuration
import Execution
import Foundation

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
