import Diagnostics
import Testing

@Suite("Mean loss: reference numbers")
struct AverageLossFactTests {
  static let targets = [1.0, -0.5, 2, 0.25, 1.5, -1, 0.75, 0.5]

  static func toy() -> WatchedRun {
    let rates = (1...8).map { 1 / Double($0).squareRoot() }
    var t = 0
    return WatchedRun(
      from: [3], rates: rates,
      loss: {
        t += 1
        return ($0[0] - targets[t - 1]).magnitude
      },
      gradient: { [$1[0] > targets[$0] ? 1 : -1] })
  }

  @Test("SGD-1: the toy's path, its regrets, and what was promised")
  func toyRun() {
    let run = Self.toy()
    let monitor = run.monitor
    #expect(
      isClose(
        run.iterates.map { $0[0] },
        [
          3, 2, 1.29289321881, 1.870243488, 1.370243488, 1.8174570835, 1.40920879304,
          1.03124432003, 0.677690929437,
        ]))
    #expect(isClose(monitor.meanLoss, 1.37062712222))
    let regret = monitor.gap(above: .evaluation(0.75))
    #expect(isClose(regret, 0.62062712222))
    #expect(isClose(monitor.meanLossBound(diameter: 2.375), 1.2703458469))
    #expect(isClose(monitor.sumOfRates, 4.37143679994))
    #expect(isClose(monitor.sumOfSquaredRates, 2.71785714286))
    #expect(isClose(monitor.sumOfMotionDotIterate, 5.62929607351))
    let star = 0.625
    let linear = monitor.linearRegret(product: star * (3 - run.iterates[8][0]))
    #expect(isClose(linear, 4.17785290441))
    let weighted =
      monitor.weightedMeanLoss * monitor.sumOfRates
      - dot(monitor.rates, Self.targets.map { (star - $0).magnitude })
    #expect(isClose(weighted, 3.33336178615))
    let bound = monitor.weightedMeanLossBound(radius: 2.375) * monitor.sumOfRates
    #expect(isClose(bound, 4.17924107143))
    #expect(weighted <= linear && linear <= bound)
    #expect(run.residual(against: [star]) < 1e-15)
    #expect(monitor.gradientMax == 1 && monitor.gradientRMS == 1 && monitor.gradientP95 == 1)
  }

  @Test("SGD-1: averages of the toy's iterates")
  func toyAverages() {
    let run = Self.toy()
    let iterates = Array(run.iterates.dropLast())
    func average(_ rule: AveragingRule) -> Double {
      AveragingTests.average(rule, iterates, rates: run.monitor.rates)[0]
    }
    #expect(isClose(average(.uniform), 1.72391129892))
    #expect(isClose(average(.rateWeighted), 1.90962010555))
  }

  @Test("SGD-5: exponent and limit of a mean loss that is a power law")
  func decay() throws {
    let decay = try #require(LossDecay(0.425, 0.388388347648, 0.3625))
    #expect(isClose(decay.exponent, 0.5) && isClose(decay.limit, 0.3))
    #expect(LossDecay(1, 2, 3) == nil && LossDecay(3, 2, 2) == nil && LossDecay(2, 2, 1) == nil)
    let faster = try #require(LossDecay(4, 3, 1))
    #expect(faster.exponent == -1 && faster.limit == nil)
    #expect(try #require(LossDecay(3, 2, 1)).limit == nil)
  }

  @Test("SGD-5: a run whose mean loss is .3 + 2 / sqrt T")
  func decayOfRun() {
    var monitor = AverageLossMonitor()
    func total(_ t: Int) -> Double { Double(t) * 0.3 + 2 * Double(t).squareRoot() }
    for t in 1...1100 { monitor.record(Self.step(loss: total(t) - total(t - 1))) }
    #expect(monitor.dyadicMeans.count == 11)
    #expect(isClose(monitor.dyadicMeans[8...].map { $0 }, [0.425, 0.388388347648, 0.3625]))
    #expect(isClose(monitor.decayExponent, 0.5) && isClose(monitor.lossLimit, 0.3))
    let gap = total(1100) / 1100 - 0.3
    #expect(isClose(monitor.gap(above: .limit), gap))
    #expect(isClose(monitor.gap(above: .zero), gap + 0.3))
    #expect(AverageLossMonitor.slackRatio(gap: 1, bound: 4) == 0.25)
  }

  @Test("a limit below zero is none where no loss was, a rising loss has none")
  func noLimit() {
    func monitor(_ losses: [Double]) -> AverageLossMonitor {
      var monitor = AverageLossMonitor()
      for loss in losses { monitor.record(Self.step(loss: loss)) }
      return monitor
    }
    // Means 4, 3, 2.1: the limit is 3 - .9 / .1 < 0.
    let falling = monitor([4, 2, 1.2, 1.2])
    #expect(falling.decayExponent != nil && falling.lossLimit == nil)
    #expect(falling.gap(above: .limit) == nil)
    #expect(monitor([4, 2, 1.2, 1.2, -1]).lossLimit != nil)
    #expect(monitor([1, 2, 3, 4]).lossDecay == nil && monitor([4, 2]).lossDecay == nil)
  }

  static func step(loss: Double, rate: Double = 1) -> AverageLossMonitor.Observation {
    .init(
      loss: loss, learningRate: rate, gradientNorm: 1, motionSquared: 1, motionDotIterate: 0,
      displacement: 0)
  }

  @Test("theorem or proxy, and why")
  func label() {
    let theorem = GuaranteeLabel(
      plainGradientDescent: true, convex: true, clipped: false, weightDecay: false,
      codebookOutsideOptimizer: false)
    #expect(theorem.label == "theorem" && theorem.because.isEmpty)
    let proxy = GuaranteeLabel(
      plainGradientDescent: false, convex: false, clipped: true, weightDecay: true,
      codebookOutsideOptimizer: true)
    #expect(proxy.label == "proxy" && proxy.reasons == GuaranteeLabel.Reason.allCases)
    let one = GuaranteeLabel(
      plainGradientDescent: true, convex: true, clipped: true, weightDecay: false,
      codebookOutsideOptimizer: false)
    #expect(one.label == "proxy" && one.because == ["gradients are clipped"])
  }
}
