// Winograd's F(4x4, 3x3): four outputs in a row of a 3-tap convolution from six products in place
// of twelve, by evaluating polynomials at 0, 1, -1, 2, -2 and infinity (Lavin and Gray, "Fast
// algorithms for convolutional neural networks", 2015):
//
//     y = A^T [(G g) * (B^T d)]        d: 6 inputs, g: 3 taps, y: 4 outputs, *: element by element
//
// In two dimensions the matrices act on columns, then on rows. These are the five products with
// the matrices and their transposes, for eight channels at a time.

/// Six values of eight channels.
typealias Six = (
  SIMD8<Float>, SIMD8<Float>, SIMD8<Float>, SIMD8<Float>, SIMD8<Float>, SIMD8<Float>
)
/// Four values of eight channels.
typealias Four = (SIMD8<Float>, SIMD8<Float>, SIMD8<Float>, SIMD8<Float>)
/// Three values of eight channels.
typealias Three = (SIMD8<Float>, SIMD8<Float>, SIMD8<Float>)

/// B^T d: six inputs to six frequencies.
@inline(__always)
func inputTransform(_ d: Six) -> Six {
  let (a, b) = (d.4 - 4 * d.2, d.3 - 4 * d.1)
  let (e, f) = (d.4 - d.2, 2 * (d.3 - d.1))
  return (4 * d.0 - 5 * d.2 + d.4, a + b, a - b, e + f, e - f, 4 * d.1 - 5 * d.3 + d.5)
}

/// A^T m: six frequencies to four outputs.
@inline(__always)
func outputTransform(_ m: Six) -> Four {
  let (a, b) = (m.1 + m.2, m.1 - m.2)
  let (e, f) = (m.3 + m.4, m.3 - m.4)
  return (m.0 + a + e, b + 2 * f, a + 4 * e, b + 8 * f + m.5)
}

/// A y: the transpose of the output transform, four output gradients to six frequencies.
@inline(__always)
func outputAdjoint(_ y: Four) -> Six {
  let (a, b) = (y.0 + y.2, y.1 + y.3)
  let (e, f) = (y.0 + 4 * y.2, 2 * y.1 + 8 * y.3)
  return (y.0, a + b, a - b, e + f, e - f, y.3)
}

/// G g: three taps to six frequencies.
@inline(__always)
func filterTransform(_ g: Three) -> Six {
  let (a, b) = ((g.0 + g.2) * (-1 / 6), g.1 * (1 / 6))
  let (e, f) = (g.0 * (1 / 24) + g.2 * (1 / 6), g.1 * (1 / 12))
  return (g.0 * 0.25, a - b, a + b, e + f, e - f, g.2)
}

/// G^T m: the transpose of the filter transform, six frequencies to three tap gradients.
@inline(__always)
func filterAdjoint(_ m: Six) -> Three {
  let (a, b) = (m.1 + m.2, m.2 - m.1)
  let (e, f) = (m.3 + m.4, m.3 - m.4)
  return (
    m.0 * 0.25 - a * (1 / 6) + e * (1 / 24), b * (1 / 6) + f * (1 / 12),
    (e - a) * (1 / 6) + m.5
  )
}
