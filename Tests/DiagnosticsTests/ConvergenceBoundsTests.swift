import Diagnostics
import Foundation
import Testing

@Suite("Bounds of convergence")
struct ConvergenceBoundsTests {
  typealias Bounds = ConvergenceBounds

  static func inverseRoots(_ T: Int, _ alpha: Double) -> [Double] {
    (1...T).map { alpha / Double($0).squareRoot() }
  }

  /// SGD-3 by T: constant B1 and B4; inverse root B1, B2, B3, B4; linear B2, B4, closed; sharp B4; (VI).
  static let table: [Int: [Double]] = [
    10: [
      1.8973665961, 4.58116152936, 2.45498266784, 2.34752234482, 7.26495646261, 6.20166533825,
      3.1101672778, 4.187013088, 5.366563146, 4.02396409878, 1.8973665961,
    ],
    100: [
      0.6, 2.15321325529, 0.857688114744, 0.99852222392, 3.70642651058, 2.99255191957,
      0.989249387937, 1.28823952443, 1.69705627485, 1.22184580704, 0.6,
    ],
    1000: [
      0.18973665961, 0.899775909625, 0.280271356101, 0.41190933757, 1.60981515964, 1.27324777893,
      0.313027178509, 0.40329433487, 0.5366563146, 0.380607658392, 0.18973665961,
    ],
  ]

  @Test("SGD-3: what schedules promise", arguments: [10, 100, 1000])
  func schedules(T: Int) throws {
    let row = try #require(Self.table[T])
    let (R, G, root) = (2.0, 3.0, Double(T).squareRoot())
    let norms = [Double](repeating: G, count: T)
    let constant = [Double](repeating: R / (G * root), count: T)
    let roots = Self.inverseRoots(T, R / G)
    func linear(_ alpha: Double) -> [Double] {
      (1...T).map { alpha * (1 - Double($0) / Double(T + 1)) }
    }
    let decay = linear(R / (G * root * 2.0.squareRoot()))
    func first(_ rates: [Double]) -> Double {
      Bounds.meanLoss(rates: rates, gradientNorms: norms, diameter: R)
    }
    func second(_ rates: [Double]) -> Double {
      Bounds.weightedMeanLoss(rates: rates, gradientNorms: norms, radius: R)
    }
    func fourth(_ rates: [Double]) -> Double {
      Bounds.lastIterate(rates: rates, gradientNorms: norms, radius: R)
    }
    #expect(isClose(first(constant), row[0]) && isClose(second(constant), row[0]))
    #expect(isClose(fourth(constant), row[1]))
    #expect(isClose(first(roots), row[2]) && isClose(second(roots), row[3]))
    #expect(isClose(fourth(roots), row[5]))
    #expect(isClose(second(decay), row[6]) && isClose(fourth(decay), row[7]))
    #expect(isClose(2 * 2.0.squareRoot() * R * G / root, row[8]) && fourth(decay) <= row[8])
    #expect(isClose(fourth(linear(R / (G * root))), row[9]))
    #expect(
      isClose(Bounds.lastIterate(weights: constant, gradientNorms: norms, radius: R), row[10]))
    #expect(isClose(Bounds.bestConstant(gradientNorms: norms, radius: R), row[0]))
    #expect(isClose(Bounds.bestConstantRate(gradientNorms: norms, radius: R), R / (G * root)))
  }

  @Test(
    "SGD-4: the sums of linear decay, as twice the bound of a last iterate that starts at its goal")
  func linearSums() {
    let rates = (1...10).map { 1 - Double($0) / 11 }
    #expect(isClose(rates.reduce(0, +), 5))
    let norms = [Double](repeating: 1, count: 10)
    let sum = 2 * Bounds.lastIterate(rates: rates, gradientNorms: norms, radius: 0)
    #expect(isClose(sum, 2.24163059163) && sum <= 4)
    let harmonic = (1...9).reduce(0) { $0 + 1 / Double($1) }
    #expect(isClose(sum, rates[9] + 2.0 / 11 * (9 + harmonic)))
  }

  @Test("SGD-2: the identities behind the bounds of a last iterate")
  func identities() {
    let q = [5.0, 4.0, 4.5, 3.0, 2.0, 2.5]
    let w = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    let T = q.count
    // q_T = mean + sum_k 1 / (k (k+1)) sum_{t >= T-k} (q_t - q_{T-k}), and the same with weights.
    var (plain, weighted) = (0.0, 0.0)
    for k in 1..<T {
      let from = T - 1 - k
      let sum = (from..<T).reduce(0) { $0 + q[$1] - q[from] }
      plain += sum / Double(k * (k + 1))
      let (after, all) = (w[(from + 1)...].reduce(0, +), w[from...].reduce(0, +))
      let part = (from..<T).reduce(0) { $0 + w[$1] * (q[$1] - q[from]) }
      weighted += (1 / after - 1 / all) * part
    }
    #expect(isClose(plain, -1) && isClose(q.reduce(0, +) / 6 + plain, 2.5))
    #expect(isClose(weighted, -1.47619047619))
    #expect(isClose(dot(q, w) / w.reduce(0, +) + weighted, 2.5))
  }

  @Test("SGD-7: the best constant rate")
  func bestConstant() {
    #expect(isClose(Bounds.bestConstant(gradientNorms: [3, 1, 2, 1, 1], radius: 2), 1.6))
  }

  @Test("SGD-8: a schedule's last iterate is the average of the run with its weights")
  func duality() {
    let (w, g) = ([0.4, 0.3, 0.2, 0.1], [[1.0, 0], [0.5, -1], [-0.2, 0.3], [0.1, 0.2]])
    #expect(isClose(ScheduleDuality.rates(weights: w), [0.24, 0.09, 0.02, 0]))
    let ends = Self.bothWays(w, g, from: [1, 1])
    #expect(isClose(ends.schedule, [0.719, 1.084]) && isClose(ends.average, [0.719, 1.084]))
    #expect(
      isClose(Bounds.lastIterate(weights: w, gradientNorms: g.map(norm), radius: 1), 0.6391))
    let constant = Self.bothWays([0.1, 0.1, 0.1, 0.1], g, from: [1, 1])
    #expect(
      isClose(constant.average, [0.905, 1.0425]) && isClose(constant.schedule, [0.905, 1.0425]))
  }

  @Test("duality holds for any weights and gradients")
  func dualityAtRandom() {
    var random = SeededNumbers(8)
    for _ in 0..<500 {
      let (T, d) = (Int.random(in: 1...40, using: &random), Int.random(in: 1...5, using: &random))
      let w = (0..<T).map { _ in Double.random(in: 0.01...1, using: &random) }
      let ends = Self.bothWays(w, (0..<T).map { _ in random.normals(d) }, from: random.normals(d))
      #expect(isClose(ends.schedule, ends.average, 1e-12))
    }
  }

  /// Where a schedule's last iterate and the average of the run with its weights lie.
  static func bothWays(
    _ w: [Double], _ g: [[Double]], from start: [Double]
  ) -> (schedule: [Double], average: [Double]) {
    let rates = ScheduleDuality.rates(weights: w)
    var (theta, z, sum) = (start, start, start.map { _ in 0.0 })
    for i in w.indices {
      sum = plus(sum, z, times: w[i])
      z = plus(z, g[i], times: -w[i])
      if i < w.count - 1 { theta = plus(theta, g[i], times: -rates[i]) }
    }
    return (theta, sum.map { $0 / w.reduce(0, +) })
  }

  @Test("linear decay to zero is recognised, and nothing else")
  func recovery() throws {
    for T in [2, 3, 10, 1000] {
      let rates = (1...T).map { 0.3 * (1 - Double($0) / Double(T)) }
      let weight = try #require(ScheduleDuality.constantWeight(ofLinearDecay: rates))
      #expect(isClose(weight, 0.3, 1e-12))
      #expect(isClose(ScheduleDuality.rates(weights: rates.map { _ in weight }), rates, 1e-12))
      let single = rates.map { Double(Float($0)) }
      #expect(ScheduleDuality.constantWeight(ofLinearDecay: single) != nil)
      #expect(ScheduleDuality.constantWeight(ofLinearDecay: rates.map { $0 + 0.01 }) == nil)
    }
    #expect(ScheduleDuality.constantWeight(ofLinearDecay: []) == nil)
    #expect(ScheduleDuality.constantWeight(ofLinearDecay: [0.3]) == nil)
    #expect(ScheduleDuality.constantWeight(ofLinearDecay: [0, 0, 0]) == nil)
    #expect(ScheduleDuality.constantWeight(ofLinearDecay: [0.1, 0.2, 0.1, 0]) == nil)
  }

  @Test("where rates end at zero, mean loss is not bounded, and the last iterate is")
  func zeroRates() {
    let (rates, norms) = ([0.2, 0.1, 0], [1.0, 1, 1])
    #expect(Bounds.meanLoss(rates: rates, gradientNorms: norms, diameter: 1) == .infinity)
    // As if the rates were .2, .1, .1.
    let expected = 1 / 0.8 + (0.04 / 0.2 + 0.01 / 0.1 + 0.1) / 2
    #expect(isClose(Bounds.lastIterate(rates: rates, gradientNorms: norms, radius: 1), expected))
    #expect(
      isClose(
        Bounds.lastIterate(rates: rates + [0], gradientNorms: norms + [9], radius: 1), expected))
    for bound in [Bounds.weightedMeanLoss, Bounds.lastIterate(rates:gradientNorms:radius:)] {
      #expect(bound([0, 0], [1, 1], 1) == .infinity)
    }
  }
}
