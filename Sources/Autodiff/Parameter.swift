/// A tensor that a model owns: its name, extents and first values, which meet on one line in each layer.
public struct Parameter: Sendable, Hashable {
  /// How the tensor is laid out in a checkpoint, where it differs from memory.
  ///
  /// Memory order suits the matrix products; file order is that of the `diffusers` library, so
  /// that tensors load there by name with nothing to convert.
  public enum FileLayout: Sendable, Hashable {
    /// As in memory.
    case same
    /// Memory `[kh, kw, in, out]`, file `[out, in, kh, kw]`.
    case convolution
    /// Memory `[1, 1, in, out]`, file `[out, in]`.
    case linear
  }

  /// The path of the layer and the tensor's own name, joined by dots.
  public let name: String
  /// The extents in memory.
  public let shape: Shape
  /// How the first values are drawn.
  public let initializer: Initializer
  /// How a checkpoint stores it.
  public let fileLayout: FileLayout
  /// Whether weight decay applies: weights yes; biases, norms and codebooks no.
  public let decays: Bool
  /// Whether it is trained: what is not gets no gradient, and stays as it was drawn.
  public let isTrained: Bool

  /// The extents in a checkpoint.
  public var fileShape: Shape {
    switch fileLayout {
    case .same: return shape
    case .convolution: return [shape[3], shape[2], shape[0], shape[1]]
    case .linear: return [shape[3], shape[2]]
    }
  }
}

/// How a parameter's first values are drawn.
public enum Initializer: Sendable, Hashable {
  /// Every element the same.
  case constant(Float)
  /// Uniform in `[-bound, bound]`.
  case uniform(bound: Float)
  /// Normal with mean 0 and the given standard deviation.
  case normal(deviation: Float)
  /// A random matrix of the two innermost extents with orthogonal rows and columns, scaled so that
  /// what it maps keeps its variance.
  case orthogonal
}

/// A place in the tree of names, handed to each layer as it is made.
public struct Scope {
  /// The record that parameters are declared in.
  public let graph: Graph
  /// The names from the root to here, joined by dots; empty at the root.
  public let path: String
  private let isFrozen: Bool
  private let reduced: ReducedLayers
  /// How much of the path lies before the names of the reduced layers.
  private let prefix: String

  /// The root of a graph's names.
  public init(_ graph: Graph) {
    self.init(graph: graph, path: "", isFrozen: false, reduced: ReducedLayers(), prefix: "")
  }

  private init(
    graph: Graph, path: String, isFrozen: Bool, reduced: ReducedLayers, prefix: String
  ) {
    (self.graph, self.path, self.isFrozen) = (graph, path, isFrozen)
    (self.reduced, self.prefix) = (reduced, prefix)
  }

  /// The scope one name further down.
  public subscript(name: String) -> Scope {
    Scope(
      graph: graph, path: path.isEmpty ? name : path + "." + name, isFrozen: isFrozen,
      reduced: reduced, prefix: prefix)
  }

  /// The same scope, of which no parameter is trained: of weights that another model only uses.
  public var frozen: Scope {
    Scope(graph: graph, path: path, isFrozen: true, reduced: reduced, prefix: prefix)
  }

  /// The same scope for a model of which some layers are smaller than its configuration says; names
  /// count from here.
  public func reducing(_ layers: ReducedLayers) -> Scope {
    Scope(
      graph: graph, path: path, isFrozen: isFrozen, reduced: layers,
      prefix: path.isEmpty ? "" : path + ".")
  }

  /// The rank of the layer here; nil where its weight is whole.
  public var rank: Int? { reduced.ranks[name] }

  /// Whether the first factor of the layer here is the pointwise one.
  public var isPointwiseFirst: Bool { reduced.pointwiseFirst.contains(name) }

  /// The inner channels that the residual block here keeps; nil where it keeps all.
  public var width: Int? { reduced.widths[name] }

  private var name: String { String(path.dropFirst(prefix.count)) }

  /// Declares a tensor of the model.
  ///
  /// - Parameters:
  ///   - name: its own name, joined to the path.
  ///   - shape: its extents in memory.
  ///   - initializer: how its first values are drawn.
  ///   - layout: how a checkpoint stores it.
  ///   - decays: whether weight decay applies.
  ///   - isTrained: whether updates move it.
  public func parameter(
    _ name: String, _ shape: Shape, _ initializer: Initializer,
    layout: Parameter.FileLayout = .same, decays: Bool = false, isTrained: Bool = true
  ) -> Tensor {
    precondition(isTrained || !decays, "\(name) decays, so it is trained")
    return graph.declare(
      Parameter(
        name: self[name].path, shape: shape, initializer: initializer, fileLayout: layout,
        decays: decays && !isFrozen, isTrained: isTrained && !isFrozen))
  }
}

/// The layers of a model that are smaller than its configuration says, by name: a compressed model.
public struct ReducedLayers: Sendable, Hashable {
  /// Layers whose weight is a product of two, and how many channels lie between them.
  public var ranks: [String: Int]
  /// Those of them whose first factor maps channels and whose second one filters; in all others the first
  /// one filters.
  public var pointwiseFirst: Set<String>
  /// Residual blocks with fewer channels between their convolutions, and how many.
  public var widths: [String: Int]

  /// Layers by name; none if nothing is said.
  public init(
    ranks: [String: Int] = [:], pointwiseFirst: Set<String> = [], widths: [String: Int] = [:]
  ) {
    (self.ranks, self.pointwiseFirst, self.widths) = (ranks, pointwiseFirst, widths)
  }

  /// Whether there are none.
  public var isEmpty: Bool { ranks.isEmpty && widths.isEmpty }
}
