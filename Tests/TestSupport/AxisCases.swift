import Autodiff
import Foundation

extension OperationCases {
  /// Reductions, repetition and rearrangement of axes.
  static let axes: [OperationCase] = reductions + arrangements + pooling

  /// The shapes that reductions are tried on: odd ones, and extents of 1.
  private static let shapes: [(shape: Shape, axis: Int)] = [
    ([2, 3, 5], 0), ([2, 3, 5], 1), ([2, 3, 5], -1), ([1, 4], 0), ([4, 1], 1), ([7], 0),
    ([2, 19, 3], 1), ([3, 2, 18], 1),
  ]

  private static let reductions: [OperationCase] = shapes.flatMap { shape, axis in
    [
      OperationCase(
        "sum of \(shape) over axis \(axis)", [.numbers(shape)],
        build: { $0[0].sum(axis: axis) },
        reference: { Reference.reduce($0[0], axis) { $0.reduce(0, +) } }),
      OperationCase(
        "mean of \(shape) over axis \(axis)", [.numbers(shape)],
        build: { $0[0].mean(axis: axis) },
        reference: { Reference.reduce($0[0], axis) { $0.reduce(0, +) / Double($0.count) } }),
      OperationCase(
        "maximum of \(shape) over axis \(axis)", [.numbers(shape)],
        build: { $0[0].maximum(axis: axis) },
        reference: { Reference.reduce($0[0], axis) { $0.max()! } }),
    ]
  }

  private static let arrangements: [OperationCase] =
    [
      ([2, 3, 5], [0, 1, 2]), ([2, 3, 5], [1, 0, 2]), ([2, 3, 5], [2, 0, 1]), ([2, 3], [1, 0]),
      ([2, 3, 2, 4], [0, 2, 1, 3]), ([1, 5, 1, 2], [3, 2, 1, 0]), ([6], [0]),
    ].map { (shape: Shape, order: [Int]) in
      OperationCase(
        "permutation \(order) of \(shape)", [.numbers(shape)],
        build: { $0[0].permuted(order) },
        reference: { Reference.permute($0[0], order) })
    } + [
      OperationCase(
        "transposition", [.numbers([2, 3, 4])], build: { $0[0].transposed() },
        reference: { Reference.permute($0[0], [0, 2, 1]) }),
      OperationCase(
        "permutation of indices", [.numbers([6, 2]), .indices([2, 3], [0, 4, 5, 2, 2, 1])],
        build: { $0[0].gathered(at: $0[1].permuted([1, 0])) },
        reference: { Reference.gather($0[0], [0, 2, 4, 2, 5, 1], [3, 2, 2]) }),
      OperationCase(
        "repetition", [.numbers([2, 3])], build: { $0[0].repeated(4, at: 1) },
        reference: { Reference.broadcast(DoubleTensor([2, 1, 3], $0[0].values), [2, 4, 3]) }),
      broadcast([3], [2, 4, 3]), broadcast([2, 1, 3], [2, 5, 3]), broadcast([1, 3, 1], [4, 3, 2]),
      broadcast([], [2, 3]), broadcast([2, 3], [2, 3]), broadcast([5, 1], [5, 17]),
      slice([5, 3, 2], 1..<4, 0), slice([2, 5, 3], 2..<3, 1), slice([2, 3, 5], 0..<2, -1),
      OperationCase(
        "concatenation along the first axis", [.numbers([2, 3], "a"), .numbers([1, 3], "b")],
        build: { .concatenating([$0[0], $0[1], $0[0]], axis: 0) },
        reference: { DoubleTensor([5, 3], $0[0].values + $0[1].values + $0[0].values) }),
      OperationCase(
        "concatenation along the middle axis",
        [.numbers([2, 1, 2], "a"), .numbers([2, 2, 2], "b")],
        build: { .concatenating([$0[0], $0[1]], axis: 1) },
        reference: {
          let (a, b) = ($0[0].values, $0[1].values)
          return DoubleTensor(
            [2, 3, 2], Array(a[..<2]) + b[..<4] + a[2...] + b[4...])
        }),
    ]

  private static func broadcast(_ shape: Shape, _ target: Shape) -> OperationCase {
    OperationCase(
      "broadcast of \(shape) to \(target)", [.numbers(shape)],
      build: { $0[0].broadcast(to: target) },
      reference: { Reference.broadcast($0[0], target) })
  }

  private static func slice(_ shape: Shape, _ range: Range<Int>, _ axis: Int) -> OperationCase {
    OperationCase(
      "slice \(range) of axis \(axis) of \(shape)", [.numbers(shape)],
      build: { $0[0].slice(range, axis: axis) },
      reference: { x in
        let axis = axis < 0 ? shape.rank + axis : axis
        var dimensions = shape.dimensions
        dimensions[axis] = range.count
        return Reference.make(Shape(dimensions)) { place in
          var place = place
          place[axis] += range.lowerBound
          return Reference.element(x[0], place)
        }
      })
  }

  private static let pooling: [OperationCase] = [
    ([2, 4, 6, 3], 2), ([1, 5, 7, 2], 2), ([1, 3, 3, 1], 3), ([2, 2, 3, 2], 1),
  ].flatMap { (image: Shape, size: Int) in
    @Sendable func pooled(_ x: DoubleTensor, _ reduce: ([Double]) -> Double) -> DoubleTensor {
      Reference.make([image[0], image[1] / size, image[2] / size, image[3]]) { place in
        reduce(
          (0..<size * size).map {
            x[place[0], place[1] * size + $0 / size, place[2] * size + $0 % size, place[3]]
          })
      }
    }
    return [
      OperationCase(
        "average pooling of \(image) by \(size)", [.numbers(image)],
        build: { $0[0].averagePooled(by: size) },
        reference: { pooled($0[0]) { $0.reduce(0, +) / Double($0.count) } }),
      OperationCase(
        "maximum pooling of \(image) by \(size)", [.numbers(image)],
        build: { $0[0].maximumPooled(by: size) },
        reference: { pooled($0[0]) { $0.max()! } }),
    ]
  }
}

extension Reference {
  /// A tensor of given extents, element by element.
  static func make(_ shape: Shape, _ element: ([Int]) -> Double) -> DoubleTensor {
    let values = (0..<shape.count).map { index -> Double in
      var (rest, place) = (index, [Int](repeating: 0, count: shape.rank))
      for axis in place.indices.reversed() {
        place[axis] = rest % shape[axis]
        rest /= shape[axis]
      }
      return element(place)
    }
    return DoubleTensor(shape, values)
  }

  /// The element at a place.
  static func element(_ x: DoubleTensor, _ place: [Int]) -> Double {
    x.values[zip(place, x.shape.dimensions).reduce(0) { $0 * $1.1 + $1.0 }]
  }

  /// One axis reduced, without that axis.
  static func reduce(_ x: DoubleTensor, _ axis: Int, _ body: ([Double]) -> Double) -> DoubleTensor {
    let axis = axis < 0 ? x.shape.rank + axis : axis
    var dimensions = x.shape.dimensions
    let count = dimensions.remove(at: axis)
    return make(Shape(dimensions)) { place in
      body(
        (0..<count).map { index in
          var place = place
          place.insert(index, at: axis)
          return element(x, place)
        })
    }
  }

  /// The axes in another order.
  static func permute(_ x: DoubleTensor, _ order: [Int]) -> DoubleTensor {
    make(Shape(order.map { x.shape[$0] })) { place in
      var source = place
      for (axis, from) in order.enumerated() { source[from] = place[axis] }
      return element(x, source)
    }
  }

  /// Larger extents, aligned at the innermost.
  static func broadcast(_ x: DoubleTensor, _ target: Shape) -> DoubleTensor {
    let missing = target.rank - x.shape.rank
    return make(target) { place in
      element(x, place[missing...].enumerated().map { x.shape[$0.offset] == 1 ? 0 : $0.element })
    }
  }
}
