import Synchronization

/// How far the tiles of an image have come.
public struct TilingProgress: Equatable, Sendable {
  /// The pass over the image, from 1.
  public let pass: Int
  /// All passes.
  public let passes: Int
  /// The share of the pass's tiles that are computed, 0 to 1.
  public let share: Double
}

/// Counts the tiles of an image, tells of them, and asks whether to stop.
final class TilingMonitor: Sendable {
  private struct State {
    var pass = 0
    var (done, tiles) = (0, 0)
    var isStopped = false
  }

  private let passes: Int
  private let report: @Sendable (TilingProgress) -> Void
  private let shouldStop: @Sendable () -> Bool
  private let state = Mutex(State())

  /// - Parameters:
  ///   - report: called by one lane at a time.
  ///   - shouldStop: asked until it says so, by one lane at a time.
  init(
    passes: Int, report: @escaping @Sendable (TilingProgress) -> Void,
    shouldStop: @escaping @Sendable () -> Bool
  ) {
    (self.passes, self.report, self.shouldStop) = (passes, report, shouldStop)
  }

  /// Begins the next pass.
  func begin(tiles: Int) throws(CancellationError) {
    try check()
    state.withLock { state in
      state.pass += 1
      (state.done, state.tiles) = (0, tiles)
      tell(state)
    }
  }

  /// A tile is computed.
  func finishTile() {
    state.withLock { state in
      state.done += 1
      tell(state)
    }
  }

  private func tell(_ state: State) {
    let share = state.tiles > 0 ? min(1, Double(state.done) / Double(state.tiles)) : 0
    report(TilingProgress(pass: state.pass, passes: passes, share: share))
  }

  /// Whether a stop was requested.
  var isStopped: Bool {
    state.withLock { state in
      if !state.isStopped { state.isStopped = shouldStop() }
      return state.isStopped
    }
  }

  /// Ends the work where a stop was requested.
  func check() throws(CancellationError) {
    if isStopped { throw CancellationError() }
  }
}
