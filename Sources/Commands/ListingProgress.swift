import Datasets
import Formatting
import Foundation
import Synchronization

/// Shows on a terminal how far the listing of images is, and ends the command at a request to stop.
final class ListingProgress: @unchecked Sendable {
  // Unchecked: the mutex guards the terminal, which nobody else uses meanwhile.
  private let terminal: Terminal
  private let turn = Mutex(())

  init(_ terminal: Terminal) { self.terminal = terminal }

  /// What is to be told of the steps.
  var observer: ListingObserver { { [self] in report($0) } }

  private func report(_ step: ListingStep) {
    guard terminal.isInteractive || Interruption.isRequested else { return }
    turn.withLock { _ in
      if Interruption.isRequested {
        // Nothing was written yet: no need to wait for other threads.
        Terminal(isQuiet: terminal.isQuiet).say("stopped before anything was computed")
        _exit(Interruption.exitCode)
      }
      terminal.progress(Self.line(step))
    }
  }

  private static func line(_ step: ListingStep) -> String {
    switch step {
    case .folder(let path, let images): "listing \(path): \(Display.count(images, "image"))"
    case .list(let path): "reading \(path)"
    case .listed(let path, let done, let all):
      "looking for the images of \(path): \(Display.count(done)) of \(Display.count(all))"
    case .shards(let path, let done, let all):
      "reading the headers of \(path): \(Display.count(done)) of \(Display.count(all, "shard"))"
    }
  }
}
