#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// y[i] = 1 where x[i] > 0, else 0; NaN where x[i] is not finite; `y` may be `x`.
public func signBits(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  let one = SIMD16<Float>(repeating: 1)
  for i in vectors(count) {
    // x * 0 is zero for finite x and NaN otherwise.
    let v = x[i]
    y[i] = selecting(where: .zero, isBelow: v, one, else: .zero) + v * 0
  }
}

// MARK: - Entropy of bits

// How sure vectors are of their bits: bit d of a vector z is 1 with probability sigmoid(scale z_d).

/// The mean over rows of the entropy of a row's bits, in nats.
///
///     1 / rows * sum over r and d of h(sigmoid(scale z[r, d])),  h(p) = -p log p - (1 - p) log(1 - p)
///
/// z is [rows, bits]. Bits of a given row are independent, so that this is the entropy of its
/// distribution over all 2^bits codes. 0 without rows.
public func entropyOfBits(
  rows: Int, bits: Int, scale: Float, _ z: UnsafePointer<Float>
) -> Double {
  var total = 0.0
  for i in 0..<(rows * bits) {
    // With e = exp(-|t|): log(1 + e) + |t| e / (1 + e), which is exact in the tails.
    let t = abs(Double(scale) * Double(z[i]))
    let e = exp(-t)
    total += log1p(e) + (e > 0 ? t * e / (1 + e) : t * 0)
  }
  return rows > 0 ? total / Double(rows) : 0
}

/// The gradient of factor times `entropyOfBits`.
///
///     inputGradient = -factor / rows * scale^2 z p (1 - p),  p = sigmoid(scale z)
public func entropyOfBitsGradient(
  rows: Int, bits: Int, scale: Float, factor: Float, _ z: UnsafePointer<Float>,
  into inputGradient: UnsafeMutablePointer<Float>
) {
  let slope = -factor * scale / Float(max(1, rows))
  for i in vectors(rows * bits) {
    let t = z[i] * scale
    inputGradient[i] = t * sigmoidSlope(t) * slope
  }
}

/// The floats of scratch memory that `entropyOfMeanBits` and its gradient need.
public func meanBitsWorkspace(group: Int) -> Int { 4 * (1 << group) + 4 * group }

/// The entropy, in nats, of the rows' mean distribution over the codes of each group of bits, summed
/// over the groups.
///
///     shares[G, c] = 1 / rows * sum over r of product over d in G of P(bit d of z[r] is that of c)
///     result       = sum over G of -sum over c of shares[G, c] log shares[G, c]
///
/// z is [rows, bits], and shares [groups, 2^group], bit 0 of a group least significant; where the
/// last group has fewer bits the end of its shares is zero. At most the entropy of the mean
/// distribution over all 2^bits codes together, plus what groups have in common; memory grows with
/// 2^group alone. Zhao et al., "Image and video tokenization with binary spherical quantization",
/// arXiv 2406.07548.
public func entropyOfMeanBits(
  rows: Int, bits: Int, group: Int, scale: Float, _ z: UnsafePointer<Float>,
  shares: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
) -> Double {
  let codes = 1 << group
  return workspace.withMemoryRebound(to: Double.self, capacity: 2 * codes + 2 * group) { memory in
    let (joint, sums, p) = (memory, memory + codes, memory + 2 * codes)
    var entropy = 0.0
    for start in stride(from: 0, to: bits, by: group) {
      let count = min(group, bits - start)
      sums.update(repeating: 0, count: codes)
      for row in 0..<rows {
        probabilities(count, scale, z + row * bits + start, into: p)
        spread(count, p, into: joint)
        for c in 0..<(1 << count) { sums[c] += joint[c] }
      }
      for c in 0..<codes {
        let share = sums[c] / Double(max(1, rows))
        if share != 0 { entropy -= share * log(share) }
        shares[start / group * codes + c] = Float(share)
      }
    }
    return entropy
  }
}

/// The gradient of factor times `entropyOfMeanBits`, from the shares that it gave.
///
///     inputGradient[r, d] = factor scale / rows * sum over c of -log(shares[c]) P(c | r) (c_d - p_d)
///
/// with the bit c_d of c, 0 or 1, and its probability p_d in the row.
public func entropyOfMeanBitsGradient(
  rows: Int, bits: Int, group: Int, scale: Float, factor: Float, _ z: UnsafePointer<Float>,
  shares: UnsafePointer<Float>, into inputGradient: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  let codes = 1 << group
  let slope = Double(factor) * Double(scale) / Double(max(1, rows))
  workspace.withMemoryRebound(to: Double.self, capacity: 2 * codes + 2 * group) { memory in
    let (joint, surprise) = (memory, memory + codes)
    let (p, ones) = (memory + 2 * codes, memory + 2 * codes + group)
    for start in stride(from: 0, to: bits, by: group) {
      let count = min(group, bits - start)
      for c in 0..<codes {
        let share = Double(shares[start / group * codes + c])
        surprise[c] = share > 0 ? -log(share) : share * 0
      }
      for row in 0..<rows {
        probabilities(count, scale, z + row * bits + start, into: p)
        spread(count, p, into: joint)
        for c in 0..<(1 << count) { joint[c] *= surprise[c] }
        // From the highest bit down: what the codes with the bit hold, then both halves as one.
        for d in (0..<count).reversed() {
          let half = 1 << d
          ones[d] = 0
          for c in 0..<half {
            ones[d] += joint[c + half]
            joint[c] += joint[c + half]
          }
        }
        for d in 0..<count {
          inputGradient[row * bits + start + d] = Float(slope * (ones[d] - p[d] * joint[0]))
        }
      }
    }
  }
}

/// p[d] = sigmoid(scale z[d]).
private func probabilities(
  _ bits: Int, _ scale: Float, _ z: UnsafePointer<Float>, into p: UnsafeMutablePointer<Double>
) {
  for d in 0..<bits { p[d] = 1 / (1 + exp(-Double(scale) * Double(z[d]))) }
}

/// joint[c] = the product over bits d of p[d] where c has bit d, and of 1 - p[d] where not.
private func spread(
  _ bits: Int, _ p: UnsafePointer<Double>, into joint: UnsafeMutablePointer<Double>
) {
  joint[0] = 1
  for d in 0..<bits {
    let half = 1 << d
    for c in 0..<half {
      joint[c + half] = joint[c] * p[d]
      joint[c] *= 1 - p[d]
    }
  }
}
