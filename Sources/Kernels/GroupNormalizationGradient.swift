/// The gradients of `groupNormalize` with respect to x, scale and shift.
///
/// With h = (x - mean) r, r the reciprocal deviation, d = outputGradient act'(h scale + shift) and
/// M = P C / G: shiftGradient = sum of d over n, p; scaleGradient = sum of d h over n, p;
/// inputGradient = r (d scale - A - h B) + addend, where A and B are the means over the group of
/// d scale and d scale h. mean and reciprocalDeviation are those of the forward pass. Without an
/// `addend` it counts as zero. With `accumulate` the gradients of scale and shift are added to what
/// is there; inputGradient is overwritten.
///
/// inputGradient may be `outputGradient`, but overlap neither `x` nor `addend`; addend may be
/// `outputGradient` where inputGradient is not.
public func groupNormalizeGradient(
  _ g: GroupNormalizationGeometry, outputGradient: UnsafePointer<Float>,
  x: UnsafePointer<Float>, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
  mean: UnsafePointer<Float>, reciprocalDeviation: UnsafePointer<Float>,
  addend: UnsafePointer<Float>? = nil,
  into inputGradient: UnsafeMutablePointer<Float>, scaleGradient: UnsafeMutablePointer<Float>,
  shiftGradient: UnsafeMutablePointer<Float>, accumulate: Bool,
  workspace: UnsafeMutablePointer<Float>
) {
  let rows = ChannelRows(g)
  let totals = Totals(
    count: 2 * g.channels, of: workspace, in: workspace + 11 * rows.span)
  totals.clear()
  for n in 0..<g.batch {
    let start = n * g.pixels * g.channels
    imageGradient(
      g, rows, outputGradient + start, x + start, scale, shift, mean + n * g.groups,
      reciprocalDeviation + n * g.groups, addend.map { $0 + start }, into: inputGradient + start,
      totals: totals, workspace: workspace)
  }
  for c in 0..<g.channels {
    shiftGradient[c] = (accumulate ? shiftGradient[c] : 0) + Float(totals[c])
    scaleGradient[c] = (accumulate ? scaleGradient[c] : 0) + Float(totals[g.channels + c])
  }
}

/// The gradient of one image, and what it adds to the sums of d and of d h per channel.
///
/// Two passes over memory: the sums, and the gradient. Where d is not the output gradient the first
/// leaves it in `inputGradient`: to compute it again in the second took half as long again.
private func imageGradient(
  _ g: GroupNormalizationGeometry, _ rows: ChannelRows, _ outputGradient: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, _ scale: UnsafePointer<Float>, _ shift: UnsafePointer<Float>,
  _ mean: UnsafePointer<Float>, _ reciprocal: UnsafePointer<Float>,
  _ addend: UnsafePointer<Float>?, into inputGradient: UnsafeMutablePointer<Float>,
  totals: Totals, workspace: UnsafeMutablePointer<Float>
) {
  let c = Coefficients(g, rows, scale, shift, mean, reciprocal, in: workspace)
  let forX = workspace + 3 * rows.span
  let constants = workspace + 4 * rows.span
  let forShift = workspace + 5 * rows.span
  let sums = Totals(count: 2 * rows.span, of: forShift, in: workspace + 7 * rows.span)
  sums.clear()
  let adding = GradientSums(
    outputGradient: outputGradient, x: x, c: c, d: g.activation == .silu ? inputGradient : nil,
    forShift: forShift, forScale: forShift + rows.span, span: rows.span)
  for block in rows.blocks {
    rows.run(adding, over: block)
    sums.take()
  }
  collect(g, rows, scale, reciprocal, sums, into: totals, forX: forX, constants: constants)
  let combining = Combination(
    d: g.activation == .silu ? UnsafePointer(inputGradient) : outputGradient, x: x, c: c,
    forX: forX, constants: constants, addend: addend, y: inputGradient, span: rows.span)
  for block in rows.blocks.reversed() { rows.run(combining, over: block) }
}

/// Adds up d and d (x - mean), and writes d where it is not the output gradient.
private struct GradientSums: RowPass {
  let outputGradient: UnsafePointer<Float>
  let x: UnsafePointer<Float>
  let c: Coefficients
  let d: UnsafeMutablePointer<Float>?
  let forShift: UnsafeMutablePointer<Float>
  let forScale: UnsafeMutablePointer<Float>
  let span: Int

  @inline(__always)
  func run(_ place: Lanes, rows: Int, from start: Int) {
    let (mean, slope, shift) = c[place]
    var (sum, product) = (forShift[place], forScale[place])
    for row in 0..<rows {
      let at = place + (start &+ row &* span)
      let h = x[at] - mean
      var gradient = outputGradient[at]
      if let d {
        gradient *= siluSlope(multiplyAdd(h, slope, shift))
        d[at] = gradient
      }
      sum += gradient
      product = multiplyAdd(gradient, h, product)
    }
    forShift[place] = sum
    forScale[place] = product
  }
}

/// r (d scale - A - (x - mean) r B) + addend = d slope - (x - mean) forX - constant + addend.
private struct Combination: RowPass {
  let d: UnsafePointer<Float>
  let x: UnsafePointer<Float>
  let c: Coefficients
  let forX: UnsafeMutablePointer<Float>
  let constants: UnsafeMutablePointer<Float>
  let addend: UnsafePointer<Float>?
  let y: UnsafeMutablePointer<Float>
  let span: Int

  @inline(__always)
  func run(_ place: Lanes, rows: Int, from start: Int) {
    let (mean, slope, _) = c[place]
    let (forX, constant) = (forX[place], constants[place])
    for row in 0..<rows {
      let at = place + (start &+ row &* span)
      let gradient = multiplyAdd(d[at], slope, -multiplyAdd(x[at] - mean, forX, constant))
      y[at] = if let addend { gradient + addend[at] } else { gradient }
    }
  }
}

/// Adds the sums of one image to those of all, and writes r^2 B and r A for each place of a row.
///
/// `sums` are those of d and of d (x - mean) at each place.
private func collect(
  _ g: GroupNormalizationGeometry, _ rows: ChannelRows, _ scale: UnsafePointer<Float>,
  _ reciprocals: UnsafePointer<Float>, _ sums: Totals, into totals: Totals,
  forX: UnsafeMutablePointer<Float>, constants: UnsafeMutablePointer<Float>
) {
  let count = Double(g.pixels * g.depth)
  for group in 0..<g.groups {
    let r = Double(reciprocals[group])
    let channels = (group * g.depth)..<((group + 1) * g.depth)
    var first = 0.0
    var second = 0.0
    for c in channels {
      var sum = 0.0
      var product = 0.0
      for place in stride(from: c, to: rows.span, by: g.channels) {
        sum += sums[place]
        product += sums[rows.span + place]
      }
      totals[c] += sum
      totals[g.channels + c] += product * r
      first += sum * Double(scale[c])
      second += product * Double(scale[c])
    }
    for c in channels {
      forX[c] = Float(second / count * r * r * r)
      constants[c] = Float(first / count * r)
    }
  }
  repeatPixel(g, rows, forX)
  repeatPixel(g, rows, constants)
}
