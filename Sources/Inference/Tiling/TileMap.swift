import Autodiff

/// A recorded network, and which of its values can be computed in tiles.
///
/// The shapes are those of one whole image, which takes no memory.
struct TileMap {
  /// What a value is.
  enum Kind: Sendable {
    /// It depends on parameters alone.
    case parameter
    /// An image `[1, H, W, C]` of which tiles can be computed.
    case grid
    /// Computed as a whole.
    case whole
  }

  /// The network.
  let graph: Graph
  /// The image that it begins with.
  let input: ValueID
  /// The image that is wanted.
  let target: ValueID
  /// What each value is.
  let kinds: [Kind]
  /// How tiles of each node's first output are computed; nil where they are not.
  let rules: [TileRule?]
  /// Declares the network's parameters on another graph.
  let declare: (Graph) -> Void

  /// Records a network.
  ///
  /// - Parameters:
  ///   - image: the shape of what it begins with, `[1, H, W, C]`.
  ///   - declare: declares its parameters, in one order on every graph.
  ///   - network: the network on a graph on which nothing is declared.
  init(
    image: Shape, declare: @escaping (Graph) -> Void,
    _ network: (Graph, _ image: Tensor) -> Tensor
  ) {
    let graph = Graph()
    let input = graph.input("image", image)
    let target = network(graph, input)
    var kinds = graph.values.map { value in
      if case .parameter = value.role { Kind.parameter } else { Kind.whole }
    }
    kinds[input.id.index] = .grid
    var rules: [TileRule?] = []
    for node in graph.nodes {
      let isParameter =
        !node.inputs.isEmpty && node.inputs.allSatisfy { kinds[$0.index] == .parameter }
      let rule = isParameter ? nil : TileRule(node, in: graph, kinds: kinds)
      if isParameter {
        for output in node.outputs { kinds[output.index] = .parameter }
      } else if rule != nil {
        kinds[node.outputs[0].index] = .grid
      }
      rules.append(rule)
    }
    (self.graph, self.input, self.target) = (graph, input.id, target.id)
    (self.kinds, self.rules, self.declare) = (kinds, rules, declare)
  }

  /// The extents of a value.
  func shape(_ id: ValueID) -> Shape { graph.values[id.index].shape }

  /// The bytes of a value.
  func bytes(_ id: ValueID) -> Int { shape(id).count * MemoryLayout<Float>.stride }

  /// What a value is.
  func kind(_ id: ValueID) -> Kind { kinds[id.index] }

  /// The node that yields a value; nil of inputs and parameters.
  func maker(_ id: ValueID) -> Int? {
    guard case .result(let node, _) = graph.values[id.index].role else { return nil }
    return node
  }

  /// The layer that a value belongs to, for messages.
  func layer(_ id: ValueID) -> String {
    guard let node = maker(id) else { return "the image" }
    let layer = graph.nodes[node].layer
    return layer.isEmpty || layer == "input" ? graph.nodes[node].operation.name : layer
  }

  /// The values, parameters apart, that a value is made of directly.
  func sources(_ id: ValueID) -> [ValueID] {
    guard let index = maker(id) else { return [] }
    let node = graph.nodes[index]
    switch rules[index] {
    case .unshuffling(_, let source), .shuffling(_, let source, _), .spreading(let source):
      return kind(source) == .parameter ? [] : [source]
    case .view(let input): return [node.inputs[input]]
    default: return node.inputs.filter { kind($0) != .parameter }
    }
  }

  /// The computed extents of a convolution's filter; nil of other nodes.
  func filter(_ node: Int) -> Shape? {
    guard case .convolution = rules[node] else { return nil }
    return shape(graph.nodes[node].inputs[1])
  }
}
