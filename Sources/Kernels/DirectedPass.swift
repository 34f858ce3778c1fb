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
