/// The record of a computation: values, and the operations that connect them, in order.
///
/// Model code appends by calling operations on tensors; `differentiate` appends the gradient.
/// A graph knows no numbers, no memory and no backend. Shape errors stop here, before any
/// data, with the name of the layer.
public final class Graph {
  /// One operation, with what it reads and yields.
  public struct Node: Sendable {
    /// What is done.
    public let operation: any Operator
    /// What it reads.
    public let inputs: [ValueID]
    /// What it yields.
    public let outputs: [ValueID]
    /// The path of the layer that it belongs to, for messages and traces.
    public let layer: String

    /// An operation with its inputs and outputs, for tests that make a wrong graph by hand.
    package init(
      operation: any Operator, inputs: [ValueID], outputs: [ValueID], layer: String
    ) {
      self.operation = operation
      self.inputs = inputs
      self.outputs = outputs
      self.layer = layer
    }
  }

  /// All values, in the order of their making.
  public internal(set) var values: [Value] = []
  /// All operations, in the order of their recording: each reads what those before it yield.
  public package(set) var nodes: [Node] = []
  /// The trained tensors, in the order of their declaration.
  public internal(set) var parameters: [Parameter] = []

  /// Values that were computed again for the reverse sweep, so that it is done once.
  var recomputed: [ValueID: ValueID] = [:]

  private var parameterValues: [ValueID] = []
  private var layer = ""

  /// Whether faults of the record are collected, or end the program.
  private let collectsFaults: Bool
  /// The first fault of the record, where faults are collected: then it is of no use.
  public private(set) var fault: String?

  /// An empty record.
  ///
  /// - Parameter collectingFaults: whether shapes that do not fit are told by ``fault``. They end the
  ///   program otherwise, as an index beyond an array does: no data can make them right.
  public init(collectingFaults: Bool = false) { collectsFaults = collectingFaults }

  /// Declares a value that is written from outside before each replay.
  public func input(_ name: String, _ shape: Shape, type: ElementType = .float32) -> Tensor {
    if values.contains(where: { $0.role == .input(name) }) {
      return refuse("input \(name) is declared twice; give each a name of its own")
    }
    guard shape.isUsable else {
      return refuse("input \(name) has the shape \(shape); extents are at least 1")
    }
    return makeValue(shape, type, .input(name))
  }

  /// Declares memory that lasts from replay to replay, as a cache does: zeros at first, then what an
  /// operation of the replay before left there.
  ///
  /// Only an operation that says so writes to it. Each lane has its own.
  public func state(_ name: String, _ shape: Shape) -> Tensor {
    if values.contains(where: { $0.role == .state(name) }) {
      return refuse("state \(name) is declared twice; give each a name of its own")
    }
    guard shape.isUsable else {
      return refuse("state \(name) has the shape \(shape); extents are at least 1")
    }
    return makeValue(shape, .float32, .state(name))
  }

  /// What is recorded in the place of something that cannot be: it ends the program, unless faults are
  /// collected.
  ///
  /// - Parameters:
  ///   - reason: what was expected, and what was found.
  ///   - tensor: what it stands in for is shaped like this; its own shape is of no use.
  public func refuse(_ reason: String, like tensor: Tensor? = nil) -> Tensor {
    refuse(reason, in: tensor.map { layerName(of: [$0]) } ?? "", tensor?.shape ?? [1])
  }

  private func refuse(_ reason: String, in layer: String, _ shape: Shape) -> Tensor {
    let words = layer.isEmpty || layer == "input" ? reason : layer + ": " + reason
    guard collectsFaults else { fatalError(words) }
    fault = fault ?? words
    return makeValue(shape, .float32, .input(""))
  }

  /// The handle of a declared parameter.
  public func tensor(ofParameter index: Int) -> Tensor {
    Tensor(graph: self, id: parameterValues[index])
  }

  /// The handle of a recorded value.
  public func tensor(of id: ValueID) -> Tensor { Tensor(graph: self, id: id) }

  func declare(_ parameter: Parameter) -> Tensor {
    if parameters.contains(where: { $0.name == parameter.name }) {
      return refuse("parameter \(parameter.name) is declared twice; give each layer its own scope")
    }
    guard parameter.shape.isUsable else {
      return refuse(
        "parameter \(parameter.name) has the shape \(parameter.shape); extents are at least 1")
    }
    parameters.append(parameter)
    let tensor = makeValue(parameter.shape, .float32, .parameter(parameters.count - 1))
    parameterValues.append(tensor.id)
    return tensor
  }

  /// Appends an operation and returns its outputs.
  ///
  /// The shapes of the inputs are checked by the operation's own rule; an error ends the program with
  /// the name of the layer, as no data can make it right.
  @discardableResult
  public func append(_ operation: some Operator, _ inputs: [Tensor]) -> [Tensor] {
    if fault != nil { return standIns(for: inputs) }
    for input in inputs where input.graph !== self {
      return standIns(for: inputs, "\(operation.name) mixes tensors of two graphs")
    }
    let layer = layerName(of: inputs)
    let outcome: [OutputDeclaration]
    do {
      outcome = try operation.outputs(of: inputs.map { $0.declaration })
    } catch {
      let shapes = inputs.map { $0.shape.description }.joined(separator: ", ")
      return standIns(
        for: inputs, "\(operation.name) \(error.reason); it was given \(shapes)")
    }
    for output in outcome where !output.shape.isUsable {
      return standIns(
        for: inputs, "\(operation.name) would yield the shape \(output.shape)")
    }
    let node = nodes.count
    let outputs = outcome.enumerated().map { index, output in
      makeValue(output.shape, output.type, .result(node: node, output: index))
    }
    nodes.append(
      Node(
        operation: operation, inputs: inputs.map(\.id), outputs: outputs.map(\.id), layer: layer))
    return outputs
  }

  /// Outputs of an operation that cannot be recorded: as many as any operation has.
  private func standIns(for inputs: [Tensor], _ reason: String = "") -> [Tensor] {
    let known = inputs.filter { $0.graph === self }
    let standIn = refuse(reason, in: layerName(of: known), known.first?.shape ?? [1])
    return Array(repeating: standIn, count: 4)
  }

  /// Runs a closure whose operations all belong to the given layer.
  func inLayer<R>(_ name: String, _ body: () -> R) -> R {
    let outer = layer
    layer = name
    defer { layer = outer }
    return body()
  }

  /// The layer in force, else that of the parameter among the inputs, else that of the first
  /// input's maker.
  private func layerName(of inputs: [Tensor]) -> String {
    if !layer.isEmpty { return layer }
    for input in inputs {
      if case .parameter(let index) = values[input.id.index].role {
        let parts = parameters[index].name.split(separator: ".")
        return parts.dropLast().joined(separator: ".")
      }
    }
    for input in inputs {
      if case .result(let node, _) = values[input.id.index].role { return nodes[node].layer }
    }
    return "input"
  }

  private func makeValue(_ shape: Shape, _ type: ElementType, _ role: Value.Role) -> Tensor {
    values.append(Value(shape: shape, type: type, role: role))
    return Tensor(graph: self, id: ValueID(values.count - 1))
  }
}

extension Tensor {
  var declaration: OutputDeclaration { OutputDeclaration(shape, type) }

  /// Appends an operation on this and further tensors, and returns its first output.
  public func apply(_ operation: some Operator, _ others: Tensor...) -> Tensor {
    graph.append(operation, [self] + others)[0]
  }
}
