import Diagnostics
import Testing

/// A history of bounded size beside the whole one.
struct StepHistoryTests {
  private static func norm(_ step: Int) -> Double {
    1 + Double((step * 7919) % 1000) / 500 + 20 / Double(step + 1)
  }

  private static func recorded(
    _ steps: Int, rate: (Int) -> Double
  ) -> (monitor: AverageLossMonitor, rates: [Double], norms: [Double]) {
    var monitor = AverageLossMonitor()
    var (rates, norms): ([Double], [Double]) = ([], [])
    for step in 0..<steps {
      rates.append(rate(step))
      norms.append(norm(step))
      monitor.record(
        .init(
          loss: 1, learningRate: rates[step], gradientNorm: norms[step], motionSquared: 1,
          motionDotIterate: 0, displacement: 1))
    }
    return (monitor, rates, norms)
  }

  @Test(arguments: [32_767, 32_768, 70_001, 262_144])
  func longRunsAreSummarized(_ steps: Int) throws {
    let (monitor, rates, norms) = Self.recorded(steps) { 0.1 / (1 + Double($0) / 1000) }
    #expect(monitor.steps == steps && monitor.history.rates.count <= StepHistory.capacity)
    #expect(
      monitor.history.stride == (steps < 32_768 ? 1 : steps < 65_536 ? 2 : steps < 131_072 ? 4 : 16)
    )
    let exact = ConvergenceBounds.lastIterate(rates: rates, gradientNorms: norms, radius: 3)
    #expect(abs(monitor.lastIterateBound(radius: 3) / exact - 1) < 0.01)
    let p95 = Quantile.of(norms, 0.95)
    #expect(abs(monitor.gradientP95 / p95 - 1) < 0.01)
    #expect(monitor.isMonotone && monitor.linearDecayBound(radius: 3) == nil)
    #expect(monitor.state.count == AverageLossMonitor.stateCount(steps: steps))
    #expect(monitor.state.count < 110_000)
    if steps < 32_768 {
      #expect(monitor.lastIterateBound(radius: 3) == exact && monitor.gradientP95 == p95)
    }
  }

  @Test func linearDecayIsKnownAgain() throws {
    let steps = 100_000
    let (monitor, _, norms) = Self.recorded(steps) {
      0.1 * (1 - Double($0 + 1) / Double(steps))
    }
    let weight = 0.1
    let squares = norms.reduce(0) { $0 + $1 * $1 }
    let expected = (9 + weight * weight * squares) / (2 * weight * Double(steps))
    let bound = try #require(monitor.linearDecayBound(radius: 3))
    #expect(abs(bound / expected - 1) < 1e-9)
  }

  /// Stopped anywhere, also where entries are just being joined, it goes on to the same numbers.
  @Test(arguments: [1, 1000, 32_767, 32_768, 32_769, 65_535, 65_537])
  func stoppedAndContinued(_ stop: Int) throws {
    let whole = Self.recorded(66_000) { 1 / Double($0 + 1) }.monitor
    var first = try #require(
      AverageLossMonitor(state: Self.recorded(stop) { 1 / Double($0 + 1) }.monitor.state))
    for step in stop..<66_000 {
      first.record(
        .init(
          loss: 1, learningRate: 1 / Double(step + 1), gradientNorm: Self.norm(step),
          motionSquared: 1, motionDotIterate: 0, displacement: 1))
    }
    #expect(first == whole && first.state == whole.state)
  }

  /// States of earlier versions hold two numbers for each step, however many.
  @Test func longStatesOfBeforeAreTaken() throws {
    let (monitor, rates, norms) = Self.recorded(40_000) { 1 / Double($0 + 1) }
    let sums = AverageLossMonitor.stateCount(steps: 100) - 200 - 7 + 16
    let old = Array(monitor.state.prefix(sums)) + rates + norms
    #expect(AverageLossMonitor(state: old) == monitor)
    #expect(AverageLossMonitor(state: old + [1]) == nil)
    #expect(AverageLossMonitor(state: Array(monitor.state.dropLast())) == nil)
  }
}
