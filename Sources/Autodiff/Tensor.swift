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
