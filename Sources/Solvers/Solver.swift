#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }

/// A rule by which a step along `dx/dt = v(x, t)` is made, from a time t to a smaller one u.
///
/// All rules but Euler's look at a second place: `x_s = x + (s - t) v(x, t)` at a time s between, from
/// which `x_u = x + (u - t) (a v(x, t) + b v(x_s, s))`.
///
///     euler     a = 1, without a second place; of diffusion models it is DDIM
///     heun      s = u                 a = b = 1/2
///     midpoint  s = (t + u) / 2       a = 0, b = 1
///     dpm2      s = u^r t^(1 - r)     b = 1 / (2 r), a = 1 - b
///     amed      s = u^r t^(1 - r)     a = 0, b = c, with r and c learned for each step
///
/// Sources: Karras et al., 2022 (Heun); Lu et al., "DPM-Solver", 2022; Zhou et al., "Fast ODE-based sampling
/// for diffusion models in around 5 steps", 2024 (AMED).
public enum Solver: Sendable, Hashable {
  /// Straight on.
  case euler
  /// The mean of the velocities at both ends.
  case heun
  /// The velocity in the middle.
  case midpoint
  /// The velocity at the place that r says, extrapolated; 1/2 is the geometric mean of the ends.
  case dpm2(r: Double)
  /// The velocity at a place that was learned, times a factor that was.
  case amed

  /// Evaluations of the velocity in a step.
  public var evaluationsPerStep: Int { self == .euler ? 1 : 2 }

  /// Evaluations for so many steps.
  ///
  /// - Parameter guessesFirst: whether the first direction is computed without one.
  public func evaluations(steps: Int, guessesFirst: Bool = false) -> Int {
    steps * evaluationsPerStep - (guessesFirst ? 1 : 0)
  }

  /// Where a step from t to u looks a second time, and how much both velocities count; nil of Euler's.
  ///
  /// - Parameter learned: r and c of the step, for `amed` alone.
  public func secondPlace(
    from t: Double, to u: Double, learned: LearnedStep = LearnedStep()
  ) -> SecondPlace? {
    switch self {
    case .euler: nil
    case .heun: SecondPlace(time: u, first: 0.5, second: 0.5)
    case .midpoint: SecondPlace(time: (t + u) / 2, first: 0, second: 1)
    case .dpm2(let r):
      SecondPlace(
        time: LearnedStep(r: r).time(from: t, to: u), first: 1 - 1 / (2 * r), second: 1 / (2 * r))
    case .amed: SecondPlace(time: learned.time(from: t, to: u), first: 0, second: learned.c)
    }
  }
}

/// Where a step looks a second time, and how much both velocities count.
public struct SecondPlace: Sendable, Equatable {
  /// The time s.
  public var time: Double
  /// The weight of the velocity at the start.
  public var first: Double
  /// The weight of the velocity at the second place.
  public var second: Double
}

/// What is learned of a step from t to u: where it looks, and by how much it scales what it sees.
public struct LearnedStep: Sendable, Equatable {
  /// The place: `s = u^r t^(1 - r)`.
  public var r: Double
  /// The factor of the direction.
  public var c: Double

  /// A step; a half and 1 are what training starts from.
  public init(r: Double = 0.5, c: Double = 1) { (self.r, self.c) = (r, c) }

  /// The step of a network's two numbers: `r = sigmoid(a)`, `c = 1 + scale (2 sigmoid(b) - 1)`.
  public init(logits a: Double, _ b: Double, scale: Double = LearnedStep.directionScale) {
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    self.init(r: sigmoid(a), c: 1 + scale * (2 * sigmoid(b) - 1))
  }

  /// How far the factor may lie from 1.
  public static let directionScale = 0.01

  /// The time at which a step from t to u looks.
  public func time(from t: Double, to u: Double) -> Double { power(u, r) * power(t, 1 - r) }
}

/// The first direction without an evaluation: that of data much smaller than the noise.
///
///     v = x / sqrt(1 + t^2)
///
/// Source: Dockhorn et al., "GENIE", 2022.
public func guessedVelocity(_ x: Double, at t: Double) -> Double { x / (1 + t * t).squareRoot() }
