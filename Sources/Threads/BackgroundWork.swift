import Foundation

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
