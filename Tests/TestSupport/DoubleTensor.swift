import Autodiff

/// A tensor of doubles with nothing clever about it: what the slow, obvious twins work on.
public struct DoubleTensor: Sendable {
  /// The extents.
  public let shape: Shape
  /// The elements, row by row.
  public var values: [Double]

  /// A tensor of given elements.
  public init(_ shape: Shape, _ values: [Double]) {
    precondition(shape.count == values.count)
    self.shape = shape
    self.values = values
  }

  /// A tensor of zeros.
  public init(zeros shape: Shape) {
    self.init(shape, Array(repeating: 0, count: shape.count))
  }

  /// A scalar.
  public init(_ value: Double) {
    self.init(.scalar, [value])
  }

  /// The element at a position, zero outside the extents.
  public subscript(index: Int...) -> Double {
    get { contains(index) ? values[offset(index)] : 0 }
    set { values[offset(index)] = newValue }
  }

  /// Each element mapped.
  public func map(_ transform: (Double) -> Double) -> DoubleTensor {
    DoubleTensor(shape, values.map(transform))
  }

  /// Two tensors combined, element by element.
  public func zip(_ other: DoubleTensor, _ transform: (Double, Double) -> Double) -> DoubleTensor {
    DoubleTensor(shape, values.indices.map { transform(values[$0], other.values[$0]) })
  }

  /// Each row of the innermost axis mapped.
  public func mapRows(_ transform: ([Double]) -> [Double]) -> DoubleTensor {
    var result: [Double] = []
    for row in 0..<shape.rows {
      result += transform(Array(values[(row * shape.channels)..<((row + 1) * shape.channels)]))
    }
    return DoubleTensor(
      Shape(shape.dimensions.dropLast() + [result.count / max(1, shape.rows)]), result)
  }

  private func contains(_ index: [Int]) -> Bool {
    Swift.zip(index, shape.dimensions).allSatisfy { $0 >= 0 && $0 < $1 }
  }

  private func offset(_ index: [Int]) -> Int {
    Swift.zip(index, shape.dimensions).reduce(0) { $0 * $1.1 + $1.0 }
  }
}
