import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

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
