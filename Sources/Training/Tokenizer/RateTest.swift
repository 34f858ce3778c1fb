import Files
import Configuration
import Datasets
import Execution
import Foundation
import Randomness

/// A learning-rate range test: the loss while the rate rises exponentially, and the rate that it speaks for.
///
/// Each step has a larger rate than the one before; while the rate is too small the loss hardly moves, then
/// it falls, then training diverges. The loss of single batches is noisy, and is smoothed. The suggestion
/// is the rate at which the smoothed loss falls most steeply over the logarithm of the rate, but at most a
/// tenth of that at which it diverged. Source: L. Smith, "Cyclical learning rates for training neural
/// networks", 2017.
///
/// It is a starting point and no more: it sees the first steps of a run, from one seed, and says nothing of
/// what the rate should be once the loss is low.
public struct RateTest: Sendable, Equatable {
  /// A step of the test.
  public struct Point: Sendable, Equatable {
    /// The rate of the update that followed.
    public let rate: Double
    /// The loss of the batch, before that update.
    public let loss: Double
    /// The loss, smoothed over the last ten steps or so.
    public let smoothed: Double
  }

  /// The first and the last rate.
  public let range: ClosedRange<Double>
  /// Steps from the first rate to the last.
  public let steps: Int
  /// The steps that were made.
  public private(set) var points: [Point] = []
  /// The rate at which the loss was no number or far above its least; nil where it never was.
  public private(set) var divergence: Double?

  /// The fewest steps that can show anything.
  public static let leastSteps = 30
  /// How much of the smoothed loss is kept from step to step.
  static let memory = 0.9
  /// The smoothed loss against its least that is a divergence.
  static let excess = 4.0
  /// Steps at the ends of which no slope is taken: there the smoothing has not settled.
  static let margin = 5

  private var mean = 0.0
  private var weight = 0.0

  /// A test that has not begun.
  ///
  /// - Precondition: the rates are positive and rise; there are at least two steps.
  public init(range: ClosedRange<Double>, steps: Int) {
    precondition(range.lowerBound > 0 && range.lowerBound < range.upperBound && steps >= 2)
    (self.range, self.steps) = (range, steps)
  }

  /// The rate of a step, counted from 0.
  public func rate(ofStep step: Int) -> Double {
    let share = Double(step) / Double(steps - 1)
    return range.lowerBound * pow(range.upperBound / range.lowerBound, share)
  }

  /// Whether another step is to be made.
  public var goesOn: Bool { divergence == nil && points.count < steps }

  /// Takes in the loss of the next step's batch.
  public mutating func record(loss: Double) {
    let rate = rate(ofStep: points.count)
    guard loss.isFinite else {
      divergence = rate
      return
    }
    mean = Self.memory * mean + (1 - Self.memory) * loss
    weight = Self.memory * weight + (1 - Self.memory)
    let smoothed = mean / weight
    points.append(Point(rate: rate, loss: loss, smoothed: smoothed))
    guard points.count > Self.margin, let least = points.map(\.smoothed).min() else { return }
    // A loss may be negative; then it has diverged where it rose as far above the first as it fell.
    let first = points[0].smoothed
    if smoothed > (least > 0 ? Self.excess * least : 2 * first - least) { divergence = rate }
  }

  /// The rate of the steepest descent; nil where the loss never falls.
  public var steepest: Double? {
    let window = Self.margin
    guard points.count > 2 * window else { return nil }
    let lowest = points.indices.min { points[$0].smoothed < points[$1].smoothed } ?? 0
    var best: (slope: Double, rate: Double)?
    for index in window..<max(window, points.count - window) where index <= max(lowest, window) {
      let (before, after) = (points[index - window], points[index + window])
      let slope =
        (after.smoothed - before.smoothed) / (log(after.rate) - log(before.rate))
      if slope < 0, slope < best?.slope ?? 0 { best = (slope, points[index].rate) }
    }
    return best?.rate
  }

  /// The rate to begin with; nil where the test shows none.
  public var suggestion: Double? {
    guard let steepest else { return divergence.map { $0 / 10 } }
    return min(steepest, divergence.map { $0 / 10 } ?? .infinity)
  }

  /// The test as JSON: `suggestion`, `steepest`, `divergence`, and `points` with `rate`, `loss` and
  /// `smoothed`.
  public var json: String {
    func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    let object = JSONObject([
      "suggestion": number(suggestion), "steepest": number(steepest),
      "divergence": number(divergence),
      "points": .array(
        points.map {
          .object(
            JSONObject([
              "rate": .number($0.rate), "loss": .number($0.loss), "smoothed": .number($0.smoothed),
            ]))
        }),
    ])
    return JSONValue.object(object).compactText
  }
}

extension TokenizerTrainer {
  /// Makes steps with a rising learning rate, from the weights that the run would begin with; nothing is
  /// saved.
  ///
  /// - Parameters:
  ///   - range: the first and the last rate.
  ///   - steps: from the one to the other; fewer are made where training diverges or someone asks to
  ///     stop.
  ///   - visit: called after each step.
  public func findRate(
    range: ClosedRange<Double> = 1e-7...1, steps count: Int = 150,
    visit: (RateTest) -> Void = { _ in }
  ) throws -> RateTest {
    if origin?.hasCodebooks != true { try codebookStart.makeFirst() }
    let steps = try makeSteps()
    let keeper = CodebookKeeper(run, codebooks)
    // What a run begins with: where quantization is deferred, it is all through the test.
    let isDeferred = run.training.deferQuantization > 0
    let loader = makeLoader(firstStep: 0)
    defer { loader.stop() }
    var test = RateTest(range: range, steps: count)
    while test.goesOn, !shouldStop() {
      let index = test.points.count
      var variant = steps.model.variant(ofStep: index)
      variant.isDeferred = isDeferred
      let step = try steps.step(variant)
      let rate = test.rate(ofStep: index)
      try loader.withBatch(step: index) { batch in
        let outcome = step.measure(
          batch, readers: isDeferred ? [] : keeper?.readers(ofStep: index + 1) ?? [])
        test.record(loss: outcome.gradientNorm.isFinite ? outcome.loss : .nan)
        guard test.goesOn else { return }
        step.update(step: index, gradientNorm: outcome.gradientNorm, learningRate: rate)
        if !isDeferred { keeper?.didUpdate(step: index + 1) }
      }
      visit(test)
    }
    return test
  }
}
