import Foundation
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
    var generation = 0
    var unfinished = 0
    var isStopping = false
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
    let condition = state.condition
    condition.lock()
    state.work = work
    state.count = count
    state.stride = threads
    state.generation += 1
    state.unfinished = threads - 1
    condition.broadcast()
    condition.unlock()

    LanePool.share(of: 0, stride: threads, count, work)

    condition.lock()
    while state.unfinished > 0 { condition.wait() }
    state.work = nil
    condition.unlock()
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
    while true {
      state.condition.lock()
      while state.generation == seen && !state.isStopping { state.condition.wait() }
      if state.isStopping {
        state.condition.unlock()
        return
      }
      seen = state.generation
      let (work, count, stride) = (state.work, state.count, state.stride)
      state.condition.unlock()

      if let work { share(of: thread, stride: stride, count, work) }

      state.condition.lock()
      state.unfinished -= 1
      if state.unfinished == 0 { state.condition.broadcast() }
      state.condition.unlock()
    }
  }
}
