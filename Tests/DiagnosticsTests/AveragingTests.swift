import Diagnostics
import Foundation
import Testing

@Suite("Averages of iterates")
struct AveragingTests {
  static let rules: [AveragingRule] = [
    .uniform, .rateWeighted, .tail(.doubling), .tail(.share(0.5)), .tail(.share(0.3)),
    .tail(.share(1)), .polynomial(gamma: 3), .polynomial(gamma: 0), .ema(decay: 0.9, start: .first),
    .ema(decay: 0.9, start: .debiased), .ema(decay: 0, start: .debiased),
  ]

  static func average(_ rule: AveragingRule, _ iterates: [[Double]], rates: [Double]) -> [Double] {
    var progress = AveragingProgress(rule)
    var average = [Double](repeating: .nan, count: iterates[0].count)
    for (i, iterate) in iterates.enumerated() {
      let share = progress.share(step: i + 1, of: iterates.count, learningRate: rates[i])
      average = share == 1 ? iterate : plus(average, minus(iterate, average), times: share)
    }
    return average
  }

  /// Shares that rounding turns into nothing, and steps beyond what doubles tell apart.
  @Test(
    "the longest runs and the smallest shares have an average", arguments: [1e-300, 1e-18, 1e-12])
  func longRuns(share: Double) {
    for steps in [1, 1_000_000_000_000, Int.max] {
      for rule in [AveragingRule.tail(.share(share)), .tail(.doubling), .polynomial(gamma: 1e308)] {
        var progress = AveragingProgress(rule)
        var shares: [Double] = []
        for step in [1, 2, steps - 1, steps] where step >= 1 {
          shares.append(progress.share(step: step, of: steps, learningRate: 1))
        }
        #expect(shares.allSatisfy { $0 >= 0 && $0 <= 1 }, "\(rule) of \(steps): \(shares)")
      }
      // The last step is in every tail.
      var progress = AveragingProgress(.tail(.share(share)))
      #expect(progress.share(step: steps, of: steps, learningRate: 1) == 1)
    }
  }

  @Test("SGD-6: averages of four iterates")
  func fact() {
    let theta = [[1.0, 2.0], [0.5, 1.5], [0.2, 1.0], [0.1, 0.4]]
    let eta = [0.5, 0.4, 0.2, 0.1]
    func average(_ rule: AveragingRule) -> [Double] { Self.average(rule, theta, rates: eta) }
    #expect(isClose(average(.uniform), [0.45, 1.225]))
    #expect(isClose(average(.rateWeighted), [0.625, 1.53333333333]))
    #expect(isClose(average(.ema(decay: 0.9, start: .first)), [0.7975, 1.7095]))
    #expect(isClose(average(.polynomial(gamma: 3)), [0.2, 0.742857142857]))
  }

  /// The weights that a rule gives to each of the iterates, by its definition.
  static func weights(_ rule: AveragingRule, _ rates: [Double]) -> [Double] {
    let T = rates.count
    func tail(_ begin: Int) -> [Double] { (1...T).map { $0 > begin ? 1 : 0 } }
    switch rule {
    case .uniform: return tail(0)
    case .rateWeighted: return rates
    case .tail(.doubling):
      var power = 1
      while 2 * power <= T { power *= 2 }
      return tail(power - 1)
    case .tail(.share(let share)): return tail(Int(((1 - share) * Double(T) + 1e-9).rounded(.down)))
    case .polynomial(let gamma):
      // gamma = 3: t (t+1) (t+2); a product of whole factors.
      return (1...T).map { t in (0..<Int(gamma)).reduce(1) { $0 * Double(t + $1) } }
    case .ema(let decay, .first):
      return (1...T).map { ($0 == 1 ? 1 : 1 - decay) * pow(decay, Double(T - $0)) }
    case .ema(let decay, .debiased): return (1...T).map { pow(decay, Double(T - $0)) }
    }
  }

  @Test("a running average is the weighted sum it stands for", arguments: rules)
  func definition(rule: AveragingRule) {
    var random = SeededNumbers(6)
    for T in [1, 2, 3, 4, 7, 8, 9, 10, 31, 64, 100] {
      let iterates = (0..<T).map { _ in random.normals(3) }
      let rates = (0..<T).map { _ in Double.random(in: 0.01...1, using: &random) }
      let weights = Self.weights(rule, rates)
      let total = weights.reduce(0, +)
      var expected = [0.0, 0, 0]
      for (w, iterate) in zip(weights, iterates) {
        expected = plus(expected, iterate, times: w / total)
      }
      #expect(
        isClose(Self.average(rule, iterates, rates: rates), expected, 1e-12), "\(rule), \(T)")
    }
  }

  @Test("the first share is 1, exactly; shares lie in 0...1", arguments: rules)
  func shares(rule: AveragingRule) {
    var progress = AveragingProgress(rule)
    for t in 1...40 {
      let share = progress.share(step: t, of: 40, learningRate: t < 3 ? 0 : 1 / Double(t))
      #expect(t > 1 || share == 1)
      #expect(share >= 0 && share <= 1)
    }
  }

  @Test("tails begin anew with a share of 1 at their steps and nowhere else")
  func restarts() {
    func restarts(_ rule: AveragingRule, _ steps: Int) -> [Int] {
      var progress = AveragingProgress(rule)
      return (1...steps).filter { progress.share(step: $0, of: steps, learningRate: 1) == 1 }
    }
    #expect(restarts(.tail(.doubling), 40) == [1, 2, 4, 8, 16, 32])
    #expect(restarts(.tail(.share(0.5)), 40) == [1, 21])
    #expect(restarts(.tail(.share(0.5)), 41) == [1, 21])
    #expect(restarts(.tail(.share(0.9)), 10) == [1, 2])
    #expect(restarts(.tail(.share(0.7)), 10) == [1, 4])
    #expect(restarts(.tail(.share(1)), 10) == [1])
  }

  @Test("a run that is made longer begins its tail again only if its half is still to come")
  func longer() {
    var progress = AveragingProgress(.tail(.share(0.5)))
    for t in 1...20 { _ = progress.share(step: t, of: 20, learningRate: 1) }
    #expect(progress.iterates == 10)
    var longer = progress
    for t in 21...60 { _ = longer.share(step: t, of: 60, learningRate: 1) }
    #expect(longer.iterates == 30)
    for t in 21...24 { _ = progress.share(step: t, of: 24, learningRate: 1) }
    #expect(progress.iterates == 14)
  }

  @Test("a state continues bit for bit", arguments: rules)
  func state(rule: AveragingRule) throws {
    var whole = AveragingProgress(rule)
    for t in 1...100 {
      let parts = try #require(AveragingProgress(rule, state: whole.state))
      var other = parts
      let rate = 1 / Double(t + 2).squareRoot()
      let share = whole.share(step: t, of: 100, learningRate: rate)
      #expect(other.share(step: t, of: 100, learningRate: rate).bitPattern == share.bitPattern)
      #expect(other == whole)
    }
  }

  @Test("what cannot be a state is refused")
  func refused() {
    for state in [[], [1], [1, 0, 0], [-1, 0], [0.5, 0], [1, .nan], [1, -1]] {
      #expect(AveragingProgress(.uniform, state: state) == nil)
    }
    #expect(AveragingProgress(.ema(decay: 1, start: .first), state: [0, 0]) == nil)
    #expect(!AveragingRule.tail(.share(0)).isValid && !AveragingRule.polynomial(gamma: -1).isValid)
  }
}
