import CProcessor

// What diffusion models do to rows beside products: noise, and normalization by a condition.

// MARK: - Noise

/// y[i] = a standard normal number, a function of the item's key, `site` and the element's place alone.
///
/// y is `[items, elements]`, with a key an item. A hash of the three gives 23 bits, whose place between
/// 0 and 1 is turned into the quantile: 5.3 is the largest.
public func normalNoise(
  items: Int, elements: Int, site: UInt32, keys: UnsafePointer<Int32>,
  into y: UnsafeMutablePointer<Float>
) {
  var lane = SIMD16<UInt32>.zero
  for k in 0..<16 { lane[k] = UInt32(k) }
  for item in 0..<items {
    let seed = tessera_scrambled(
      SIMD16(repeating: UInt32(bitPattern: keys[item]) &+ site &* 0x9e37_79b9))
    // Twice, so that two items never have one set of numbers in another order.
    let other = tessera_scrambled(seed ^ SIMD16(repeating: 0x85eb_ca6b))
    let y = y + item * elements
    for start in stride(from: 0, to: elements, by: 16) {
      let place = lane | SIMD16(repeating: UInt32(truncatingIfNeeded: start))
      let hash = tessera_scrambled(tessera_scrambled(place ^ seed) &+ other)
      let unit = SIMD16<Float>(SIMD16<Int32>(truncatingIfNeeded: hash &>> 9)) + 0.5
      y[Lanes(start: start, count: min(16, elements - start))] = normalQuantile(unit * 0x1p-23)
    }
  }
}

/// The u-quantile of the standard normal distribution for 2^-24 <= u < 1, lane by lane, to 1e-6 of it.
///
///     z = x P(w)        x = 2 u - 1        w = -log(1 - x^2)
///
/// P is a polynomial in w - 2.5 below 5, in sqrt(w) - 3 above, of degrees 7 and 6: those of least relative
/// error (by weighted least squares at 4000 Chebyshev nodes, weights raised where the error was large).
/// The form is that of Giles, "Approximating the erfinv function", 2010.
@_transparent
func normalQuantile(_ u: SIMD16<Float>) -> SIMD16<Float> {
  let w = -logarithm(4 * u * (1 - u))
  let a = w - 2.5
  var near = multiplyAdd(a, 4.463_754_93e-7, -4.505_516_65e-6)
  near = multiplyAdd(near, a, -5.790_098_05e-6)
  near = multiplyAdd(near, a, 3.073_595_34e-4)
  near = multiplyAdd(near, a, -1.774_316_78e-3)
  near = multiplyAdd(near, a, -5.906_121_78e-3)
  near = multiplyAdd(near, a, 0.348_803_642)
  near = multiplyAdd(near, a, 2.123_313_22)
  let b = squareRoot(larger(w, SIMD16(repeating: 1))) - 3
  var far = multiplyAdd(b, 1.336_592_48e-3, -4.969_139_86e-3)
  far = multiplyAdd(far, b, 8.473_714_68e-3)
  far = multiplyAdd(far, b, -0.010_869_813_1)
  far = multiplyAdd(far, b, 0.013_275_771_5)
  far = multiplyAdd(far, b, 1.416_588_66)
  far = multiplyAdd(far, b, 4.006_436_76)
  return (2 * u - 1) * near.replacing(with: far, where: w .> 5)
}

// MARK: - Adaptive normalization

/// y[r, c] = (x[r, c] - m) q (1 + condition[r, C + c]) + condition[r, c], with m and q in `moments`.
///
/// m is the mean of row r and q = 1 / sqrt(variance + epsilon), both taken in Double; x and y are
/// `[rows, columns]`, the condition `[rows, 2 columns]`, moments `[rows, 2]`.
public func normalizeAdaptively(
  rows: Int, columns: Int, epsilon: Float, _ x: UnsafePointer<Float>,
  condition: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  moments: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let start = row * columns
    let (shift, scale) = (condition + 2 * start, condition + 2 * start + columns)
    var total = SIMD16<Double>.zero
    for i in vectors(columns) { total += doubles(x[i + start]) }
    let mean = sum(total) / Double(columns)
    let m = Float(mean)
    var squares = SIMD16<Double>.zero
    for i in vectors(columns) {
      let d = x[i + start] - m
      squares += doubles(d) * doubles(d)
    }
    // What lies behind a row's end counts m^2 each; so does what m lacks of the mean.
    let behind = Double((columns + 15) / 16 * 16 - columns)
    let off = mean - Double(m)
    let variance =
      (sum(squares) - behind * Double(m) * Double(m)) / Double(columns) - off * off
    let q = Float(1 / (max(0, variance) + Double(epsilon)).squareRoot())
    moments[2 * row] = m
    moments[2 * row + 1] = q
    for i in vectors(columns) {
      y[i + start] = multiplyAdd((x[i + start] - m) * q, 1 + scale[i], shift[i])
    }
  }
}

/// The gradients of `normalizeAdaptively` with respect to x and the condition.
///
/// With n = (x - m) q, g = outputGradient and h = g (1 + scale):
///
///     inputGradient = q (h - mean of h - n mean of h n)
///     conditionGradient = g, then g n
///
/// The means are taken in Double. The gradients lie apart from all inputs.
public func normalizeAdaptivelyGradient(
  rows: Int, columns: Int, outputGradient: UnsafePointer<Float>, x: UnsafePointer<Float>,
  condition: UnsafePointer<Float>, moments: UnsafePointer<Float>,
  into inputGradient: UnsafeMutablePointer<Float>,
  conditionGradient: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let start = row * columns
    let scale = condition + 2 * start + columns
    let (toShift, toScale) = (
      conditionGradient + 2 * start, conditionGradient + 2 * start + columns
    )
    let (m, q) = (moments[2 * row], moments[2 * row + 1])
    var (total, product) = (SIMD16<Double>.zero, SIMD16<Double>.zero)
    for i in vectors(columns) {
      let g = outputGradient[i + start]
      let n = (x[i + start] - m) * q
      toShift[i] = g
      toScale[i] = g * n
      // Behind a row's end g is 0.
      let h = doubles(g * (1 + scale[i]))
      total += h
      product += h * doubles(n)
    }
    let mean = Float(sum(total) / Double(columns))
    let share = Float(sum(product) / Double(columns))
    for i in vectors(columns) {
      let n = (x[i + start] - m) * q
      let h = outputGradient[i + start] * (1 + scale[i])
      inputGradient[i + start] = q * (h - mean - n * share)
    }
  }
}
