import Diagnostics
import Foundation
import Testing

@Suite("Angles of tokens")
struct TokenAnglesTests {
  /// Tokens one after another.
  static func angles(
    _ z: [[Double]], _ q: [[Double]], _ g: [[Double]], weight: Double = 0.25,
    estimator: TokenAngles.Estimator = .rotation
  ) -> TokenAngles.Summary {
    var angles = TokenAngles(estimator: estimator)
    func flat(_ x: [[Double]]) -> [Float] { x.flatMap { $0.map { Float($0) } } }
    angles.add(
      z: flat(z), q: flat(q), gradient: flat(g), commitmentWeight: weight, tokens: z.count,
      dimension: z[0].count)
    return angles.summary
  }

  /// `R = I - 2 r r^T + 2 qh zh^T`, built.
  static func rotation(from z: [Double], to q: [Double]) -> [[Double]] {
    let (zh, qh) = (z.map { $0 / norm(z) }, q.map { $0 / norm(q) })
    let sum = plus(zh, qh)
    let r = sum.map { $0 / norm(sum) }
    return z.indices.map { i in
      z.indices.map { j in (i == j ? 1 : 0) - 2 * r[i] * r[j] + 2 * qh[i] * zh[j] }
    }
  }

  /// `lambda R^T g`, or `g` where there is no rotation.
  static func gradient(
    _ z: [Double], _ q: [Double], _ g: [Double], unit: Bool = false
  ) -> (gradient: [Double], isFallback: Bool) {
    if norm(z) < 1e-6 || norm(q) < 1e-6 || dot(z, q) / (norm(z) * norm(q)) < -1 + 1e-6 {
      return (g, true)
    }
    let R = rotation(from: z, to: q)
    let lambda = unit ? 1 : norm(q) / norm(z)
    let turned = g.indices.map { i in lambda * g.indices.reduce(0) { $0 + R[$1][i] * g[$1] } }
    return (turned, false)
  }

  static let e = [[0.6, -0.8, 1.5], [1, 0.5, -0.2]]
  static let q = [[0.9, -0.2, 1.1], [0.4, 0.8, -0.5]]
  static let g = [[0.1, -0.3, 0.25], [0.2, 0.1, -0.4]]
  // Inputs of the tables are rounded to single precision.
  static let tolerance = 2e-7

  @Test("ROT-1: one token in three dimensions, and the twin's gradient")
  func one() {
    let twin = Self.gradient(Self.e[0], Self.q[0], Self.g[0]).gradient
    #expect(isClose(twin, [-0.0319972481944, -0.284944918262, 0.144161609538]))
    let unit = Self.gradient(Self.e[0], Self.q[0], Self.g[0], unit: true).gradient
    #expect(isClose(unit, [-0.0401902493188, -0.357906006089, 0.181074665994]))
    let summary = Self.angles([Self.e[0]], [Self.q[0]], [Self.g[0]])
    #expect(isClose(summary.cosine, 0.908223158399, Self.tolerance))
    #expect(isClose(summary.lambda, 0.796144555873, Self.tolerance))
    #expect(isClose(summary.gradientCosine, 0.914593497806, Self.tolerance))
    #expect(isClose(summary.gradientNormRatio, 0.796144555873, Self.tolerance))
    #expect(isClose(summary.reconstructionGradient, norm(twin), Self.tolerance))
    #expect(summary.lambdaP5 == summary.lambda && summary.cosineP5 == summary.cosine)
  }

  @Test("ROT-2: a right angle turns the gradient by one")
  func rightAngle() {
    #expect(isClose(Self.gradient([1, 0], [0, 2], [1, 0]).gradient, [0, -2]))
    let summary = Self.angles([[1, 0]], [[0, 2]], [[1, 0]])
    #expect(summary.lambda == 2 && summary.cosine == 0 && summary.obtuse == 0)
    #expect(summary.gradientCosine.magnitude < 1e-15 && summary.gradientNormRatio == 2)
  }

  @Test("ROT-3: short codes shrink the gradient, and commitment takes over")
  func shrunk() {
    func ratio(_ estimator: TokenAngles.Estimator) -> TokenAngles.Summary {
      Self.angles([[3, 4]], [[0.03, 0.05]], [[1, -2]], estimator: estimator)
    }
    #expect(isClose(ratio(.rotation).lambda, 0.0116619037897, Self.tolerance))
    #expect(isClose(ratio(.rotation).commitmentRatio, 94.758594209, Self.tolerance))
    #expect(isClose(ratio(.straightThrough).commitmentRatio, 1.10506560891, Self.tolerance))
    #expect(isClose(ratio(.unitRotation).commitmentRatio, 1.10506560891, Self.tolerance))
    #expect(isClose(ratio(.rotation).reconstructionGradient, 0.0260768096208, Self.tolerance))
    #expect(isClose(ratio(.rotation).commitmentGradient, norm([1.485, 1.975]), Self.tolerance))
    #expect(isClose(ratio(.rotation).vectorLength, 5) && ratio(.rotation).tokens == 1)
    #expect(isClose(ratio(.rotation).codeLength, norm([0.03, 0.05]), Self.tolerance))
  }

  @Test("ROT-4: an obtuse angle turns a gradient in its plane back")
  func obtuse() {
    let summary = Self.angles([[1, 0.2]], [[-0.5, 0.6]], [[0.7, 0.1]])
    #expect(isClose(summary.cosine, -0.477091862904, Self.tolerance))
    #expect(isClose(summary.gradientCosine, -0.477091862904, Self.tolerance))
    #expect(summary.obtuse == 1 && summary.fallbacks == 0)
  }

  @Test("ROT-5: far from the origin it is straight-through; across the plane only lambda is left")
  func origin() {
    let far = Self.angles(
      [Self.e[0].map { $0 + 100 }], [Self.q[0].map { $0 + 100 }], [Self.g[0]])
    // |difference|^2 / |g|^2 = ratio^2 + 1 - 2 ratio cosine.
    func difference(_ s: TokenAngles.Summary) -> Double {
      let ratio = s.gradientNormRatio
      return (ratio * ratio + 1 - 2 * ratio * s.gradientCosine).squareRoot()
    }
    #expect(isClose(difference(far), 0.00405160211651, 1e-6))
    let near = Self.angles([Self.e[0]], [Self.q[0]], [Self.g[0]])
    #expect(isClose(difference(near), 0.421365501217, 1e-6))
    let across = Self.angles([Self.e[0]], [Self.q[0]], [[-0.58, 0.69, 0.6]])
    #expect(isClose(across.gradientCosine, 1, Self.tolerance))
    #expect(isClose(across.gradientNormRatio, 0.796144555873, Self.tolerance))
  }

  @Test("COS-8: cosines of two tokens and of both as one")
  func pooled() {
    let summary = Self.angles(Self.e, Self.q, Self.g)
    #expect(isClose(summary.gradientCosine, (0.914593497806 + 0.865805288218) / 2, Self.tolerance))
    #expect(isClose(summary.gradientCosinePooled, 0.88393509212, Self.tolerance))
    #expect(isClose(summary.gradientNormRatio, 0.857544852852, Self.tolerance))
    #expect(isClose(summary.lambda, (0.796144555873 + 0.902193708896) / 2, Self.tolerance))
  }

  @Test("random tokens of any dimension are as the built rotations say, in one batch or in several")
  func twin() throws {
    for seed in 0..<60 {
      var random = SeededNumbers(seed)
      let (d, n) = (Int.random(in: 1...9, using: &random), Int.random(in: 1...40, using: &random))
      let estimator: TokenAngles.Estimator = [.straightThrough, .rotation, .unitRotation][seed % 3]
      func single(_ x: [Double]) -> [Double] { x.map { Double(Float($0)) } }
      let z = (0..<n).map { _ in single(random.normals(d)) }
      var q = z.map { single(plus($0, random.normals(d), times: 0.7)) }
      var g = (0..<n).map { _ in single(random.normals(d)) }
      // Degenerate ones among them.
      if n > 4 {
        q[0] = q[0].map { _ in 0 }
        q[1] = z[1].map { -2 * $0 }
        q[2] = z[2]
        g[3] = g[3].map { _ in 0 }
      }
      let weight = 0.3
      let whole = Self.angles(z, q, g, weight: weight, estimator: estimator)
      let turned = (0..<n).map {
        Self.gradient(z[$0], q[$0], g[$0], unit: estimator == .unitRotation)
      }
      let flat = (turned.flatMap(\.gradient), g.flatMap { $0 })
      func close(_ x: Double, _ y: Double) {
        #expect((x.isNaN && y.isNaN) || isClose(x, y, 1e-9), "\(seed)")
      }
      let share = Double(turned.count(where: \.isFallback)) / Double(n)
      #expect(whole.fallbacks == share)
      let withGradient = (0..<n).filter { norm(g[$0]) > 0 }
      let cosines = withGradient.map {
        dot(turned[$0].gradient, g[$0]) / (norm(turned[$0].gradient) * norm(g[$0]))
      }
      close(whole.gradientCosine, cosines.reduce(0, +) / Double(cosines.count))
      close(whole.gradientCosinePooled, dot(flat.0, flat.1) / (norm(flat.0) * norm(flat.1)))
      let norms = dot(turned.map { norm($0.gradient) }, g.map(norm))
      close(whole.gradientKappa, norms / (norm(flat.0) * norm(flat.1)))
      close(whole.gradientNormRatio, norm(flat.0) / norm(flat.1))
      let commitment = (0..<n).flatMap { i in
        minus(z[i], q[i]).map { 2 * weight * $0 / Double(n) }
      }
      let reconstruction = estimator == .straightThrough ? flat.1 : flat.0
      close(whole.commitmentRatio, norm(commitment) / norm(reconstruction))
      close(whole.reconstructionGradient, norm(reconstruction))
      close(whole.commitmentGradient, norm(commitment))
      let known = (0..<n).filter { norm(q[$0]) > 0 }
      let angles = known.map { dot(z[$0], q[$0]) / (norm(z[$0]) * norm(q[$0])) }
      close(whole.cosine, angles.reduce(0, +) / Double(angles.count))
      close(whole.cosineP5, Quantile.of(angles, 0.05))
      close(whole.obtuse, Double(angles.count { $0 < 0 }) / Double(n))
      let lambdas = (0..<n).map { norm(q[$0]) / norm(z[$0]) }
      close(whole.lambda, lambdas.reduce(0, +) / Double(n))
      close(whole.lambdaP5, Quantile.of(lambdas, 0.05))
      close(whole.lambdaP95, Quantile.of(lambdas, 0.95))
    }
  }

  @Test("two batches: tokens are pooled, gradients are those of a batch")
  func batches() {
    var angles = TokenAngles(estimator: .rotation)
    for i in 0..<2 {
      angles.add(
        z: Self.e[i].map { Float($0) }, q: Self.q[i].map { Float($0) },
        gradient: Self.g[i].map { Float($0) }, commitmentWeight: 1, tokens: 1, dimension: 3)
    }
    let (summary, both) = (angles.summary, Self.angles(Self.e, Self.q, Self.g, weight: 2))
    #expect(summary.gradientCosinePooled == both.gradientCosinePooled)
    #expect(isClose(summary.commitmentRatio, both.commitmentRatio, 1e-12))
    #expect(
      isClose(summary.reconstructionGradient, both.reconstructionGradient / 2.0.squareRoot(), 1e-12)
    )
  }

  @Test("no tokens, no lengths, no gradients: NaN where nothing is known")
  func nothing() {
    let none = TokenAngles(estimator: .rotation).summary
    #expect(none.tokens == 0 && none.lambda.isNaN && none.gradientCosinePooled.isNaN)
    let zeros = Self.angles([[0, 0]], [[1, 0]], [[0, 0]])
    #expect(zeros.fallbacks == 1 && zeros.lambda.isNaN && zeros.cosine.isNaN)
    #expect(zeros.gradientCosine.isNaN && zeros.codeLength == 1 && zeros.obtuse == 0)
    #expect(zeros.commitmentRatio == .infinity && zeros.reconstructionGradient == 0)
  }
}
