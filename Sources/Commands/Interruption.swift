import Foundation
import Synchronization

/// Ctrl-C: the first asks to stop after the step at hand, the second stops at once.
enum Interruption {
  private static let count = Atomic<Int>(0)

  /// Starts to listen for Ctrl-C and for a polite request to end.
  ///
  /// Both are unblocked first: who starts the command may have them blocked, and pass that on.
  static func listen() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for signalNumber in [SIGINT, SIGTERM] {
      sigaddset(&signals, signalNumber)
      signal(signalNumber) { _ in
        if Interruption.count.wrappingAdd(1, ordering: .relaxed).newValue > 1 { _exit(130) }
      }
    }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Whether someone asked to stop.
  static var isRequested: Bool { count.load(ordering: .relaxed) > 0 }
}
