import Foundation
import Synchronization

/// Does some work once for each index below `count`, and returns when all is done.
///
/// The caller works too, so that all is done even where there are no further threads to be had.
///
/// - Parameters:
///   - count: how often.
///   - threads: how many threads share the work, the caller's included; as many as there are cores
///     by default.
///   - body: called with each index once, in any order, by several threads at once.
public func concurrently(
  _ count: Int, threads: Int = ProcessInfo.processInfo.activeProcessorCount,
  _ body: @escaping @Sendable (_ index: Int) -> Void
) {
  let work = SharedWork(count, body)
  for number in 1..<max(1, min(threads, count)) where number > 0 {
    work.join()
    guard WorkerThread.start("worker \(number)", { work.takePart() }) else {
      work.leave()
      break
    }
  }
  work.takeIndices()
  work.waitForOthers()
}

/// Indices that threads take until none is left.
private final class SharedWork: Sendable {
  private let count: Int
  private let body: @Sendable (Int) -> Void
  private let next = Atomic<Int>(0)
  private let others = Mutex(0)
  private let condition = NSCondition()

  init(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    self.count = count
    self.body = body
  }

  func takeIndices() {
    while case let index = next.wrappingAdd(1, ordering: .relaxed).oldValue, index < count {
      body(index)
    }
  }

  func takePart() {
    takeIndices()
    leave()
  }

  func join() { others.withLock { $0 += 1 } }

  func leave() {
    condition.lock()
    others.withLock { $0 -= 1 }
    condition.broadcast()
    condition.unlock()
  }

  func waitForOthers() {
    condition.lock()
    while others.withLock({ $0 > 0 }) { condition.wait() }
    condition.unlock()
  }
}
