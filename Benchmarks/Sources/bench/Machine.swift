import Foundation

/// What was measured on, and with.
struct Machine: Codable {
  /// The processor's name.
  let processor: String
  /// Its cores, as far as this system may use them.
  let cores: Int
  /// The operating system.
  let system: String
  /// The commit of Tessera.
  let tessera: String
  /// The flags that it was built with.
  let buildFlags: String
  /// What the environment tells OpenBLAS of the processor, if anything.
  let coreType: String?
  /// PyTorch, if it was measured.
  var peer: String?
  /// When, in UTC.
  let date: String

  init(_ options: BenchOptions) {
    let info = ProcessInfo.processInfo
    processor = Self.processorName
    cores = info.activeProcessorCount
    system = info.operatingSystemVersionString
    tessera =
      (try? ChildProcess("git", ["describe", "--always", "--dirty"]).output)?
      .trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
    coreType = info.environment["OPENBLAS_CORETYPE"]
    buildFlags = options.buildFlags
    date = ISO8601DateFormatter().string(from: Date())
  }

  private static var processorName: String {
    if let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("model name") }),
      let colon = line.firstIndex(of: ":")
    {
      return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    let name = try? ChildProcess("sysctl", ["-n", "machdep.cpu.brand_string"]).output
    return name?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "unknown"
  }

  /// One line under a table.
  var text: String {
    "\(processor), \(cores) cores; Tessera \(tessera)"
      + (buildFlags.isEmpty ? "" : " (\(buildFlags))")
      + (coreType.map { "; OPENBLAS_CORETYPE=\($0)" } ?? "")
      + (peer.map { "; \($0)" } ?? "")
  }
}
