/// The rates and gradient norms of a run's steps, in memory that does not grow with the run.
///
/// Each step has an entry of its own until there are ``capacity`` of them. Then every two neighbours
/// become one, and so on: an entry stands for ``stride`` steps, a power of two. What is kept depends on
/// the steps alone, and not on when a run was stopped.
public struct StepHistory: Sendable, Equatable {
  /// Entries are fewer than this, which is even.
  public static let capacity = 32_768

  /// Some steps in a row.
  struct Entry: Sendable, Equatable {
    /// How many.
    var steps = 0
    /// The sum of their rates.
    var rates = 0.0
    /// `sum eta_t^2 |g_t|^2`.
    var squaredSteps = 0.0
    /// The norm of the first one's gradient.
    var norm = 0.0

    /// The steps of this entry and those of the next one.
    func joined(_ next: Entry) -> Entry {
      Entry(
        steps: steps + next.steps, rates: rates + next.rates,
        squaredSteps: squaredSteps + next.squaredSteps, norm: norm)
    }
  }

  /// Steps of an entry.
  public private(set) var stride = 1
  /// Steps so far.
  public private(set) var steps = 0
  /// The rate of the first step.
  private(set) var firstRate = 0.0
  /// The rate of the last step; nil before the first.
  public private(set) var lastRate: Double?
  private var whole: [Entry] = []
  private var partial = Entry()

  /// No steps yet.
  public init() {}

  /// Adds a step.
  public mutating func record(rate: Double, norm: Double) {
    if steps == 0 { firstRate = rate }
    lastRate = rate
    steps += 1
    let step = rate * norm
    let entry = Entry(steps: 1, rates: rate, squaredSteps: step * step, norm: norm)
    partial = partial.steps == 0 ? entry : partial.joined(entry)
    guard partial.steps == stride else { return }
    whole.append(partial)
    partial = Entry()
    guard whole.count == Self.capacity else { return }
    whole = Swift.stride(from: 0, to: whole.count, by: 2).map { whole[$0].joined(whole[$0 + 1]) }
    stride *= 2
  }

  /// The entries, the last of which may stand for fewer steps.
  private var entries: [Entry] { partial.steps > 0 ? whole + [partial] : whole }

  /// The sum of rates of each entry: the rates themselves as long as each step has its own.
  public var rates: [Double] { entries.map(\.rates) }

  /// The norm of the first gradient of each entry: all norms as long as each step has its own.
  public var norms: [Double] { entries.map(\.norm) }

  // MARK: Bounds

  /// How far the last iterate may lie above the best; see
  /// ``ConvergenceBounds/lastIterate(rates:gradientNorms:radius:)``.
  ///
  /// Where an entry stands for several steps, they count as alike.
  public func lastIterateBound(radius: Double) -> Double {
    guard steps > 0 else { return .infinity }
    guard stride > 1 else {
      return ConvergenceBounds.lastIterate(rates: rates, gradientNorms: norms, radius: radius)
    }
    let entries = entries
    guard let last = entries.lastIndex(where: { $0.rates > 0 }) else { return .infinity }
    var (suffix, rest) = (0.0, 0.0)
    for entry in entries[...last].reversed() {
      let count = Double(entry.steps)
      let (rate, square) = (entry.rates / count, entry.squaredSteps / count)
      for _ in 0..<entry.steps {
        // The last step has none behind it: its own rate stands in.
        rest += square / max(suffix, rate)
        suffix += rate
      }
    }
    return radius * radius / (2 * suffix) + rest / 2
  }

  /// The constant weight that linear decay to zero stems from; nil if the rates are anything else; see
  /// ``ScheduleDuality/constantWeight(ofLinearDecay:)``.
  var weightOfLinearDecay: Double? {
    guard stride > 1 else { return ScheduleDuality.constantWeight(ofLinearDecay: rates) }
    guard firstRate > 0 else { return nil }
    let T = Double(steps)
    let weight = firstRate * T / (T - 1)
    var before = 0.0
    for entry in entries {
      let count = Double(entry.steps)
      let expected = weight * count * (1 - (before + (count + 1) / 2) / T)
      guard (entry.rates - expected).magnitude <= 1e-6 * weight * count else { return nil }
      before += count
    }
    return weight
  }

  // MARK: Checkpoints

  private static func stride(after steps: Int) -> Int {
    var stride = 1
    while steps / stride >= capacity { stride *= 2 }
    return stride
  }

  /// How long the ``state`` is after so many steps.
  static func stateCount(steps: Int) -> Int {
    let stride = stride(after: steps)
    return stride == 1 ? 2 * steps : 6 + 3 * (steps / stride)
  }

  /// The numbers that a continuation needs.
  ///
  /// As long as each step has its own entry: rates, then norms.
  var state: [Double] {
    if stride == 1 { return rates + norms }
    return [
      firstRate, lastRate ?? 0, Double(partial.steps), partial.rates, partial.squaredSteps,
      partial.norm,
    ] + whole.map(\.rates) + whole.map(\.squaredSteps) + whole.map(\.norm)
  }

  /// Continues from a state after so many steps; nil if it is none.
  ///
  /// Earlier versions kept rates and norms of all steps, however many: such a list is taken too.
  init?(steps: Int, state: some RandomAccessCollection<Double>) {
    let numbers = Array(state)
    let stride = Self.stride(after: steps)
    if numbers.count == 2 * steps {
      for step in 0..<steps { record(rate: numbers[step], norm: numbers[steps + step]) }
      return
    }
    guard stride > 1, numbers.count == Self.stateCount(steps: steps),
      numbers[2] == Double(steps % stride)
    else { return nil }
    let count = steps / stride
    self.steps = steps
    self.stride = stride
    (firstRate, lastRate) = (numbers[0], numbers[1])
    partial = Entry(
      steps: steps % stride, rates: numbers[3], squaredSteps: numbers[4], norm: numbers[5])
    whole = (0..<count).map {
      Entry(
        steps: stride, rates: numbers[6 + $0], squaredSteps: numbers[6 + count + $0],
        norm: numbers[6 + 2 * count + $0])
    }
  }
}

/// Order statistics of a sample.
public enum Quantile {
  /// The value below which a fraction of the sample lies, NaN for an empty one.
  ///
  /// Between the sorted values `x_0...x_{n-1}` at the place `share (n - 1)`, on a straight line
  /// (definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
  public static func of(_ sample: [Double], _ share: Double) -> Double {
    of(sorted: sample.sorted(), share)
  }

  /// The same, of values that are sorted already.
  public static func of(sorted sample: [Double], _ share: Double) -> Double {
    precondition(share >= 0 && share <= 1, "a share of the sample")
    guard !sample.isEmpty else { return .nan }
    let place = share * Double(sample.count - 1)
    let below = Int(place)
    let above = min(below + 1, sample.count - 1)
    return sample[below] + (place - Double(below)) * (sample[above] - sample[below])
  }
}
