/// Noise levels from the largest to the smallest, between which a solver makes its steps.
///
///     t_n = ( t_1^(1/rho) + (n - 1) / (N - 1) (t_N^(1/rho) - t_1^(1/rho)) )^rho
///
/// Sampling goes from t_N down to t_1. Source: Karras et al., "Elucidating the design space of
/// diffusion-based generative models", 2022.
public struct NoiseSchedule: Sendable, Hashable {
  /// The noise level at which sampling ends, t_1.
  public var smallest: Double
  /// The noise level from which it starts, t_N.
  public var largest: Double
  /// How much closer levels lie where noise is small: 1 is evenly.
  public var exponent: Double

  /// A schedule; 0.002, 80 and 7 are those of the source.
  public init(smallest: Double = 0.002, largest: Double = 80, exponent: Double = 7) {
    (self.smallest, self.largest, self.exponent) = (smallest, largest, exponent)
  }

  /// The levels of so many steps, falling: one more than steps.
  public func levels(steps: Int) -> [Double] {
    precondition(steps > 0, "a schedule has a step")
    return (0...steps).map { level($0, of: steps) }
  }

  /// The level after `index` of so many steps; the ends are exact.
  private func level(_ index: Int, of steps: Int) -> Double {
    if index == 0 { return largest }
    if index == steps { return smallest }
    return between(largest, smallest, Double(index) / Double(steps))
  }

  /// Levels of a finer grid inside a step from `start` to `end`: the `count` between both, falling.
  ///
  /// Source: Zhou et al., "Fast ODE-based sampling for diffusion models in around 5 steps", 2024, which
  /// takes its teacher's steps through them.
  public func levels(between start: Double, _ end: Double, count: Int) -> [Double] {
    (0..<count).map { between(start, end, Double($0 + 1) / Double(count + 1)) }
  }

  /// The level at a fraction of the way from one to another.
  private func between(_ start: Double, _ end: Double, _ fraction: Double) -> Double {
    let (a, b) = (power(start, 1 / exponent), power(end, 1 / exponent))
    return power(a + fraction * (b - a), exponent)
  }
}
