import Autodiff

/// An operation that the ONNX export knows: a conformance says which nodes compute it.
protocol OnnxOperator: Operator {
  /// Adds the nodes of a recorded operation.
  func translate(_ node: OnnxTranslator.Recorded, to translator: OnnxTranslator) throws(ExportError)
}

/// Turns a recorded graph into an ONNX graph, operation by operation.
///
/// A recorded image is `[N, H, W, C]`, one of ONNX `[N, C, H, W]`. A value has a name in whichever of the two
/// orders it was made, and in the other one too as soon as somebody wants it so.
final class OnnxTranslator {
  /// One operation of the record.
  typealias Recorded = Graph.Node

  /// The graph that is made.
  var onnx: OnnxGraph

  private let graph: Graph
  private let primes: GridPrimes
  private var places: [ValueID: Places] = [:]
  private var grid: (source: String, pixels: Int)?
  private var namesOfGrid: [Int: String] = [:]
  private var namesOfExtents: [OnnxExtent: String] = [:]

  /// The names of a value.
  private struct Places {
    /// As it was recorded.
    var plain: String?
    /// An image with its channels in front of height and width.
    var planar: String?
  }

  /// A translator of a graph that was recorded with some primes as extents.
  init(_ graph: Graph, primes: GridPrimes, name: String) {
    (self.graph, self.primes) = (graph, primes)
    onnx = OnnxGraph(name: name)
  }

  // MARK: The whole

  /// Translates all that some value depends on.
  func translate(upTo result: Tensor) throws(ExportError) {
    var isNeeded = Set([result.id])
    for node in graph.nodes.reversed() where node.outputs.contains(where: isNeeded.contains) {
      let inputs = node.operation.viewedInput.flatMap { isView(node) ? [node.inputs[$0]] : nil }
      isNeeded.formUnion(inputs ?? node.inputs)
    }
    for node in graph.nodes where node.outputs.contains(where: isNeeded.contains) {
      if let viewed = node.operation.viewedInput, isView(node) {
        if places[node.inputs[viewed]] == nil { _ = try plain(node.inputs[viewed]) }
        places[node.outputs[0]] = places[node.inputs[viewed]]
      } else if let operation = node.operation as? any OnnxOperator {
        try operation.translate(node, to: self)
      } else {
        throw ExportError(
          "\(node.layer) has the operation \"\(node.operation.name)\", which ONNX export does not "
            + "know. Use python/tessera.py.")
      }
    }
  }

  /// Whether the output is the input, extents included: what stops or steers gradients.
  private func isView(_ node: Recorded) -> Bool {
    guard let viewed = node.operation.viewedInput else { return false }
    return shape(node.inputs[viewed]) == shape(node.outputs[0])
  }

  // MARK: Extents

  /// Declares the value of which the first three extents are the batch, the rows and the columns.
  ///
  /// - Parameter pixels: how many of its rows, and columns, are one of the grid.
  func declareGrid(_ source: String, pixels: Int) { grid = (source, pixels) }

  /// A one-element tensor with the batch, the rows or the columns.
  private func gridExtent(_ index: Int) -> String {
    if let name = namesOfGrid[index] { return name }
    guard let grid else { preconditionFailure("a translator knows its grid") }
    let shape = onnx.node("Shape", [grid.source])
    var name = onnx.node("Gather", [shape, onnx.integers([index])], [("axis", .integer(0))])
    if index > 0, grid.pixels > 1 { name = onnx.node("Div", [name, onnx.integers([grid.pixels])]) }
    namesOfGrid[index] = name
    return name
  }

  /// The recorded extents of a value.
  func shape(_ id: ValueID) -> Shape { graph.values[id.index].shape }

  /// The extents of a value, as they depend on the images.
  func extents(_ id: ValueID) -> [OnnxExtent] { shape(id).dimensions.map(primes.extent) }

  /// A list of whole numbers that holds extents; those that depend on the images are computed by nodes, and
  /// nil is 0, which means an extent that stays.
  func list(_ extents: [OnnxExtent?]) -> String {
    guard extents.contains(where: { $0.map { !$0.isKnown } ?? false }) else {
      return onnx.integers(extents.map { $0?.factor ?? 0 })
    }
    let parts = extents.map { extent in
      extent.map { name(of: $0) } ?? onnx.integers([0])
    }
    return onnx.node("Concat", parts, [("axis", .integer(0))])
  }

  private func name(of extent: OnnxExtent) -> String {
    if extent.isKnown { return onnx.integers([extent.factor]) }
    if let name = namesOfExtents[extent] { return name }
    var factors: [String] = []
    for (index, power) in extent.powers.enumerated() where power > 0 {
      factors += Array(repeating: gridExtent(index), count: power)
    }
    if extent.factor != 1 { factors.append(onnx.integers([extent.factor])) }
    var name = factors[0]
    for factor in factors.dropFirst() { name = onnx.node("Mul", [name, factor]) }
    namesOfExtents[extent] = name
    return name
  }

  /// A number of a formula: the degrees of freedom of a grid, its places less one, are computed, all others are
  /// constants.
  ///
  /// That it is the one and not a constant like it shows where the graph is recorded with other extents.
  func number(_ value: Float) -> String {
    guard value == Float(primes.values[1] * primes.values[2] - 1) else {
      return onnx.number(value)
    }
    let places = name(of: OnnxExtent(factor: 1, powers: [0, 1, 1]))
    let count = onnx.node(
      "Cast", [places], [("to", .integer(OnnxGraph.Element.float.rawValue))])
    return onnx.node("Max", [onnx.node("Sub", [count, onnx.number(1)]), onnx.number(1)])
  }

  // MARK: Values

  /// Gives a recorded value a name.
  func put(_ id: ValueID, plain name: String) { places[id] = Places(plain: name) }

  /// Gives a recorded image a name, with its channels in front of height and width.
  func put(_ id: ValueID, planar name: String) { places[id] = Places(planar: name) }

  /// Gives a recorded value a name, in the one order or the other.
  func put(_ id: ValueID, _ name: String, isPlanar: Bool) {
    if isPlanar { put(id, planar: name) } else { put(id, plain: name) }
  }

  /// Whether a value is an image that is only there with its channels in front.
  func isPlanar(_ id: ValueID) -> Bool {
    places[id].map { $0.plain == nil && $0.planar != nil } ?? false
  }

  /// The name of a value as it was recorded.
  func plain(_ id: ValueID) throws(ExportError) -> String {
    if let name = places[id]?.plain { return name }
    if let planar = places[id]?.planar {
      let name = onnx.node("Transpose", [planar], [("perm", .integers([0, 2, 3, 1]))])
      places[id]?.plain = name
      return name
    }
    let name = try weight(id, shape(id).dimensions, layouts: [.same])
    places[id] = Places(plain: name)
    return name
  }

  /// The name of an image with its channels in front of height and width.
  func planar(_ id: ValueID) throws(ExportError) -> String {
    if let name = places[id]?.planar { return name }
    let plain = try plain(id)
    let name = onnx.node("Transpose", [plain], [("perm", .integers([0, 3, 1, 2]))])
    places[id]?.planar = name
    return name
  }

  /// The name of a filter `[kh, kw, in, out]`, as `[out, in, kh, kw]`: a checkpoint holds it so.
  func filter(_ id: ValueID) throws(ExportError) -> String {
    let filter = shape(id)
    if case .parameter = graph.values[id.index].role {
      return try weight(
        id, [filter[3], filter[2], filter[0], filter[1]], layouts: [.convolution, .linear])
    }
    return onnx.node("Transpose", [try plain(id)], [("perm", .integers([3, 2, 0, 1]))])
  }

  /// The name of a value of each channel `[C]`, as `[C, 1, 1]`: beside images with their channels in front.
  func column(_ id: ValueID) throws(ExportError) -> String {
    if case .parameter = graph.values[id.index].role {
      return try weight(id, [shape(id).channels, 1, 1], layouts: [.same])
    }
    return onnx.node("Unsqueeze", [try plain(id), onnx.integers([1, 2])])
  }

  /// The name of a parameter under some extents, in the order of a checkpoint.
  ///
  /// - Parameter layouts: how a checkpoint may hold it.
  func weight(
    _ id: ValueID, _ extents: [Int], layouts: Set<Parameter.FileLayout>
  ) throws(ExportError) -> String {
    guard case .parameter(let index) = graph.values[id.index].role,
      layouts.contains(graph.parameters[index].fileLayout)
    else {
      throw ExportError(
        "a value of the network is used in a way that ONNX export does not know. Use "
          + "python/tessera.py.")
    }
    return onnx.weight(
      OnnxGraph.Weight(parameter: graph.parameters[index].name, extents: extents))
  }

  /// Adds a node for a recorded operation: its name begins with the layer.
  func node(
    _ recorded: Recorded, _ kind: String, _ inputs: [String],
    _ attributes: [(String, OnnxGraph.Attribute)] = []
  ) -> String {
    onnx.node(kind, inputs, attributes, layer: recorded.layer)
  }
}
