import Foundation
import Synchronization
import Threads

/// Work that is done once for each of a number of indices.
protocol IndexedWork: AnyObject, Sendable {
  func perform(_ index: Int)
}

/// Threads that wait for work: the only place of the project that computes in parallel.
///
/// Index `i` goes to thread `i mod threads`, and each thread takes its own in order. What is
/// computed depends on the indices alone, never on how many threads there are.
public final class LanePool: Sendable {
  /// The threads that work, the caller's included: fewer than were asked for where the system has
  /// no more to give.
  public let threads: Int

  private let state = State()

  /// The guarded state; the condition orders all access to the variables.
  private final class State: @unchecked Sendable {
    let condition = NSCondition()
    var work: (any IndexedWork)?
    var count = 0
    var stride = 1
    /// Whether threads join as they come, or each is waited for.
    var isTogether = false
    var isStopping = false
    /// The number of the work; changed under the condition, and watched by threads that do not sleep yet.
    let generation = Atomic<Int>(0)
    /// The other threads that are not done; likewise.
    let unfinished = Atomic<Int>(0)
  }

  /// Starts threads; they wait without using time.
  public init(threads: Int) {
    var started = 1
    while started < threads {
      let (state, thread) = (state, started)
      guard
        WorkerThread.start("lane \(thread)", { LanePool.wait(state, thread: thread) })
      else { break }
      started += 1
    }
    self.threads = started
  }

  deinit {
    state.condition.lock()
    state.isStopping = true
    state.condition.broadcast()
    state.condition.unlock()
  }

  /// Does some work for each index below `count` and returns when all is done.
  func run(_ count: Int, _ work: any IndexedWork) {
    guard threads > 1, count > 1 else {
      for index in 0..<count { work.perform(index) }
      return
    }
    hand(out: work, count, isTogether: false)
    LanePool.share(of: 0, stride: threads, count, work)
    let condition = state.condition
    condition.lock()
    while state.unfinished.load(ordering: .acquiring) > 0 { condition.wait() }
    state.work = nil
    condition.unlock()
  }

  /// Does work that any number of threads do together, each as it comes, and returns when all is done.
  ///
  /// Threads are called at once; `before` is done meanwhile. One that has not come when the caller is done is
  /// not waited for.
  ///
  /// - Parameters:
  ///   - work: performed once by each thread that takes part; when that of the caller, number 0, returns, all
  ///     is done.
  ///   - threads: how many take part at most, the caller's included.
  func runTogether(_ work: any IndexedWork, threads: Int, before: () -> Void) {
    hand(out: work, threads, isTogether: true)
    before()
    work.perform(0)
    let condition = state.condition
    condition.lock()
    state.work = nil
    condition.unlock()
    // Who took part has nothing left to do.
    var patience = Patience()
    while state.unfinished.load(ordering: .acquiring) > 0 { patience.wait() }
  }

  private func hand(out work: any IndexedWork, _ count: Int, isTogether: Bool) {
    state.condition.lock()
    state.work = work
    state.count = count
    state.stride = threads
    state.isTogether = isTogether
    state.unfinished.store(isTogether ? 0 : threads - 1, ordering: .relaxed)
    state.generation.wrappingAdd(1, ordering: .releasing)
    state.condition.broadcast()
    state.condition.unlock()
  }

  private static func share(of thread: Int, stride: Int, _ count: Int, _ work: any IndexedWork) {
    var index = thread
    while index < count {
      work.perform(index)
      index += stride
    }
  }

  private static func wait(_ state: State, thread: Int) {
    var seen = 0
    var watches = false
    while true {
      if watches { watch(state, since: seen) }
      state.condition.lock()
      while state.generation.load(ordering: .relaxed) == seen && !state.isStopping {
        state.condition.wait()
      }
      if state.isStopping {
        state.condition.unlock()
        return
      }
      seen = state.generation.load(ordering: .relaxed)
      let (count, stride, isTogether) = (state.count, state.stride, state.isTogether)
      let work = isTogether && thread >= count ? nil : state.work
      if isTogether, work != nil { state.unfinished.wrappingAdd(1, ordering: .relaxed) }
      state.condition.unlock()
      watches = isTogether
      guard let work else { continue }

      if isTogether {
        work.perform(thread)
        state.unfinished.wrappingSubtract(1, ordering: .releasing)
        continue
      }
      share(of: thread, stride: stride, count, work)
      if state.unfinished.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
        state.condition.lock()
        state.condition.broadcast()
        state.condition.unlock()
      }
    }
  }

  /// Looks for the next work for a short time without sleep: one image is followed by another, or by its
  /// decoding, and to wake a thread takes as long as a tenth of a small image.
  private static func watch(_ state: State, since seen: Int) {
    let end = ContinuousClock.now + .milliseconds(1)
    var patience = Patience()
    while state.generation.load(ordering: .acquiring) == seen, ContinuousClock.now < end {
      patience.wait()
    }
  }
}

// MARK: - The cores of the machine

/// The cores that this process may use.
public enum AvailableCores {
  /// At least 1: the cores of the machine, less those that an affinity mask or a container's limit of
  /// processor time takes away.
  public static var count: Int {
    let machine = ProcessInfo.processInfo.activeProcessorCount
    return max(1, [machine, affinity, containerLimit].compactMap { $0 }.min() ?? 1)
  }

  /// The cores for each of several processes on this machine: those that it is bound to, or else its share.
  public static func count(sharedBy processes: Int) -> Int {
    let machine = ProcessInfo.processInfo.activeProcessorCount
    let all = min(machine, containerLimit ?? machine)
    if let affinity, affinity < machine { return max(1, min(affinity, all)) }
    return max(1, all / max(1, processes))
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
