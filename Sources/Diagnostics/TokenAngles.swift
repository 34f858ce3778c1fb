@_exported import Forms

/// Angles between vectors and their codes, and the gradients of estimators, over many tokens.
///
/// For each token: the vector `z` before quantization, its code `q`, and the gradient `g` of the loss
/// with respect to the quantized vector. Straight-through hands `g` to `z` as it is; the rotation trick
/// hands on `lambda R^T g`, with `R` the rotation from `z` to `q` in their plane and
/// `lambda = |q| / |z|`. Nothing is built: `R^T g` takes two dot products. Fifty and others, arXiv
/// 2410.06424; Su, kexue.fm 10489.
public struct TokenAngles: Sendable {
  /// Which gradient reaches `z`.
  public typealias Estimator = GradientEstimator

  /// Lengths below this have no direction: such tokens fall back to straight-through.
  public static let leastLength = 1e-6
  /// Cosines below this have no plane to rotate in: such tokens fall back too.
  public static let leastCosine = -1 + 1e-6

  /// Which gradient reaches `z` in the run.
  public let estimator: Estimator
  /// Tokens that were added.
  public private(set) var tokens = 0

  var batches = 0
  // One number a token: where |z|, and for the cosine |q| too, is large enough.
  var lambdas: [Double] = []
  var cosines: [Double] = []
  // One number a token that has a gradient.
  var gradientCosines = 0.0
  var gradients = 0
  var obtuse = 0
  var fallbacks = 0
  var squaredVectors = 0.0
  var squaredCodes = 0.0
  // The rotation gradient as an update, straight-through as a gradient.
  var pooled = DirectionCosines.Sums()
  var normProducts = 0.0
  var reconstruction = 0.0
  var commitment = 0.0

  /// No tokens yet.
  public init(estimator: Estimator) {
    self.estimator = estimator
  }

  /// Adds the tokens of a batch.
  /// - Parameters:
  ///   - z: vectors, [tokens, dimension].
  ///   - q: their codes, [tokens, dimension].
  ///   - gradient: of the loss with respect to the quantized vectors, [tokens, dimension].
  ///   - commitmentWeight: `w` of the term `w mean_i |z_i - q_i|^2`, whose gradient is `2 w (z_i - q_i) / tokens`.
  public mutating func add(
    z: UnsafeBufferPointer<Float>, q: UnsafeBufferPointer<Float>,
    gradient: UnsafeBufferPointer<Float>, commitmentWeight: Double, tokens: Int, dimension: Int
  ) {
    let count = tokens * dimension
    precondition(
      z.count == count && q.count == count && gradient.count == count, "[tokens, dimension]")
    guard tokens > 0 else { return }
    batches += 1
    self.tokens += tokens
    lambdas.reserveCapacity(lambdas.count + tokens)
    cosines.reserveCapacity(cosines.count + tokens)
    let pull = 2 * commitmentWeight / Double(tokens)
    for start in stride(from: 0, to: count, by: dimension) {
      add(Token(z, q, gradient, start..<start + dimension), pull: pull)
    }
  }

  /// Adds the tokens of a batch.
  public mutating func add(
    z: [Float], q: [Float], gradient: [Float], commitmentWeight: Double, tokens: Int,
    dimension: Int
  ) {
    z.withUnsafeBufferPointer { z in
      q.withUnsafeBufferPointer { q in
        gradient.withUnsafeBufferPointer { gradient in
          add(
            z: z, q: q, gradient: gradient, commitmentWeight: commitmentWeight, tokens: tokens,
            dimension: dimension)
        }
      }
    }
  }

  private mutating func add(_ token: Token, pull: Double) {
    let (z, q) = (token.zz.squareRoot(), token.qq.squareRoot())
    let cosine = token.zq / (z * q)
    let isDegenerate = z < Self.leastLength || q < Self.leastLength || cosine < Self.leastCosine
    if z >= Self.leastLength {
      lambdas.append(q / z)
      if q >= Self.leastLength { cosines.append(cosine) }
    }
    if token.zq < 0 { obtuse += 1 }
    squaredVectors += token.zz
    squaredCodes += token.qq
    if isDegenerate {
      fallbacks += 1
      addGradient(token, along: token.gg, scale: 1)
    } else {
      let (a, b) = (token.zg / z, token.qg / q)
      // <R^T g, g>, for R^T g = g + (2 b - (a + b) / (1 + cos)) zh - (a + b) / (1 + cos) qh.
      let along = token.gg + 2 * a * b - (a + b) * (a + b) / (1 + cosine)
      addGradient(token, along: along, scale: estimator == .unitRotation ? 1 : q / z)
    }
    commitment += pull * pull * token.distanceSquared
  }

  /// Adds the gradients: `along` is `<R^T g, g>`, and `|R^T g| = |g|`.
  private mutating func addGradient(_ token: Token, along: Double, scale: Double) {
    let gg = token.gg
    switch estimator {
    case .straightThrough: reconstruction += gg
    case .rotation, .unitRotation: reconstruction += scale * scale * gg
    case .diveq:
      let product = token.qg - token.zg
      reconstruction +=
        token.distanceSquared > 0 ? max(0, gg - product * product / token.distanceSquared) : gg
    }
    guard gg != 0 else { return }
    gradients += 1
    gradientCosines += along / gg
    pooled.updateSquared += scale * scale * gg
    pooled.gradientSquared += gg
    pooled.product += scale * along
    normProducts += scale * gg
  }
}

/// The dot products of a token.
private struct Token {
  var zz = 0.0
  var qq = 0.0
  var gg = 0.0
  var zq = 0.0
  var zg = 0.0
  var qg = 0.0
  var distanceSquared = 0.0

  @inline(__always)
  init(
    _ z: UnsafeBufferPointer<Float>, _ q: UnsafeBufferPointer<Float>,
    _ g: UnsafeBufferPointer<Float>, _ places: Range<Int>
  ) {
    for i in places {
      let (z, q, g) = (Double(z[i]), Double(q[i]), Double(g[i]))
      zz += z * z
      qq += q * q
      gg += g * g
      zq += z * q
      zg += z * g
      qg += q * g
      distanceSquared += (z - q) * (z - q)
    }
  }
}

// MARK: - Summary

extension TokenAngles {
  /// Statistics of the tokens; NaN if there is nothing to compute them from.
  public struct Summary: Sendable, Equatable {
    /// Tokens that were counted.
    public var tokens: Int
    /// Mean of `lambda = |q| / |z|`: far below 1 the rotation trick shrinks the gradient, and commitment
    /// takes over.
    public var lambda: Double
    /// Its 5th percentile.
    public var lambdaP5: Double
    /// Its 95th percentile.
    public var lambdaP95: Double
    /// Mean of `cos(z, q)`.
    public var cosine: Double
    /// Its 5th percentile.
    public var cosineP5: Double
    /// Share of tokens with `cos(z, q) < 0`, where the rotation turns the gradient back.
    public var obtuse: Double
    /// Share of tokens without a rotation.
    public var fallbacks: Double
    /// Mean over tokens of the cosine between rotation and straight-through gradient.
    public var gradientCosine: Double
    /// The same cosine over all tokens as one vector.
    public var gradientCosinePooled: Double
    /// The cosine of the two gradients' norms over tokens; see ``DirectionCosines``.
    public var gradientKappa: Double
    /// Norm of all rotation gradients against that of all straight-through ones.
    public var gradientNormRatio: Double
    /// Norm of the commitment gradient against that of the reconstruction gradient, both as they reach `z`.
    public var commitmentRatio: Double
    /// Root of the mean of `|z|^2`.
    public var vectorLength: Double
    /// Root of the mean of `|q|^2`.
    public var codeLength: Double
    /// Norm of the reconstruction gradient that reaches the `z` of a batch; root of the mean square over batches.
    public var reconstructionGradient: Double
    /// Norm of the commitment gradient, likewise.
    public var commitmentGradient: Double
  }

  /// Statistics of the tokens so far; sorts their lambdas and cosines.
  ///
  /// The lambdas leave out tokens without length, the cosines those whose code has none, and those of
  /// gradients tokens without a gradient.
  public var summary: Summary {
    let (lambdas, cosines) = (lambdas.sorted(), cosines.sorted())
    let (n, steps) = (Double(tokens), Double(batches))
    let norms = pooled.updateSquared.squareRoot() * pooled.gradientSquared.squareRoot()
    return Summary(
      tokens: tokens, lambda: mean(lambdas), lambdaP5: Quantile.of(sorted: lambdas, 0.05),
      lambdaP95: Quantile.of(sorted: lambdas, 0.95), cosine: mean(cosines),
      cosineP5: Quantile.of(sorted: cosines, 0.05), obtuse: Double(obtuse) / n,
      fallbacks: Double(fallbacks) / n, gradientCosine: gradientCosines / Double(gradients),
      gradientCosinePooled: pooled.cosine ?? .nan, gradientKappa: min(1, normProducts / norms),
      gradientNormRatio: (pooled.updateSquared / pooled.gradientSquared).squareRoot(),
      commitmentRatio: (commitment / reconstruction).squareRoot(),
      vectorLength: (squaredVectors / n).squareRoot(),
      codeLength: (squaredCodes / n).squareRoot(),
      reconstructionGradient: (reconstruction / steps).squareRoot(),
      commitmentGradient: (commitment / steps).squareRoot())
  }

  private func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }
}
