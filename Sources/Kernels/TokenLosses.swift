#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The extents of a cross-entropy over the columns of a product: x `[rows, inner]` and weights
/// `[inner, width]`, of which `classes` columns from `first` on are classes.
public struct ProductCrossEntropyGeometry: Sendable, Hashable {
  /// Rows of x.
  public var rows: Int
  /// Channels of a row.
  public var inner: Int
  /// Columns of the weights.
  public var width: Int
  /// The first column that is a class.
  public var first: Int
  /// How many columns are.
  public var classes: Int

  /// Names every extent.
  public init(rows: Int, inner: Int, width: Int, first: Int, classes: Int) {
    (self.rows, self.inner, self.width) = (rows, inner, width)
    (self.first, self.classes) = (first, classes)
  }

  /// Rows and classes at a time.
  static let rowBlock = 64
  static let classBlock = 256

  /// The floats of scratch memory of `productCrossEntropy`.
  public var workspace: Int { (inner + Self.rowBlock) * Self.classBlock + 2 * rows }

  /// The floats of scratch memory of `productCrossEntropyGradient`.
  public var gradientWorkspace: Int {
    (2 * inner + Self.rowBlock) * Self.classBlock
      + (inner + 15) / 16 * 16 * Self.classBlock + Self.rowBlock * ((inner + 15) & ~15)
  }

  /// Calls `body` with the first class and the number of each block of classes.
  @inline(__always)
  func eachClassBlock(_ body: (_ start: Int, _ count: Int) -> Void) {
    for start in stride(from: 0, to: classes, by: Self.classBlock) {
      body(start, min(Self.classBlock, classes - start))
    }
  }

  /// Calls `body` with the first row and the number of each block of rows.
  @inline(__always)
  func eachRowBlock(_ body: (_ start: Int, _ count: Int) -> Void) {
    for start in stride(from: 0, to: rows, by: Self.rowBlock) {
      body(start, min(Self.rowBlock, rows - start))
    }
  }
}

/// losses[r] = s[r] - l[r, targets[r]] with l = x W and s[r] = log(sum over k of e^l[r, k]).
///
/// The matrix of logits is never whole: blocks of 64 rows and 256 classes, with a running maximum and
/// sum. A row with a negative target has the loss 0, one with a target of `classes` or more NaN.
public func productCrossEntropy(
  _ g: ProductCrossEntropyGeometry, _ x: UnsafePointer<Float>, weights: UnsafePointer<Float>,
  targets: UnsafePointer<Int32>, into losses: UnsafeMutablePointer<Float>,
  logSums: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
) {
  let width = ProductCrossEntropyGeometry.classBlock
  let packed = workspace
  let logits = packed + g.inner * width
  let tops = logits + ProductCrossEntropyGeometry.rowBlock * width
  let sums = tops + g.rows
  fill(count: g.rows, with: -.infinity, into: tops)
  fill(count: g.rows, with: 0, into: sums)
  for row in 0..<g.rows { losses[row] = targets[row] < g.classes ? 0 : .nan }
  g.eachClassBlock { start, count in
    let matrix = PackedMatrix(inner: g.inner, columns: count)
    matrix.pack(weights + (g.first + start), leading: g.width, into: packed)
    g.eachRowBlock { first, rows in
      matrix.multiply(
        rows: rows, x + first * g.inner, leading: g.inner, packed, into: logits, leading: width)
      for row in 0..<rows {
        let l = logits + row * width
        for k in count..<((count + 15) & ~15) { l[k] = -.infinity }
        let place = first + row
        var highest = l.vector(0)
        for k in stride(from: 16, to: count, by: 16) { highest = larger(highest, l.vector(k)) }
        let top = max(tops[place], highest.max())
        var total = SIMD16<Float>.zero
        for k in stride(from: 0, to: count, by: 16) { total += exponential(l.vector(k) - top) }
        let kept = tops[place] == -.infinity ? 0 : exp(tops[place] - top)
        sums[place] = sums[place] * kept + Float(sum(doubles(total)))
        tops[place] = top
        let target = Int(targets[place]) - start
        if target >= 0 && target < count { losses[place] = l[target] }
      }
    }
  }
  for row in 0..<g.rows {
    logSums[row] = tops[row] + log(sums[row])
    if targets[row] >= 0 { losses[row] = logSums[row] - losses[row] }
  }
}

/// The gradients of `productCrossEntropy` with respect to x, which is overwritten, and to the weights,
/// which is added to with `accumulate`.
///
///     d[r, k] = outputGradient[r] (e^(l[r, k] - logSums[r]) - [k = targets[r]])
///     dx = d W^T        dW = x^T d, 0 in columns that are no class
///
/// The logits are computed again, a block at a time.
public func productCrossEntropyGradient(
  _ g: ProductCrossEntropyGeometry, outputGradient: UnsafePointer<Float>,
  _ x: UnsafePointer<Float>, weights: UnsafePointer<Float>, targets: UnsafePointer<Int32>,
  logSums: UnsafePointer<Float>, into inputGradient: UnsafeMutablePointer<Float>,
  weightGradient: UnsafeMutablePointer<Float>, accumulate: Bool,
  workspace: UnsafeMutablePointer<Float>
) {
  let width = ProductCrossEntropyGeometry.classBlock
  let paddedInner = (g.inner + 15) & ~15
  let packed = workspace
  let transposed = packed + g.inner * width
  let slopes = transposed + paddedInner * width
  let sums = slopes + ProductCrossEntropyGeometry.rowBlock * width
  let rowSums = sums + g.inner * width
  if !accumulate { fill(count: g.inner * g.width, with: 0, into: weightGradient) }
  fill(count: g.rows * g.inner, with: 0, into: inputGradient)
  g.eachClassBlock { start, count in
    let padded = (count + 15) & ~15
    let matrix = PackedMatrix(inner: g.inner, columns: count)
    matrix.pack(weights + (g.first + start), leading: g.width, into: packed)
    let adjoint = PackedMatrix(inner: count, columns: g.inner)
    adjoint.packTransposed(weights + (g.first + start), leading: g.width, into: transposed)
    g.eachRowBlock { first, rows in
      let x = x + first * g.inner
      matrix.multiply(rows: rows, x, leading: g.inner, packed, into: slopes, leading: width)
      for row in 0..<rows {
        let (place, d) = (first + row, slopes + row * width)
        let (slope, target) = (outputGradient[place], Int(targets[place]))
        if target < 0 {
          fill(count: padded, with: 0, into: d)
          continue
        }
        for k in stride(from: 0, to: padded, by: 16) {
          d.store(exponential(d.vector(k) - logSums[place]) * slope, at: k)
        }
        if target >= start && target < start + count { d[target - start] -= slope }
        for k in count..<padded { d[k] = 0 }
      }
      if paddedInner == g.inner {
        adjoint.multiply(
          rows: rows, slopes, leading: width, transposed, into: inputGradient + first * g.inner,
          leading: g.inner, accumulate: true)
      } else {
        adjoint.multiply(
          rows: rows, slopes, leading: width, transposed, into: rowSums, leading: paddedInner)
        for row in 0..<rows {
          Kernels.accumulate(
            count: g.inner, rowSums + row * paddedInner,
            into: inputGradient + (first + row) * g.inner)
        }
      }
      multiplyTransposed(
        rows: g.inner, columns: padded, terms: rows, x, leading: g.inner, slopes, leading: width,
        into: sums, leading: width, accumulate: first > 0)
    }
    for k in 0..<g.inner {
      Kernels.accumulate(
        count: count, sums + k * width, into: weightGradient + (k * g.width + g.first + start))
    }
  }
}
