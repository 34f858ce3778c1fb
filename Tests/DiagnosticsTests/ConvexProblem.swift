import Diagnostics

/// A convex loss whose minimiser is known, and its gradient.
struct ConvexProblem {
  let minimiser: [Double]
  let loss: ([Double]) -> Double
  let gradient: ([Double]) -> [Double]

  /// `sum_k (a_k . (theta - minimiser))^2 / 2`.
  static func quadratic(_ random: inout SeededNumbers) -> ConvexProblem {
    let d = Int.random(in: 1...10, using: &random)
    let rows = (0..<d).map { _ in random.normals(d) }
    let minimiser = random.normals(d)
    return ConvexProblem(
      minimiser: minimiser,
      loss: { theta in
        rows.reduce(0) {
          $0 + dot($1, minus(theta, minimiser)) * dot($1, minus(theta, minimiser)) / 2
        }
      },
      gradient: { theta in
        rows.reduce([Double](repeating: 0, count: d)) {
          plus($0, $1, times: dot($1, minus(theta, minimiser)))
        }
      })
  }

  /// `sum_i w_i |theta_i - minimiser_i|`.
  static func absolute(_ random: inout SeededNumbers) -> ConvexProblem {
    let d = Int.random(in: 1...10, using: &random)
    let weights = (0..<d).map { _ in Double.random(in: 0.1...2, using: &random) }
    let minimiser = random.normals(d)
    return ConvexProblem(
      minimiser: minimiser,
      loss: { theta in dot(weights, minus(theta, minimiser).map(\.magnitude)) },
      gradient: { theta in
        zip(weights, minus(theta, minimiser)).map { $1 == 0 ? 0 : $1 > 0 ? $0 : -$0 }
      })
  }

  /// `max_k a_k . (theta - minimiser)` over slopes of which some weighted sum is zero.
  static func maxAffine(_ random: inout SeededNumbers) -> ConvexProblem {
    let d = Int.random(in: 1...10, using: &random)
    var slopes = (0...d).map { _ in random.normals(d) }
    slopes.append(slopes.reduce([Double](repeating: 0, count: d)) { minus($0, $1) })
    let (all, minimiser) = (slopes, random.normals(d))
    return ConvexProblem(
      minimiser: minimiser,
      loss: { theta in all.map { dot($0, minus(theta, minimiser)) }.max() ?? 0 },
      gradient: { theta in
        all.max { dot($0, minus(theta, minimiser)) < dot($1, minus(theta, minimiser)) } ?? []
      })
  }
}

/// A run of plain gradient descent, watched.
struct WatchedRun {
  var iterates: [[Double]]
  var losses: [Double] = []
  var gradients: [[Double]] = []
  var monitor = AverageLossMonitor()

  /// Descends; the gradient of step `t` may be any.
  init(
    from start: [Double], rates: [Double], loss: ([Double]) -> Double,
    gradient: (Int, [Double]) -> [Double]
  ) {
    iterates = [start]
    for (t, rate) in rates.enumerated() {
      let theta = iterates[t]
      let g = gradient(t, theta)
      let next = plus(theta, g, times: -rate)
      let motion = minus(next, theta)
      losses.append(loss(theta))
      gradients.append(g)
      iterates.append(next)
      monitor.record(
        .init(
          loss: losses[t], learningRate: rate, gradientNorm: norm(g),
          motionSquared: dot(motion, motion), motionDotIterate: -dot(motion, theta),
          displacement: norm(minus(next, start))))
    }
  }

  init(_ problem: ConvexProblem, from start: [Double], rates: [Double]) {
    self.init(from: start, rates: rates, loss: problem.loss) { problem.gradient($1) }
  }

  /// The identity's residual against a point.
  func residual(against phi: [Double]) -> Double {
    let (first, last) = (iterates[0], iterates[iterates.count - 1])
    return monitor.identityResidual(
      product: dot(phi, minus(first, last)),
      firstSquared: dot(minus(first, phi), minus(first, phi)),
      lastSquared: dot(minus(last, phi), minus(last, phi)))
  }
}
