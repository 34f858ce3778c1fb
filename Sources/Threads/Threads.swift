import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

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

/// Work that is done beside the caller's, one piece at a time.
public final class BackgroundWork: @unchecked Sendable {
  // Unchecked: the condition guards what changes.
  private let name: String
  private let condition = NSCondition()
  private var isBusy = false

  /// Prepares; `name` is the thread's.
  public init(_ name: String) { self.name = name }

  /// Begins a piece of work once the one before is done.
  ///
  /// Where there is no thread to be had it is done here and now.
  public func start(_ body: @escaping @Sendable () -> Void) {
    wait()
    condition.lock()
    isBusy = true
    condition.unlock()
    let begins = WorkerThread.start(name) { [self] in
      body()
      end()
    }
    guard !begins else { return }
    body()
    end()
  }

  /// Waits for the work that was started last.
  public func wait() {
    condition.lock()
    while isBusy { condition.wait() }
    condition.unlock()
  }

  private func end() {
    condition.lock()
    isBusy = false
    condition.broadcast()
    condition.unlock()
  }
}

/// A thread that the system may refuse: where processes or address space are limited, as in a
/// container or on a cluster, that is an answer and no accident.
public enum WorkerThread {
  /// Bytes of a thread's stack.
  private static let stackSize = 8 << 20

  private final class Start {
    let name: String
    let body: @Sendable () -> Void

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }

    func run() {
      Thread.current.name = name
      body()
    }
  }

  /// Starts a thread that ends with `body`; nobody waits for it.
  ///
  /// - Returns: whether there is such a thread. If not, `body` is never called, and the work has to
  ///   be done by those there are.
  public static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
    let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
    defer { attributes.deallocate() }
    guard pthread_attr_init(attributes) == 0 else { return false }
    defer { pthread_attr_destroy(attributes) }
    pthread_attr_setstacksize(attributes, stackSize)
    pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
    let start = Unmanaged.passRetained(Start(name, body))
    let isStarted = create(attributes, start.toOpaque())
    if !isStarted { start.release() }
    return isStarted
  }

  private static func create(
    _ attributes: UnsafePointer<pthread_attr_t>, _ start: UnsafeMutableRawPointer
  ) -> Bool {
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread: pthread_t = 0
    #endif
    return pthread_create(&thread, attributes, { WorkerThread.run($0) }, start) == 0
  }

  fileprivate static func run(_ start: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    start.map { Unmanaged<Start>.fromOpaque($0).takeRetainedValue().run() }
    return nil
  }
}
