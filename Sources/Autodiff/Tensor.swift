/// A handle to a value of a graph: what an operation will yield when the plan is replayed.
///
/// It holds no numbers. Model code combines handles, and the graph keeps the record.
public struct Tensor {
  /// The record that this value belongs to.
  public let graph: Graph
  /// The value's place in the record.
  public let id: ValueID

  init(graph: Graph, id: ValueID) {
    self.graph = graph
    self.id = id
  }

  /// The value's extents.
  public var shape: Shape { graph.values[id.index].shape }

  /// What the elements are.
  public var type: ElementType { graph.values[id.index].type }
}

/// The place of a value in its graph.
public struct ValueID: Hashable, Sendable {
  /// Position in `Graph.values`.
  public let index: Int

  /// The value at a position.
  public init(_ index: Int) {
    self.index = index
  }
}

/// What a graph knows of a value.
public struct Value: Sendable {
  /// Where a value comes from.
  public enum Role: Sendable, Hashable {
    /// Written from outside before each replay.
    case input(String)
    /// What an operation leaves there is found by the next replay; zeros at first.
    case state(String)
    /// A trained parameter, by its place in `Graph.parameters`.
    case parameter(Int)
    /// The output of a node.
    case result(node: Int, output: Int)
    /// The output of a node that is added to the gradient of a parameter.
    case gradient(of: Int)
  }

  /// The value's extents.
  public let shape: Shape
  /// What its elements are.
  public let type: ElementType
  /// Where it comes from.
  public internal(set) var role: Role
}

/// The extents of a tensor, outermost first.
///
/// Images are `[N, H, W, C]`: batch, height, width, channels. A scalar is `[]`.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// The extents, outermost first.
  public let dimensions: [Int]

  /// A shape of the given extents.
  public init(_ dimensions: [Int]) {
    self.dimensions = dimensions
  }

  /// A shape written as `[2, 3]`.
  public init(arrayLiteral elements: Int...) {
    dimensions = elements
  }

  /// The shape of a single number.
  public static var scalar: Shape { [] }

  /// The number of elements: the product of the extents, 1 for a scalar.
  public var count: Int { dimensions.reduce(1, *) }

  /// Whether all extents are at least 1, and the elements can be counted.
  var isUsable: Bool {
    var count = 1
    for extent in dimensions {
      let (product, overflows) = count.multipliedReportingOverflow(by: extent)
      guard extent > 0, !overflows, product < 1 << 48 else { return false }
      count = product
    }
    return true
  }

  /// The number of axes.
  public var rank: Int { dimensions.count }

  /// The innermost extent, 1 for a scalar: the channels of an image, the dimension of a code.
  public var channels: Int { dimensions.last ?? 1 }

  /// The number of rows when all axes but the innermost are taken as one.
  public var rows: Int { dimensions.dropLast().reduce(1, *) }

  /// The extent of one axis.
  public subscript(axis: Int) -> Int { dimensions[axis] }

  /// The extents in brackets, as in `[64, 32, 32, 3]`.
  public var description: String {
    "[" + dimensions.map(String.init).joined(separator: ", ") + "]"
  }
}

/// What a tensor's elements are.
///
/// Both kinds take four bytes, so one arena holds either.
public enum ElementType: Sendable, Hashable {
  /// IEEE single precision.
  case float32
  /// A token id, a 32-bit integer.
  case index
}
