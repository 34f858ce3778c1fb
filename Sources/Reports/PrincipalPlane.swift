/// The plane through the mean of vectors in which they vary most.
///
/// The two leading eigenvectors of the covariance by power iteration; the second is kept orthogonal
/// to the first. Signs are chosen so that each axis's largest number is positive, so that one set of
/// vectors always looks the same.
struct PrincipalPlane {
  /// The mean.
  let centre: [Double]
  /// Two directions of length 1, or of length 0 where nothing varies.
  let axes: [[Double]]
  /// The part of the variance that lies in the plane, 0...1.
  let share: Double

  private let dimension: Int

  /// The plane of vectors that lie one after another; those not finite are skipped.
  init(_ vectors: [Float], dimension: Int) {
    self.dimension = dimension
    let rows = stride(from: 0, to: vectors.count - vectors.count % dimension, by: dimension)
      .filter { start in vectors[start..<start + dimension].allSatisfy(\.isFinite) }
    var centre = [Double](repeating: 0, count: dimension)
    for start in rows {
      for channel in 0..<dimension { centre[channel] += Double(vectors[start + channel]) }
    }
    let count = Double(max(1, rows.count))
    centre = centre.map { $0 / count }
    let deviations = rows.map { start in
      (0..<dimension).map { Double(vectors[start + $0]) - centre[$0] }
    }
    let total = deviations.reduce(0) { $0 + $1.reduce(0) { $0 + $1 * $1 } }
    let first = Self.leading(deviations, dimension: dimension, orthogonalTo: nil)
    let second = Self.leading(deviations, dimension: dimension, orthogonalTo: first)
    func energy(_ axis: [Double]) -> Double {
      deviations.reduce(0) { sum, row in
        let part = Self.dot(row, axis)
        return sum + part * part
      }
    }
    self.centre = centre
    axes = [first, second]
    share = total > 0 ? min(1, (energy(first) + energy(second)) / total) : 0
  }

  /// Where vectors lie in the plane.
  func places(_ vectors: [Float]) -> [CodePlane.Place] {
    stride(from: 0, to: vectors.count - vectors.count % dimension, by: dimension).map { start in
      let row = (0..<dimension).map { Double(vectors[start + $0]) - centre[$0] }
      return .init(x: Self.dot(row, axes[0]), y: Self.dot(row, axes[1]))
    }
  }

  private static func leading(
    _ rows: [[Double]], dimension: Int, orthogonalTo other: [Double]?
  ) -> [Double] {
    func cleaned(_ vector: [Double]) -> [Double] {
      guard let other else { return vector }
      let part = dot(vector, other)
      return zip(vector, other).map { $0 - part * $1 }
    }
    // No coordinate of the start is zero, nor are two alike.
    var axis = normalized(cleaned((0..<dimension).map { 1 + 0.1 * Double($0 % 7) }))
    if axis.allSatisfy({ $0 == 0 }) {
      axis = normalized(cleaned((0..<dimension).map { $0.isMultiple(of: 2) ? 1 : -0.5 }))
    }
    for _ in 0..<60 {
      var next = [Double](repeating: 0, count: dimension)
      for row in rows {
        let part = dot(row, axis)
        for channel in 0..<dimension { next[channel] += part * row[channel] }
      }
      let moved = normalized(cleaned(next))
      let change = dot(moved, axis)
      axis = moved
      if change > 1 - 1e-12 { break }
    }
    let largest = axis.max { $0.magnitude < $1.magnitude } ?? 1
    return largest < 0 ? axis.map { -$0 } : axis
  }

  private static func normalized(_ vector: [Double]) -> [Double] {
    let length = dot(vector, vector).squareRoot()
    return length > 1e-300 ? vector.map { $0 / length } : vector.map { _ in 0 }
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
