import Threads

/// Vectors of one dimension, such as features of images, in double precision.
public struct VectorSet: Sendable, Equatable {
  /// How many vectors there are.
  public let count: Int
  /// Numbers in a vector.
  public let dimension: Int

  /// Numbers from a vector to the next: the dimension up to a multiple of eight, filled with zeros.
  let stride: Int
  let values: [Double]

  /// Vectors that lie one after another, `count * dimension` numbers.
  public init(dimension: Int, values: [Double]) {
    precondition(dimension > 0 && values.count % dimension == 0, "whole vectors")
    let count = values.count / dimension
    self.init(count: count, dimension: dimension) { vector, numbers in
      for index in 0..<dimension { numbers[index] = values[vector * dimension + index] }
    }
  }

  /// Vectors of which each is written by `fill`.
  init(
    count: Int, dimension: Int,
    fill: (_ vector: Int, _ numbers: UnsafeMutablePointer<Double>) -> Void
  ) {
    let stride = (dimension + 7) & ~7
    (self.count, self.dimension, self.stride) = (count, dimension, stride)
    values = [Double](unsafeUninitializedCapacity: count * stride) { values, initialized in
      values.initialize(repeating: 0)
      for vector in 0..<count { fill(vector, values.baseAddress! + vector * stride) }
      initialized = count * stride
    }
  }

  /// A vector's numbers.
  public subscript(vector: Int) -> ArraySlice<Double> {
    values[vector * stride..<vector * stride + dimension]
  }

  /// Some of the vectors.
  public subscript(range: Range<Int>) -> VectorSet {
    VectorSet(count: range.count, dimension: dimension) { vector, numbers in
      for (index, value) in self[range.lowerBound + vector].enumerated() { numbers[index] = value }
    }
  }

  /// The mean of all vectors.
  public var mean: [Double] {
    var sums = [Double](repeating: 0, count: dimension)
    for vector in 0..<count {
      for (index, value) in self[vector].enumerated() { sums[index] += value }
    }
    return sums.map { $0 / Double(max(1, count)) }
  }

  /// The covariance of the numbers of a vector, `1 / (n - 1) sum (x - mean) (x - mean)^T`.
  ///
  /// - Precondition: there are two vectors at least.
  public func covariance(threads: Int) -> SymmetricMatrix {
    precondition(count > 1, "a covariance needs two vectors")
    let mean = mean
    let channels = VectorSet(count: dimension, dimension: count) { channel, numbers in
      for vector in 0..<count {
        numbers[vector] = values[vector * stride + channel] - mean[channel]
      }
    }
    let size = dimension
    let sums = channels.products(channels, isSymmetric: true, threads: threads)
    return SymmetricMatrix(size: size, elements: sums.map { $0 / Double(count - 1) })
  }

  /// The scalar products of all pairs of vectors, `X X^T`; they do not depend on the threads.
  ///
  /// - Precondition: there is a vector at least.
  package func gramMatrix(threads: Int) -> SymmetricMatrix {
    SymmetricMatrix(
      size: count, elements: products(self, isSymmetric: true, threads: threads))
  }
}

// MARK: - Pairs of vectors

/// What is summed over the numbers of two vectors.
package enum PairSum {
  /// `x y`: the scalar product.
  case products
  /// `(x - y)^2`: the squared distance, exactly 0 for equal vectors.
  case squaredDifferences
}

/// A term of such a sum.
private protocol PairTerm {
  /// The terms of eight numbers of each.
  static func term(_ x: SIMD8<Double>, _ y: SIMD8<Double>) -> SIMD8<Double>
}

private enum Product: PairTerm {
  @inline(__always)
  static func term(_ x: SIMD8<Double>, _ y: SIMD8<Double>) -> SIMD8<Double> { x * y }
}

private enum SquaredDifference: PairTerm {
  @inline(__always)
  static func term(_ x: SIMD8<Double>, _ y: SIMD8<Double>) -> SIMD8<Double> {
    let difference = x - y
    return difference * difference
  }
}

extension VectorSet {
  /// Vectors that a thread takes at a time, and numbers of a vector that stay in the cache meanwhile.
  private static var band: Int { 32 }
  private static var portion: Int { 512 }

  /// A sum over each pair of a vector of this set and one of another.
  ///
  /// Sums of a pair have one order whatever the others are, so that the result depends neither on
  /// the threads nor on the order of the sets. The matrix is never whole.
  ///
  /// - Parameters:
  ///   - isSymmetric: whether the other set is this one, and pairs are only asked for once: of vector i
  ///     those with 0...i.
  ///   - body: called with each vector of this set once, by several threads, with the sums over all
  ///     vectors of the other.
  package func forEachPair(
    _ sum: PairSum, with other: VectorSet, isSymmetric: Bool = false, threads: Int,
    _ body: @escaping @Sendable (_ vector: Int, _ sums: UnsafeBufferPointer<Double>) -> Void
  ) {
    precondition(dimension == other.dimension, "vectors of one dimension")
    let bands = (count + Self.band - 1) / Self.band
    concurrently(bands, threads: threads) { [self] band in
      let rows = band * Self.band..<Swift.min(count, (band + 1) * Self.band)
      let columns = isSymmetric ? rows.upperBound : other.count
      let sums = UnsafeMutableBufferPointer<Double>.allocate(capacity: rows.count * columns)
      defer { sums.deallocate() }
      sums.initialize(repeating: 0)
      for start in Swift.stride(from: 0, to: stride, by: Self.portion) {
        let length = Swift.min(Self.portion, stride - start)
        values.withUnsafeBufferPointer { values in
          other.values.withUnsafeBufferPointer { others in
            let (a, b) = (
              values.baseAddress! + rows.lowerBound * stride + start, others.baseAddress! + start
            )
            switch sum {
            case .products:
              Self.add(
                Product.self, a, rows.count, b, columns, stride: stride, length: length,
                to: sums.baseAddress!)
            case .squaredDifferences:
              Self.add(
                SquaredDifference.self, a, rows.count, b, columns, stride: stride, length: length,
                to: sums.baseAddress!)
            }
          }
        }
      }
      for row in rows {
        let first = (row - rows.lowerBound) * columns
        body(row, UnsafeBufferPointer(rebasing: sums[first..<first + columns]))
      }
    }
  }

  /// Scalar products of all vectors with all of another set, row by row; if the other set is this one,
  /// of the lower triangle alone.
  func products(_ other: VectorSet, isSymmetric: Bool = false, threads: Int) -> [Double] {
    let columns = other.count
    let results = ResultBuffer<Double>(count * columns, 0)
    forEachPair(.products, with: other, isSymmetric: isSymmetric, threads: threads) {
      row, sums in
      for (column, sum) in sums.enumerated() { results[row * columns + column] = sum }
    }
    return results.all
  }

  /// Adds the sums over a portion of the numbers, two vectors by four at a time.
  private static func add<Term: PairTerm>(
    _ term: Term.Type, _ a: UnsafePointer<Double>, _ rows: Int, _ b: UnsafePointer<Double>,
    _ columns: Int, stride: Int, length: Int, to sums: UnsafeMutablePointer<Double>
  ) {
    for column in Swift.stride(from: 0, to: columns, by: 4) {
      // The last tile repeats vectors, and keeps each once.
      let width = Swift.min(4, columns - column)
      let b0 = b + column * stride
      let b1 = b + (column + Swift.min(1, width - 1)) * stride
      let b2 = b + (column + Swift.min(2, width - 1)) * stride
      let b3 = b + (column + Swift.min(3, width - 1)) * stride
      for row in Swift.stride(from: 0, to: rows, by: 2) {
        let height = Swift.min(2, rows - row)
        let (a0, a1) = (a + row * stride, a + (row + height - 1) * stride)
        var (s00, s01) = (SIMD8<Double>.zero, SIMD8<Double>.zero)
        var (s02, s03, s10, s11, s12, s13) = (s00, s00, s00, s00, s00, s00)
        for index in Swift.stride(from: 0, to: length, by: 8) {
          let (x0, x1) = (load(a0 + index), load(a1 + index))
          let (y0, y1, y2, y3) = (
            load(b0 + index), load(b1 + index), load(b2 + index), load(b3 + index)
          )
          s00 += Term.term(x0, y0)
          s01 += Term.term(x0, y1)
          s02 += Term.term(x0, y2)
          s03 += Term.term(x0, y3)
          s10 += Term.term(x1, y0)
          s11 += Term.term(x1, y1)
          s12 += Term.term(x1, y2)
          s13 += Term.term(x1, y3)
        }
        let found = (
          (s00.sum(), s01.sum(), s02.sum(), s03.sum()), (s10.sum(), s11.sum(), s12.sum(), s13.sum())
        )
        put(found.0, width, to: sums + row * columns + column)
        if height > 1 { put(found.1, width, to: sums + (row + 1) * columns + column) }
      }
    }
  }

  @inline(__always)
  private static func load(_ numbers: UnsafePointer<Double>) -> SIMD8<Double> {
    UnsafeRawPointer(numbers).loadUnaligned(as: SIMD8<Double>.self)
  }

  @inline(__always)
  private static func put(
    _ four: (Double, Double, Double, Double), _ width: Int, to sums: UnsafeMutablePointer<Double>
  ) {
    sums[0] += four.0
    if width > 1 { sums[1] += four.1 }
    if width > 2 { sums[2] += four.2 }
    if width > 3 { sums[3] += four.3 }
  }
}

/// Results that threads write side by side, each at its own places.
package final class ResultBuffer<T>: @unchecked Sendable {
  // Unchecked: no two threads write one place, and nobody reads before all are done.
  let places: UnsafeMutableBufferPointer<T>

  /// So many places with one value.
  package init(_ count: Int, _ value: T) {
    places = .allocate(capacity: count)
    places.initialize(repeating: value)
  }

  deinit {
    places.deinitialize()
    places.deallocate()
  }

  /// The value at a place.
  package subscript(index: Int) -> T {
    get { places[index] }
    set { places[index] = newValue }
  }

  var all: [T] { Array(places) }
}
