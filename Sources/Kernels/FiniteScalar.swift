@_exported import Forms

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// y[r, c] = the bounded value of z[r, c] on the scale of its digit: roundHalfEven(y) is the digit
/// in 0 ..< L with L = levels[c].
///
/// z and y are [rows, channels]; `y` may be `z`. NaN stays NaN.
///
/// sigmoid: y = (L - 1) sigmoid(z); ifsq: y = (L - 1) sigmoid(1.6 z).
///
/// tanh: y = f + floor(L / 2) with f = tanh(z + shift) half - offset, half = (L - 1) 0.999 / 2,
/// offset = 0 and shift = 0 for odd L, offset = 0.5 and shift = tan(offset / half) for even L.
/// The digit is roundHalfEven(f) + floor(L / 2). Adding an odd number turns the even side of a
/// tie, and the sum may round onto a tie that f was not on; so where the two ways to the digit
/// differ, which only happens within rounding of a tie, y moves one step of Float towards the
/// digit.
///
/// tanh-wide: the same with half = (L - 1) 1.001 / 2 and shift = atanh(offset / half).
public func boundLevels(
  _ b: LevelBoundForm, rows: Int, channels: Int, levels: UnsafePointer<Int32>,
  _ z: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for channel in 0..<channels {
    let bound = Bound(b, levels: levels[channel])
    var row = 0
    while row < rows {
      let count = min(16, rows - row)
      let start = row * channels + channel
      var v = column(z + start, stride: channels, count: count)
      switch b {
      case .sigmoid: v = bound.top * sigmoid(v)
      case .ifsq: v = bound.top * sigmoid(steepness * v)
      case .tanh, .tanhWide:
        let f = hyperbolicTangent(v + bound.shift) * bound.half - bound.offset
        let digit = f.rounded(.toNearestOrEven) + bound.middle
        v = f + bound.middle
        for k in 0..<count where v[k].rounded(.toNearestOrEven) != digit[k] {
          v[k] = digit[k] < v[k] ? v[k].nextDown : v[k].nextUp
        }
      }
      for k in 0..<count { y[start + k * channels] = v[k] }
      row += 16
    }
  }
}

/// inputGradient[r, c] = outputGradient[r, c] dy/dz at z[r, c], for the y of `boundLevels`.
///
/// (L - 1) sigmoid'(z), 1.6 (L - 1) sigmoid'(1.6 z), or half tanh'(z + shift). The rounding after it counts as the identity
/// (straight-through). May be in place over `outputGradient` or `z`.
public func boundLevelsGradient(
  _ b: LevelBoundForm, rows: Int, channels: Int, levels: UnsafePointer<Int32>,
  outputGradient: UnsafePointer<Float>, z: UnsafePointer<Float>,
  into inputGradient: UnsafeMutablePointer<Float>
) {
  for channel in 0..<channels {
    let bound = Bound(b, levels: levels[channel])
    var row = 0
    while row < rows {
      let count = min(16, rows - row)
      let start = row * channels + channel
      let v = column(z + start, stride: channels, count: count)
      let g = column(outputGradient + start, stride: channels, count: count)
      let slope =
        switch b {
        case .sigmoid: bound.top * sigmoidSlope(v)
        case .ifsq: bound.top * steepness * sigmoidSlope(steepness * v)
        case .tanh, .tanhWide: bound.half * tangentSlope(v + bound.shift)
        }
      for k in 0..<count { inputGradient[start + k * channels] = g[k] * slope[k] }
      row += 16
    }
  }
}

/// The factor of z in iFSQ, by which the logistic function is near the normal distribution's.
private let steepness: Float = 1.6

/// The numbers that bound one channel.
private struct Bound {
  var top: Float
  var half: Float
  var offset: Float
  var shift: Float
  var middle: Float

  init(_ bound: LevelBoundForm, levels: Int32) {
    let l = Double(levels)
    let isWide = bound == .tanhWide
    let exactHalf = (l - 1) * (isWide ? 1 + 1e-3 : 1 - 1e-3) / 2
    let even = levels % 2 == 0
    top = Float(l - 1)
    half = Float(exactHalf)
    offset = even ? 0.5 : 0
    let share = 0.5 / exactHalf
    shift = even ? Float(isWide ? atanh(share) : tan(share)) : 0
    middle = Float(levels / 2)
  }
}

/// Every `stride`-th float, `count` <= 16 of them.
@inline(__always)
private func column(_ x: UnsafePointer<Float>, stride: Int, count: Int) -> SIMD16<Float> {
  var v = SIMD16<Float>.zero
  if count == 16 {
    for k in 0..<16 { v[k] = x[k &* stride] }
  } else {
    for k in 0..<count { v[k] = x[k &* stride] }
  }
  return v
}

/// y[i] = x[i] rounded to the nearest integer, halves to the even one; `y` may be `x`.
public func roundHalfEven(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = x[i].rounded(.toNearestOrEven) }
}

/// indices[r] = the sum over c of digits[r, c] times the product of levels[j] for j < c, in integers.
///
/// digits are [rows, channels] integers in Float (halves to even, should one not be); channel 0 is
/// the least significant. A row with a digit that is not finite or not in 0 ..< levels[c] gets -1.
/// The product of all levels must fit into Int32.
public func packDigits(
  rows: Int, channels: Int, levels: UnsafePointer<Int32>, digits: UnsafePointer<Float>,
  into indices: UnsafeMutablePointer<Int32>
) {
  for row in 0..<rows {
    var index: Int32 = 0
    var basis: Int32 = 1
    for channel in 0..<channels {
      let digit = digits[row * channels + channel].rounded(.toNearestOrEven)
      // Written so that NaN fails too.
      guard digit >= 0 && digit < Float(levels[channel]) else {
        index = -1
        break
      }
      index += Int32(digit) * basis
      if channel + 1 < channels { basis *= levels[channel] }
    }
    indices[row] = index
  }
}

/// digits[r, c] = floor(indices[r] / product of levels[j] for j < c) mod levels[c]: undoes
/// `packDigits`.
///
/// A row whose index is negative or not below the product of all levels gets NaN.
public func unpackDigits(
  rows: Int, channels: Int, levels: UnsafePointer<Int32>, indices: UnsafePointer<Int32>,
  into digits: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let y = digits + row * channels
    var rest = indices[row]
    if rest >= 0 {
      for channel in 0..<channels {
        y[channel] = Float(rest % levels[channel])
        rest /= levels[channel]
      }
    }
    if rest != 0 { fill(count: channels, with: .nan, into: y) }
  }
}
