import Autodiff
import Formatting
import Foundation

/// How much memory something takes, part by part, known before any of it is allocated.
///
/// Bytes are doubles: the sum of absurd sizes is absurd, and not negative.
public struct MemoryNeed: Sendable, Equatable {
  /// A part, and what makes it smaller.
  public struct Part: Sendable, Equatable {
    /// What it holds, as in "weights and their moments".
    public let name: String
    /// Its bytes.
    public let bytes: Double
    /// Keys to lower, as in `training.batchSize`; empty where nothing helps.
    public let keys: [String]
  }

  /// Bytes beyond which nothing is planned: sizes of a plan then stay within 64 bits.
  public static let mostPlanned = 0x1p50

  /// The parts, in the order they were added.
  public private(set) var parts: [Part] = []

  /// Nothing yet.
  public init() {}

  /// Adds a part.
  public mutating func add(_ name: String, bytes: Double, keys: [String] = []) {
    parts.append(Part(name: name, bytes: bytes, keys: keys))
  }

  /// All bytes.
  public var bytes: Double { parts.reduce(0) { $0 + $1.bytes } }

  /// The part that takes most.
  public var largest: Part? { parts.max { $0.bytes < $1.bytes } }
}

extension MemoryNeed {
  /// Adds the room for gradients of other processes' lanes.
  package mutating func addExchange(_ layout: ParameterLayout, lanes: Int, processes: Int) {
    guard processes > 1 else { return }
    // A process sums its part of the parameters over all lanes.
    let others = Double(lanes - lanes / processes)
    add(
      "gradients of other ranks",
      bytes: 4 * Double(layout.trainedWords) * others / Double(processes),
      keys: ["training.lanes", "model.channels"])
  }
}

extension Plan {
  /// The bytes that a session of this plan allocates.
  ///
  /// - Parameter borrowsArenas: whether the lanes' arenas are those of another session.
  public func bytes(lanes: Int, borrowsArenas: Bool = false) -> Double {
    let lane =
      (borrowsArenas ? 0 : Double(arenaWords))
      + (hasGradients ? Double(parameters.trainedWords) : 0)
    let sums = statistics.reduce(0) { $0 + Double($1.operand.shape.count) }
    let word = Double(MemoryLayout<Float>.stride)
    // Sums are doubles; what is added to them goes through floats.
    return word * (Double(sharedWords) + Double(lanes) * (lane + 3 * sums))
  }
}

/// How much more memory this process may have: the least of what the machine has free, what the
/// control groups around it leave, and what `ulimit` leaves.
public struct MemoryLimits {
  /// One bound.
  public struct Limit: Equatable, Sendable {
    /// The source of the limit, as in "the address space of ulimit -v".
    public let name: String
    /// The bytes that it leaves.
    public let bytes: Double

    /// A bound.
    public init(name: String, bytes: Double) {
      self.name = name
      self.bytes = bytes
    }
  }

  /// What a process has beside its large blocks: small ones, stacks, what libraries keep.
  public static let reserve = 32e6

  /// The bounds that there are.
  public let all: [Limit]

  /// The bound that leaves least; half of the machine where nothing is known.
  public var least: Limit {
    all.min { $0.bytes < $1.bytes }
      ?? Limit(name: "memory", bytes: Double(ProcessInfo.processInfo.physicalMemory) / 2)
  }

  /// Reads the bounds of this moment.
  ///
  /// - Parameter root: the root of the file system, another one for tests.
  public init(root: String = "") {
    let files = SystemFiles(root: root)
    all =
      [files.machine].compactMap { $0 } + files.controlGroups
      + [files.addressSpace, files.dataSegment].compactMap { $0 }
  }

  /// Bounds that are known already.
  public init(all: [Limit]) { self.all = all }

  /// Refuses what does not fit.
  ///
  /// - Parameters:
  ///   - need: what is about to be allocated.
  ///   - subject: what the message begins with, as in "training".
  /// - Throws: ``MemoryShortage``, which names the largest parts and the keys that make them smaller.
  public func check(_ need: MemoryNeed, _ subject: String) throws(MemoryShortage) {
    let least = least
    guard need.bytes + Self.reserve > least.bytes else { return }
    let parts = need.parts.sorted { $0.bytes > $1.bytes }.prefix(3).filter { $0.bytes >= 1e6 }
    let keys = parts.flatMap(\.keys).reduce(into: [String]()) { keys, key in
      if !keys.contains(key) { keys.append(key) }
    }
    let reserve = Display.megabytes(Self.reserve)
    let list = parts.map { "\(Display.megabytes($0.bytes)) for \($0.name)" }
    let needed =
      list.isEmpty
      ? "\(reserve) of memory"
      : "\(Display.megabytes(need.bytes)) of memory (\(list.joined(separator: ", "))) and \(reserve) "
        + "for the process itself"
    throw MemoryShortage(
      description: "\(subject) needs \(needed), but \(least.name) leaves "
        + "\(Display.megabytes(max(0, least.bytes)))."
        + (keys.isEmpty || need.bytes < Self.reserve
          ? " Raise the limit." : " Lower \(keys.prefix(5).joined(separator: ", ")), or raise it."))
  }
}

/// Something needs more memory than there is: nothing of it was allocated.
public struct MemoryShortage: Error, Equatable, Sendable, CustomStringConvertible {
  /// What needs how much for what, what there is, and the way out.
  public let description: String
}

/// The files and calls of Linux that report memory; other systems report less.
private struct SystemFiles {
  let root: String

  private func text(_ path: String) -> String? {
    guard let data = FileManager.default.contents(atPath: root + path) else { return nil }
    return String(decoding: data, as: UTF8.self)
  }

  private func number(_ path: String) -> Double? {
    text(path).flatMap { Double($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
  }

  /// The number after a key at the beginning of a line.
  private func value(_ key: String, in text: String) -> Double? {
    for line in text.split(separator: "\n") where line.hasPrefix(key) {
      let rest = line.dropFirst(key.count)
      guard let first = rest.first, first == " " || first == ":" || first == "\t" else { continue }
      return rest.split(whereSeparator: { !$0.isNumber }).first.flatMap { Double($0) }
    }
    return nil
  }

  /// What the machine has free, or can free at once.
  var machine: MemoryLimits.Limit? {
    guard let kibibytes = text("/proc/meminfo").flatMap({ value("MemAvailable", in: $0) }) else {
      return MemoryLimits.Limit(
        name: "this machine", bytes: Double(ProcessInfo.processInfo.physicalMemory))
    }
    return MemoryLimits.Limit(name: "the free memory of this machine", bytes: kibibytes * 1024)
  }

  /// The groups of this process and all around them, in both versions.
  var controlGroups: [MemoryLimits.Limit] {
    var limits: [MemoryLimits.Limit] = []
    for line in text("/proc/self/cgroup")?.split(separator: "\n") ?? [] {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isUnified = parts[1].isEmpty
      guard isUnified || parts[1].split(separator: ",").contains("memory") else { continue }
      let folders =
        isUnified ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : ["/sys/fs/cgroup/memory"]
      // In a container the path may be that of the host: each part of it is tried.
      var path = parts[2].split(separator: "/").map(String.init)
      while true {
        for folder in folders {
          let group = ([folder] + path).joined(separator: "/")
          if let limit = isUnified ? unified(group) : former(group) { limits.append(limit) }
        }
        if path.isEmpty { break }
        path.removeLast()
      }
    }
    return limits
  }

  private func unified(_ group: String) -> MemoryLimits.Limit? {
    guard let most = number(group + "/memory.max") else { return nil }
    return limit(
      group, most, used: number(group + "/memory.current"),
      cached: ["inactive_file", "active_file"])
  }

  private func former(_ group: String) -> MemoryLimits.Limit? {
    // A group without a limit has one of almost 2^63.
    guard let most = number(group + "/memory.limit_in_bytes"), most < 0x1p60 else { return nil }
    return limit(
      group, most, used: number(group + "/memory.usage_in_bytes"),
      cached: ["total_inactive_file", "total_active_file"])
  }

  /// What a group leaves; files in memory make way.
  private func limit(
    _ group: String, _ most: Double, used: Double?, cached: [String]
  ) -> MemoryLimits.Limit {
    let statistics = text(group + "/memory.stat") ?? ""
    let files = cached.reduce(0) { $0 + (value($1, in: statistics) ?? 0) }
    return MemoryLimits.Limit(
      name: "the memory limit of the control group (\(Display.megabytes(most)))",
      bytes: most - max(0, (used ?? 0) - files))
  }

  /// `ulimit -v`.
  var addressSpace: MemoryLimits.Limit? {
    #if canImport(Darwin)
      return nil
    #else
      return limit(__rlimit_resource_t(RLIMIT_AS.rawValue), "VmSize", "ulimit -v")
    #endif
  }

  /// `ulimit -d`.
  var dataSegment: MemoryLimits.Limit? {
    #if canImport(Darwin)
      return nil
    #else
      return limit(__rlimit_resource_t(RLIMIT_DATA.rawValue), "VmData", "ulimit -d")
    #endif
  }

  #if !canImport(Darwin)
    private func limit(
      _ resource: __rlimit_resource_t, _ key: String, _ name: String
    ) -> MemoryLimits.Limit? {
      var limit = rlimit()
      guard getrlimit(resource, &limit) == 0, limit.rlim_cur < 1 << 60 else { return nil }
      let used = text("/proc/self/status").flatMap { value(key, in: $0) } ?? 0
      let most = Double(limit.rlim_cur)
      return MemoryLimits.Limit(
        name: "\(name) (\(Display.megabytes(most)))", bytes: most - used * 1024)
    }
  #endif
}
