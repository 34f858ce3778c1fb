import Diagnostics
import Foundation
import Testing

@Suite("Mean loss: theory on problems with a known minimiser")
struct AverageLossMonitorTests {
  /// A schedule by number, of T steps.
  static func schedule(_ kind: Int, _ T: Int, peak: Double) -> [Double] {
    (1...T).map { t in
      switch kind {
      case 0: peak
      case 1: peak / Double(t).squareRoot()
      case 2: peak * (1 - Double(t) / Double(T))
      case 3: peak * (1 - Double(t) / Double(T + 1))
      case 4: peak * (1 + cos(.pi * Double(t) / Double(T))) / 2
      // A warm-up: not monotone.
      default: peak * min(1, Double(t) / 10) * (1 - Double(t) / Double(T + 1))
      }
    }
  }

  static func problem(_ kind: Int, _ random: inout SeededNumbers) -> ConvexProblem {
    switch kind {
    case 0: .quadratic(&random)
    case 1: .absolute(&random)
    default: .maxAffine(&random)
    }
  }

  @Test("B1, B2, B4 and B6 hold on convex losses, over 270 seeds", arguments: 0..<3)
  func bounds(kind: Int) {
    var (finite, decays) = (0, 0)
    for seed in 0..<90 {
      var random = SeededNumbers(1000 * kind + seed)
      let problem = Self.problem(kind, &random)
      let T = Int.random(in: 2...60, using: &random)
      let peak = exp(Double.random(in: -5...1, using: &random)) / (kind == 0 ? 10 : 1)
      let start = plus(problem.minimiser, random.normals(problem.minimiser.count), times: 2)
      let run = WatchedRun(problem, from: start, rates: Self.schedule(seed % 6, T, peak: peak))
      let monitor = run.monitor
      let least = problem.loss(problem.minimiser)
      let distances = run.iterates.map { norm(minus($0, problem.minimiser)) }
      let R = distances[0]
      // The last iterate before the last step, which theory calls theta_T.
      let last = run.losses[T - 1] - least
      let scale = 1 + 1e-12
      let first = monitor.meanLossBound(diameter: distances.dropLast().max()!)
      #expect(monitor.meanLoss - least <= first * scale, "\(seed)")
      #expect(
        monitor.weightedMeanLoss - least <= monitor.weightedMeanLossBound(radius: R) * scale)
      #expect(last <= monitor.lastIterateBound(radius: R) * scale, "\(seed)")
      if let sixth = monitor.linearDecayBound(radius: R) {
        #expect(last <= sixth * scale, "\(seed)")
        #expect(sixth <= monitor.lastIterateBound(radius: R) * scale, "\(seed)")
        decays += 1
      }
      if first.isFinite { finite += 1 }
      #expect(run.residual(against: problem.minimiser) < 1e-12)
      #expect(monitor.displacementMax <= monitor.pathLength * scale)
    }
    #expect(finite >= 45 && decays == 15)
  }

  @Test("a loss with a hole at its minimiser breaks the bounds")
  func notConvex() {
    // A plateau of height 1 and slope 0.01, with the minimum behind a step.
    let rates = [Double](repeating: 1, count: 50)
    let run = WatchedRun(
      from: [1], rates: rates, loss: { $0[0] > 0 ? 1 : 0 }, gradient: { _, _ in [0.001] })
    let monitor = run.monitor
    let R = 1.0
    #expect(monitor.meanLoss > monitor.meanLossBound(diameter: R))
    #expect(monitor.weightedMeanLoss > monitor.weightedMeanLossBound(radius: R))
    #expect(run.losses[49] > monitor.lastIterateBound(radius: R))
    let decay = WatchedRun(
      from: [1], rates: Self.schedule(2, 50, peak: 1), loss: { $0[0] > 0 ? 1 : 0 },
      gradient: { _, _ in [0.001] })
    #expect(decay.losses[49] > decay.monitor.linearDecayBound(radius: R)!)
  }

  @Test("so does a radius that is too small")
  func wrongRadius() {
    // |theta| from 10: with the radius 1 nearly nothing is allowed.
    for kind in [0, 2] {
      let run = WatchedRun(
        from: [10], rates: Self.schedule(kind, 40, peak: 0.1), loss: { $0[0].magnitude },
        gradient: { _, theta in [theta[0] > 0 ? 1 : -1] })
      let monitor = run.monitor
      func isBroken(_ radius: Double) -> Bool {
        let weighted = monitor.weightedMeanLossBound(radius: radius)
        return monitor.weightedMeanLoss > weighted
          && run.losses[39] > monitor.lastIterateBound(radius: radius)
      }
      #expect(isBroken(1) && !isBroken(10))
      if kind == 0 { #expect(monitor.meanLoss > monitor.meanLossBound(diameter: 1)) }
      if kind == 2 { #expect(run.losses[39] > monitor.linearDecayBound(radius: 1)!) }
    }
  }

  @Test("the regret identity is exact for any gradients, rates and points")
  func identity() {
    var random = SeededNumbers(4)
    for _ in 0..<300 {
      let (T, d) = (Int.random(in: 1...60, using: &random), Int.random(in: 1...10, using: &random))
      let rates = (0..<T).map { _ in Double.random(in: 0...1, using: &random) }
      let gradients = (0..<T).map { _ in random.normals(d) }
      let run = WatchedRun(
        from: random.normals(d), rates: rates, loss: { _ in 1 }, gradient: { t, _ in gradients[t] })
      let phi = random.normals(d)
      #expect(run.residual(against: phi) < 1e-12)
      // And a motion that is not the one applied is found out.
      var wrong = run
      wrong.monitor.record(
        .init(
          loss: 1, learningRate: 1, gradientNorm: 1, motionSquared: 1, motionDotIterate: 1,
          displacement: 1))
      #expect(wrong.residual(against: phi) > 1e-6)
      let regret = (0..<T).reduce(0.0) {
        $0 + rates[$1] * dot(gradients[$1], minus(run.iterates[$1], phi))
      }
      let product = dot(phi, minus(run.iterates[0], run.iterates[T]))
      #expect(isClose(run.monitor.linearRegret(product: product), regret, 1e-12))
    }
  }

  @Test("what is kept as sums is what the history says")
  func offline() {
    for seed in 0..<30 {
      var random = SeededNumbers(seed)
      let problem = ConvexProblem.quadratic(&random)
      let T = Int.random(in: 2...200, using: &random)
      let run = WatchedRun(
        problem, from: problem.minimiser.map { $0 + 1 },
        rates: Self.schedule(seed % 6, T, peak: 0.01))
      let (monitor, rates, norms) = (run.monitor, run.monitor.rates, run.gradients.map(norm))
      #expect(monitor.steps == T && isClose(monitor.gradientNorms, norms))
      func close(_ x: Double, _ y: Double) { #expect(x == y || isClose(x, y, 1e-12)) }
      close(monitor.meanLoss, run.losses.reduce(0, +) / Double(T))
      close(monitor.weightedMeanLoss, dot(rates, run.losses) / rates.reduce(0, +))
      let powers = (0..<T).map { pow(0.99, Double(T - 1 - $0)) }
      close(monitor.smoothedLoss, dot(powers, run.losses) / powers.reduce(0, +))
      close(monitor.sumOfSquaredSteps, zip(rates, norms).reduce(0) { $0 + pow($1.0 * $1.1, 2) })
      close(monitor.sumOfSquaredGradients, dot(norms, norms))
      close(monitor.sumOfInverseGradients, norms.reduce(0) { $0 + 1 / ($1 * $1) })
      close(monitor.gradientMax, norms.max()!)
      let moves = (0..<T).map { norm(minus(run.iterates[$0 + 1], run.iterates[$0])) }
      close(monitor.pathLength, moves.reduce(0, +))
      let distances = run.iterates.map { norm(minus($0, run.iterates[0])) }
      close(monitor.displacement, distances[T])
      close(monitor.displacementMax, distances.max()!)
      close(monitor.straightness, distances[T] / moves.reduce(0, +))
      #expect(monitor.isMonotone == zip(rates, rates.dropFirst()).allSatisfy { $0 >= $1 })
      typealias Bounds = ConvergenceBounds
      if monitor.isMonotone {
        close(
          monitor.meanLossBound(diameter: 3),
          Bounds.meanLoss(rates: rates, gradientNorms: norms, diameter: 3))
      }
      close(
        monitor.weightedMeanLossBound(radius: 3),
        Bounds.weightedMeanLoss(rates: rates, gradientNorms: norms, radius: 3))
      close(
        monitor.lastIterateBound(radius: 3),
        Bounds.lastIterate(rates: rates, gradientNorms: norms, radius: 3))
      close(
        monitor.bestConstantBound(radius: 3), Bounds.bestConstant(gradientNorms: norms, radius: 3))
      close(
        monitor.rateRatio(radius: 3),
        rates[T - 1] / Bounds.bestConstantRate(gradientNorms: norms, radius: 3))
      if seed % 6 == 2 {
        let weights = [Double](repeating: 0.01, count: T)
        close(
          monitor.linearDecayBound(radius: 3) ?? .nan,
          Bounds.lastIterate(weights: weights, gradientNorms: norms, radius: 3))
      } else {
        #expect(monitor.linearDecayBound(radius: 3) == nil || T == 2)
      }
    }
  }

  @Test("as if stopped now: the bound of a prefix is that of a run which ended there")
  func stopped() {
    let rates = Self.schedule(4, 30, peak: 0.1)
    func run(_ T: Int) -> AverageLossMonitor {
      WatchedRun(
        from: [1], rates: Array(rates.prefix(T)), loss: { $0[0] * $0[0] },
        gradient: { [2 * $1[0] + Double($0 % 3)] }
      ).monitor
    }
    let whole = run(30)
    for T in 1...30 {
      #expect(
        run(T).lastIterateBound(radius: 2)
          == ConvergenceBounds.lastIterate(
            rates: Array(whole.rates.prefix(T)),
            gradientNorms: Array(whole.gradientNorms.prefix(T)), radius: 2))
    }
  }

  @Test("rates that rose leave the mean loss without a bound")
  func rises() {
    var monitor = AverageLossMonitor()
    for rate in [0.1, 0.1, 0.05] { monitor.record(AverageLossFactTests.step(loss: 1, rate: rate)) }
    #expect(monitor.isMonotone && monitor.meanLossBound(diameter: 1).isFinite)
    monitor.record(AverageLossFactTests.step(loss: 1, rate: 0.06))
    #expect(!monitor.isMonotone && monitor.meanLossBound(diameter: 1) == .infinity)
  }

  @Test("before the first step nothing is promised, and nothing crashes")
  func empty() {
    let monitor = AverageLossMonitor()
    #expect(monitor.meanLoss.isNaN && monitor.smoothedLoss.isNaN && monitor.gradientP95.isNaN)
    #expect(monitor.meanLossBound(diameter: 1) == .infinity)
    #expect(monitor.weightedMeanLossBound(radius: 1) == .infinity)
    #expect(monitor.lastIterateBound(radius: 1) == .infinity)
    #expect(monitor.linearDecayBound(radius: 1) == nil && monitor.rateRatio(radius: 1).isNaN)
    #expect(AverageLossMonitor(state: monitor.state) == monitor)
  }

  @Test("a state continues bit for bit")
  func state() throws {
    var random = SeededNumbers(9)
    var whole = AverageLossMonitor()
    for t in 1...70 {
      var parts = try #require(AverageLossMonitor(state: whole.state))
      #expect(parts == whole)
      let step = AverageLossMonitor.Observation(
        loss: random.normal(), learningRate: 1 / Double(t), gradientNorm: random.normal().magnitude,
        motionSquared: random.normal().magnitude, motionDotIterate: random.normal(),
        displacement: random.normal().magnitude)
      whole.record(step)
      parts.record(step)
      #expect(parts.state.map(\.bitPattern) == whole.state.map(\.bitPattern))
      #expect(whole.state.count == AverageLossMonitor.stateCount(steps: t))
    }
    let state = whole.state
    for wrong in [
      [], [Double](state.dropLast()), state + [0], [-1.0] + state.dropFirst(), [0.5], [1e300],
    ] {
      #expect(AverageLossMonitor(state: wrong) == nil)
    }
  }

  @Test("quantiles lie on straight lines between the sorted values")
  func quantiles() {
    #expect(Quantile.of([3, 1, 2], 0.5) == 2 && Quantile.of([3, 1], 0.25) == 1.5)
    #expect(Quantile.of([5], 0.95) == 5 && Quantile.of([], 0.5).isNaN)
    #expect(isClose(Quantile.of((0...100).map(Double.init).shuffled(), 0.95), 95))
    #expect(AverageLossMonitor.localConvexity(measuredDecrease: 1, predictedDecrease: 4) == 0.25)
    #expect(AverageLossMonitor.localConvexity(measuredDecrease: 1, predictedDecrease: 0) == nil)
  }
}
