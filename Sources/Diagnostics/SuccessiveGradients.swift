/// How noisy gradients are, by the cosines of each with the one before.
///
/// For gradients `g = gbar + noise` of independent batches the expected cosine is `1 / (1 + N)`, with
/// `N = tr(Sigma) / |gbar|^2`, the squared noise of a batch's gradient against its squared mean. So the mean
/// over a window of recent cosines tells `N = 1 / mean - 1`.
public struct SuccessiveGradients: Sendable, Equatable {
  /// How many of the last cosines count.
  public let window: Int
  /// The cosines that count, the oldest first.
  public private(set) var cosines: [Double] = []

  /// None yet.
  public init(window: Int = 20) {
    precondition(window > 0, "a window has a place")
    self.window = window
  }

  /// The cosines that count; `init(window:state:)` takes them back bit for bit.
  public var state: [Double] { cosines }

  /// Continues from a ``state``; nil if there are more than the window holds.
  public init?(window: Int, state: [Double]) {
    guard window > 0, state.count <= window else { return nil }
    self.window = window
    cosines = state
  }

  /// Takes in the cosine of two successive gradients; NaN is skipped.
  public mutating func record(_ cosine: Double) {
    guard !cosine.isNaN else { return }
    if cosines.count == window { cosines.removeFirst() }
    cosines.append(cosine)
  }

  /// The last cosine.
  public var last: Double? { cosines.last }

  /// The mean over the window.
  public var mean: Double? {
    cosines.isEmpty ? nil : cosines.reduce(0, +) / Double(cosines.count)
  }

  /// `N`, 0 without noise; nil where the mean is not positive, and noise is all there is.
  public var noiseRatio: Double? {
    guard let mean, mean > 0 else { return nil }
    return 1 / mean - 1
  }
}
