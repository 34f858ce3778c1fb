import Foundation

/// The cores that this process may use.
public enum AvailableCores {
  /// At least 1: the cores of the machine, less those that an affinity mask or a container's limit of
  /// processor time takes away.
  public static var count: Int {
    let machine = ProcessInfo.processInfo.activeProcessorCount
    return max(1, [machine, affinity, containerLimit].compactMap { $0 }.min() ?? 1)
  }

  /// The cores of the affinity mask, as `taskset` and Slurm set it; nil where there is none.
  private static var affinity: Int? {
    #if os(Linux)
      return (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)).flatMap(
        allowed(in:))
    #else
      return nil
    #endif
  }

  /// The cores of `/proc/self/status`, as in "Cpus_allowed:	ff,ffffffff": forty; nil where it does not
  /// tell.
  package static func allowed(in status: String) -> Int? {
    for line in status.split(separator: "\n") where line.hasPrefix("Cpus_allowed:") {
      let cores = line.dropFirst(13).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
      return cores > 0 ? cores : nil
    }
    return nil
  }

  /// The processor time that a control group grants, in cores; nil where there is no limit.
  private static var containerLimit: Int? {
    #if os(Linux)
      let own = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
      return limits(of: own) { try? String(contentsOfFile: $0, encoding: .utf8) }.min()
    #else
      return nil
    #endif
  }

  /// The limits of a process' control groups, of their parents too.
  ///
  /// - Parameters:
  ///   - groups: the lines of `/proc/self/cgroup`, as in `0::/user.slice/job`.
  ///   - read: the content of a file, nil where it is not there.
  package static func limits(of groups: String, read: (String) -> String?) -> [Int] {
    var limits: [Int] = []
    for line in groups.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isUnified = parts[1].isEmpty
      guard isUnified || parts[1].split(separator: ",").contains("cpu") else { continue }
      let root = "/sys/fs/cgroup" + (isUnified ? "" : "/cpu")
      var path = String(parts[2])
      while true {
        let folder = root + (path == "/" ? "" : path)
        let limit =
          isUnified
          ? read(folder + "/cpu.max").flatMap(cores)
          : cores(read(folder + "/cpu.cfs_quota_us"), read(folder + "/cpu.cfs_period_us"))
        if let limit { limits.append(limit) }
        guard path.count > 1, let slash = path.lastIndex(of: "/") else { break }
        path = slash == path.startIndex ? "/" : String(path[..<slash])
      }
    }
    return limits
  }

  /// The cores of `cpu.max`, as in "150000 100000": two; nil for "max".
  private static func cores(_ text: String) -> Int? {
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2 else { return nil }
    return cores(String(parts[0]), String(parts[1]))
  }

  private static func cores(_ quota: String?, _ period: String?) -> Int? {
    func number(_ text: String?) -> Double? {
      text.flatMap { Double($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    guard let quota = number(quota), let period = number(period), quota > 0, period > 0,
      quota / period < 1e6
    else { return nil }
    return max(1, Int((quota / period).rounded(.up)))
  }
}
