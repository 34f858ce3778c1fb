/// What follows a group normalization in the same pass.
public enum FusedActivation: Sendable, Hashable {
  /// Nothing.
  case none
  /// x sigmoid(x).
  case silu
}

/// The sizes of a group normalization over x [N, P, C].
public struct GroupNormalizationGeometry: Sendable, Hashable {
  /// The number of images, N.
  public var batch: Int
  /// The pixels of an image, P.
  public var pixels: Int
  /// The channels, C; a multiple of `groups`.
  public var channels: Int
  /// The groups that the channels fall into, G: C / G neighbours each.
  public var groups: Int
  /// What is added to the variance.
  public var epsilon: Float
  /// What follows in the same pass.
  public var activation: FusedActivation

  /// Names every size.
  public init(
    batch: Int, pixels: Int, channels: Int, groups: Int, epsilon: Float,
    activation: FusedActivation
  ) {
    self.batch = batch
    self.pixels = pixels
    self.channels = channels
    self.groups = groups
    self.epsilon = epsilon
    self.activation = activation
  }

  /// The floats of scratch memory that `groupNormalizeGradient` needs: two sums in Double per
  /// channel, of one image and of all, and two means per group.
  public var workspace: Int { 8 * channels + 2 * groups }

  /// Channels per group.
  var depth: Int { channels / groups }
}

/// y = act((x - mean) reciprocalDeviation scale[c] + shift[c]), with mean and deviation over the
/// pixels and channels of each group of each image.
///
/// x and y are [N, P, C]; scale and shift [C]; mean and reciprocalDeviation = 1 / sqrt(variance +
/// epsilon) come out as [N, G]. The variance is that of the population, summed in Double about a
/// value of the group, so a large mean costs no accuracy. `y` may be `x`.
/// Wu and He, "Group Normalization", arXiv 1803.08494.
public func groupNormalize(
  _ g: GroupNormalizationGeometry, x: UnsafePointer<Float>, scale: UnsafePointer<Float>,
  shift: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  mean: UnsafeMutablePointer<Float>, reciprocalDeviation: UnsafeMutablePointer<Float>
) {
  for n in 0..<g.batch {
    let start = n * g.pixels * g.channels
    let (means, reciprocals) = (mean + n * g.groups, reciprocalDeviation + n * g.groups)
    groupMoments(g, x + start, mean: means, reciprocalDeviation: reciprocals)
    eachTile(g) { pixel, pixels, channel, lanes in
      let at = start + pixel * g.channels + channel
      let m = perGroup(g, means, channel, lanes)
      let a = perGroup(g, reciprocals, channel, lanes) * load(scale, channel, lanes)
      let b = load(shift, channel, lanes)
      switch g.activation {
      case .none:
        eachPixel(g, pixels, lanes, at, x, into: y) { ($0 - m) * a + b }
      case .silu:
        eachPixel(g, pixels, lanes, at, x, into: y) {
          let v = ($0 - m) * a + b
          return v * sigmoid(v)
        }
      }
    }
  }
}

/// The mean and 1 / sqrt(variance + epsilon) of each group of one image.
private func groupMoments(
  _ g: GroupNormalizationGeometry, _ x: UnsafePointer<Float>,
  mean: UnsafeMutablePointer<Float>, reciprocalDeviation: UnsafeMutablePointer<Float>
) {
  let count = Double(g.pixels * g.depth)
  var first = 0.0
  var second = 0.0
  eachChunk(g) { channel, lanes in
    // Differences from the group's first value are small where the group's mean is large.
    var origin = SIMD8<Float>.zero
    for k in 0..<lanes { origin[k] = x[(channel + k) / g.depth * g.depth] }
    var sum = SIMD8<Double>.zero
    var squares = SIMD8<Double>.zero
    var at = channel
    for _ in 0..<g.pixels {
      let d = SIMD8<Double>(load(x, at, lanes) - origin)
      sum += d
      squares += d * d
      at &+= g.channels
    }
    for k in 0..<lanes {
      first += sum[k]
      second += squares[k]
      if (channel + k + 1) % g.depth == 0 {
        let group = (channel + k) / g.depth
        let average = first / count
        let variance = max(0, second / count - average * average)
        mean[group] = Float(Double(origin[k]) + average)
        reciprocalDeviation[group] = Float(1 / (variance + Double(g.epsilon)).squareRoot())
        first = 0
        second = 0
      }
    }
  }
}

/// The gradients of `groupNormalize` with respect to x, scale and shift.
///
/// With h = (x - mean) r, r the reciprocal deviation, d = outputGradient act'(h scale + shift) and
/// M = P C / G: shiftGradient = sum of d over n, p; scaleGradient = sum of d h over n, p;
/// inputGradient = r (d scale - A - h B), where A and B are the means over the group of d scale and
/// d scale h. mean and reciprocalDeviation are those of the forward pass. With `accumulate` the
/// gradients of scale and shift are added to what is there; inputGradient is overwritten. It may
/// be `outputGradient`, but not `x`.
public func groupNormalizeGradient(
  _ g: GroupNormalizationGeometry, outputGradient: UnsafePointer<Float>,
  x: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
  mean: UnsafePointer<Float>, reciprocalDeviation: UnsafePointer<Float>,
  into inputGradient: UnsafeMutablePointer<Float>, scaleGradient: UnsafeMutablePointer<Float>,
  shiftGradient: UnsafeMutablePointer<Float>, accumulate: Bool,
  workspace: UnsafeMutablePointer<Float>
) {
  let totals = UnsafeMutableRawPointer(workspace)
  let sums = UnsafeMutableRawPointer(workspace + 4 * g.channels)
  let groupMeans = workspace + 8 * g.channels
  fill(count: 4 * g.channels, with: 0, into: workspace)
  for n in 0..<g.batch {
    let start = n * g.pixels * g.channels
    let (means, reciprocals) = (mean + n * g.groups, reciprocalDeviation + n * g.groups)
    activationGradient(
      g, outputGradient + start, x + start, scale, shift, means, reciprocals,
      into: inputGradient + start, sums: sums)
    collect(g, scale, sums, into: totals, groupMeans: groupMeans)
    // With SiLU, the gradient in front of it is now in inputGradient.
    let d = g.activation == .none ? outputGradient : UnsafePointer(inputGradient)
    eachTile(g) { pixel, pixels, channel, lanes in
      let at = start + pixel * g.channels + channel
      let m = perGroup(g, means, channel, lanes)
      let r = perGroup(g, reciprocals, channel, lanes)
      // r (d scale - A - (x - m) r B) = d a - (x - m) b - c
      let a = r * load(scale, channel, lanes)
      let b = r * r * perGroup(g, groupMeans + g.groups, channel, lanes)
      let c = r * perGroup(g, groupMeans, channel, lanes)
      eachPixel(g, pixels, lanes, at, d, x, into: inputGradient) { $0 * a - ($1 - m) * b - c }
    }
  }
  for c in 0..<g.channels {
    let offset = totals.loadUnaligned(fromByteOffset: 8 * c, as: Double.self)
    let slope = totals.loadUnaligned(fromByteOffset: 8 * (g.channels + c), as: Double.self)
    shiftGradient[c] = (accumulate ? shiftGradient[c] : 0) + Float(offset)
    scaleGradient[c] = (accumulate ? scaleGradient[c] : 0) + Float(slope)
  }
}

/// For one image: writes d = outputGradient act'(...) where there is an activation, and the sums of d
/// and of d h per channel, [2, C] in Double.
private func activationGradient(
  _ g: GroupNormalizationGeometry, _ outputGradient: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, _ scale: UnsafePointer<Float>, _ shift: UnsafePointer<Float>,
  _ mean: UnsafePointer<Float>, _ reciprocalDeviation: UnsafePointer<Float>,
  into gradient: UnsafeMutablePointer<Float>, sums: UnsafeMutableRawPointer
) {
  sums.initializeMemory(as: UInt8.self, repeating: 0, count: 16 * g.channels)
  eachTile(g) { pixel, pixels, channel, lanes in
    let at = pixel * g.channels + channel
    let (sum, product) = channelSums(
      g, pixels, outputGradient + at, x + at, mean: perGroup(g, mean, channel, lanes),
      reciprocal: perGroup(g, reciprocalDeviation, channel, lanes),
      scale: load(scale, channel, lanes), shift: load(shift, channel, lanes), lanes,
      into: gradient + at)
    for k in 0..<lanes {
      add(sum[k], to: sums, at: channel + k)
      add(product[k], to: sums, at: g.channels + channel + k)
    }
  }
}

/// Adds the sums of one image to those of all, and writes the means A and B of each group.
private func collect(
  _ g: GroupNormalizationGeometry, _ scale: UnsafePointer<Float>,
  _ sums: UnsafeMutableRawPointer, into totals: UnsafeMutableRawPointer,
  groupMeans: UnsafeMutablePointer<Float>
) {
  let count = Double(g.pixels * g.depth)
  for group in 0..<g.groups {
    var first = 0.0
    var second = 0.0
    for c in (group * g.depth)..<((group + 1) * g.depth) {
      let sum = sums.loadUnaligned(fromByteOffset: 8 * c, as: Double.self)
      let product = sums.loadUnaligned(fromByteOffset: 8 * (g.channels + c), as: Double.self)
      add(sum, to: totals, at: c)
      add(product, to: totals, at: g.channels + c)
      first += sum * Double(scale[c])
      second += product * Double(scale[c])
    }
    groupMeans[group] = Float(first / count)
    groupMeans[g.groups + group] = Float(second / count)
  }
}

/// The sums of d and of d h over the pixels, at one vector of channels; writes d where there is an
/// activation.
private func channelSums(
  _ g: GroupNormalizationGeometry, _ pixels: Int, _ outputGradient: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, mean: SIMD8<Float>, reciprocal: SIMD8<Float>, scale: SIMD8<Float>,
  shift: SIMD8<Float>, _ lanes: Int, into gradient: UnsafeMutablePointer<Float>
) -> (sum: SIMD8<Double>, product: SIMD8<Double>) {
  var sum = SIMD8<Double>.zero
  var product = SIMD8<Double>.zero
  var at = 0
  for _ in 0..<pixels {
    let h = (load(x, at, lanes) - mean) * reciprocal
    var d = load(outputGradient, at, lanes)
    if g.activation == .silu {
      d *= siluSlope(h * scale + shift)
      if lanes == 8 { gradient.store(d, at: at) } else { gradient.store(d, at: at, count: lanes) }
    }
    sum += SIMD8<Double>(d)
    product += SIMD8<Double>(d * h)
    at &+= g.channels
  }
  return (sum, product)
}

/// totals[i] += value, for Doubles kept in memory that is aligned for floats.
@inline(__always)
private func add(_ value: Double, to totals: UnsafeMutableRawPointer, at i: Int) {
  let old = totals.loadUnaligned(fromByteOffset: 8 * i, as: Double.self)
  totals.storeBytes(of: old + value, toByteOffset: 8 * i, as: Double.self)
}
