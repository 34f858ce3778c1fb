import Foundation
import Synchronization

/// Ctrl-C, SIGTERM and a terminal that hangs up: the first asks to stop after the step at hand, the
/// second stops at once.
///
/// Long work asks `isRequested` between its steps, and ends with `exitCode` once all is saved.
enum Interruption {
  /// The signal that asked first; 0 until one comes.
  private static let first = Atomic<Int32>(0)
  /// When it came, in milliseconds.
  private static let instant = Atomic<Int>(0)

  /// Starts to listen.
  ///
  /// What was ignored from the start stays so: SIGHUP under `nohup`, SIGINT in the background. The
  /// others are unblocked: who starts the command may have them blocked, and pass that on.
  static func listen() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      let former = signal(number) { Interruption.received($0) }
      if isIgnored(former) {
        signal(number, SIG_IGN)
      } else {
        sigaddset(&signals, number)
      }
    }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Whether a stop was requested.
  static var isRequested: Bool { first.load(ordering: .relaxed) != 0 }

  /// The exit code after a stop request: 130, 143 or 129, as shells report signals.
  static var exitCode: Int32 { 128 + max(first.load(ordering: .relaxed), 1) }

  /// Takes note of a signal, or ends the program if one came before; runs in the handler.
  private static func received(_ number: Int32) {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = Int(time.tv_sec) * 1000 + Int(time.tv_nsec) / 1_000_000
    if first.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged {
      instant.store(now, ordering: .relaxed)
      return
    }
    // Both the shell and the kernel report one hang-up, and service managers send SIGHUP with
    // SIGTERM: that is no second request.
    if number == SIGHUP, now - instant.load(ordering: .relaxed) < 1000 { return }
    _exit(128 + number)
  }

  private static func isIgnored(_ handler: (@convention(c) (Int32) -> Void)?) -> Bool {
    unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
