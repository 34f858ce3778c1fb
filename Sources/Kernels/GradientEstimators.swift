import Forms

// MARK: - Rotation trick

/// How many rows have no safe rotation from z to q and fall back to straight-through.
///
/// z and q are [rows, dimension]. A row falls back where |z| < 1e-6, |q| < 1e-6, or the cosine
/// between the two is below -1 + 1e-6, where the plane of the rotation is lost in rounding.
public func countRotationFallbacks(
  rows: Int, dimension: Int, z: UnsafePointer<Float>, q: UnsafePointer<Float>
) -> Int {
  var count = 0
  for row in 0..<rows {
    let angle = Angle(dimension, z + row * dimension, q + row * dimension)
    if angle.isDegenerate { count += 1 }
  }
  return count
}

/// The gradient with respect to the encoding z of q = lambda R z, with the rotation R and lambda
/// taken as constants: inputGradient = lambda R^T g.
///
/// lambda (g - 2 r (r . g) + 2 zh (qh . g)) with zh = z / |z|, qh = q / |q|,
/// r = (zh + qh) / |zh + qh|; all are [rows, dimension]. Rows that `countRotationFallbacks` counts
/// get g itself. A NaN in a row makes its gradient NaN. May be in place over `outputGradient`.
/// Fifty and others, "Restructuring Vector Quantization with the Rotation Trick",
/// arXiv 2410.06424.
public func rotationGradient(
  rows: Int, dimension: Int, scale: RotationScale, outputGradient: UnsafePointer<Float>,
  z: UnsafePointer<Float>, q: UnsafePointer<Float>,
  into inputGradient: UnsafeMutablePointer<Float>
) {
  let keepsLength =
    switch scale {
    case .unit: true
    case .codeOverEncoding: false
    }
  for row in 0..<rows {
    let start = row * dimension
    let (g, z, q) = (outputGradient + start, z + start, q + start)
    let y = inputGradient + start
    let angle = Angle(dimension, z, q)
    if angle.isDegenerate {
      y.update(from: g, count: dimension)
      continue
    }
    // With a = zh . g and b = qh . g, r (r . g) = (zh + qh)(a + b) / |zh + qh|^2, and
    // |zh + qh|^2 = 2 + 2 cos. So the result is a combination of g, z and q.
    let a = dotProduct(dimension, z, g) / angle.z
    let b = dotProduct(dimension, q, g) / angle.q
    let along = (a + b) / (1 + angle.cosine)
    let lambda = keepsLength ? 1 : angle.q / angle.z
    let forG = Float(lambda)
    let forZ = Float(lambda * (2 * b - along) / angle.z)
    let forQ = Float(-lambda * along / angle.q)
    for i in 0..<dimension { y[i] = forG * g[i] + forZ * z[i] + forQ * q[i] }
  }
}

/// The lengths of two vectors and the cosine between them, in Double.
private struct Angle {
  let z: Double
  let q: Double
  let cosine: Double

  @inline(__always)
  init(_ dimension: Int, _ z: UnsafePointer<Float>, _ q: UnsafePointer<Float>) {
    self.z = sumOfSquares(count: dimension, z).squareRoot()
    self.q = sumOfSquares(count: dimension, q).squareRoot()
    cosine = dotProduct(dimension, z, q) / (self.z * self.q)
  }

  var isDegenerate: Bool { z < 1e-6 || q < 1e-6 || cosine < -1 + 1e-6 }
}

// MARK: - Directed pass

/// The gradients of z + |q - z| u, with the direction u = (q - z) / |q - z| taken as a constant.
///
///     vectorGradient = g - (g . u) u        codeGradient = (g . u) u
///
/// All are [rows, dimension], and the two add up to g. A row where q and z are equal has no direction: its
/// vector gets g and its code nothing. A NaN in a row makes both its gradients NaN. The results must
/// not overlap what is read. "DiVeQ-detach" of kexue.fm 11328.
public func directedPassGradient(
  rows: Int, dimension: Int, outputGradient: UnsafePointer<Float>, z: UnsafePointer<Float>,
  q: UnsafePointer<Float>, into vectorGradient: UnsafeMutablePointer<Float>,
  codeGradient: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let start = row * dimension
    let (g, z, q) = (outputGradient + start, z + start, q + start)
    var (along, square) = (SIMD16<Double>.zero, SIMD16<Double>.zero)
    for i in vectors(dimension) {
      let d = doubles(q[i]) - doubles(z[i])
      along += doubles(g[i]) * d
      square += d * d
    }
    let length = sum(square)
    // Not where it is NaN.
    let share = length == 0 ? 0 : Float(sum(along) / length)
    for i in vectors(dimension) {
      let part = (q[i] - z[i]) * share
      (codeGradient + start)[i] = part
      (vectorGradient + start)[i] = g[i] - part
    }
  }
}
