import Files

/// A graph of the Open Neural Network Exchange format, as nodes are added; every value has a name.
///
/// Only what tokenizers need of it. The numbers of the fields are those of `onnx.proto`.
struct OnnxGraph {
  /// What elements are, as `TensorProto` counts them.
  enum Element: Int {
    case float = 1
    case byte = 2
    case int64 = 7
  }

  /// The value of a node's attribute.
  enum Attribute {
    case integer(Int)
    case number(Float)
    case text(String)
    case integers([Int])
  }

  /// An input or an output: extents that are not known have a name.
  struct Port {
    enum Extent {
      case known(Int)
      case named(String)
    }
    let name: String
    let element: Element
    let extents: [Extent]
  }

  /// A tensor of the checkpoint that the graph reads.
  struct Weight: Hashable {
    /// Its name in the checkpoint.
    let parameter: String
    /// Its extents here, of as many elements.
    let extents: [Int]
  }

  /// The version of the operators: the first in which every reduction takes its axes as an input.
  static let operatorVersion = 18
  /// The version of the format that came with it.
  static let formatVersion = 8

  /// What the graph is called.
  let name: String
  private(set) var inputs: [Port] = []
  private(set) var outputs: [Port] = []
  private(set) var nodes: [ProtobufMessage] = []
  private(set) var constants: [ProtobufMessage] = []
  private(set) var weights: [Weight] = []

  private var namesOfConstants: [String: String] = [:]
  private var namesOfWeights: [Weight: String] = [:]

  /// An empty graph.
  init(name: String) { self.name = name }

  // MARK: Building

  /// Declares an input.
  mutating func input(_ port: Port) -> String {
    inputs.append(port)
    return port.name
  }

  /// Declares a value as an output.
  mutating func output(_ port: Port, from value: String) {
    append("Identity", [value], [], name: port.name)
    outputs.append(port)
  }

  /// Adds a node of one output; the name of that.
  ///
  /// - Parameters:
  ///   - kind: the operator.
  ///   - inputs: names of values; an empty one leaves an optional input out.
  ///   - layer: what it belongs to, the beginning of its name.
  mutating func node(
    _ kind: String, _ inputs: [String], _ attributes: [(String, Attribute)] = [],
    layer: String = ""
  ) -> String {
    let name = (layer.isEmpty ? "" : layer + "/") + "\(kind).\(nodes.count)"
    append(kind, inputs, attributes, name: name)
    return name
  }

  private mutating func append(
    _ kind: String, _ inputs: [String], _ attributes: [(String, Attribute)], name: String
  ) {
    var node = ProtobufMessage()
    for input in inputs { node.add(1, text: input) }
    node.add(2, text: name)
    node.add(3, text: name)
    node.add(4, text: kind)
    for (key, value) in attributes { node.add(5, message: Self.attribute(key, value)) }
    nodes.append(node)
  }

  private static func attribute(_ key: String, _ value: Attribute) -> ProtobufMessage {
    var attribute = ProtobufMessage()
    attribute.add(1, text: key)
    switch value {
    case .number(let number):
      attribute.add(2, float: number)
      attribute.add(20, integer: 1)
    case .integer(let integer):
      attribute.add(3, integer: integer)
      attribute.add(20, integer: 2)
    case .text(let text):
      attribute.add(4, text: text)
      attribute.add(20, integer: 3)
    case .integers(let integers):
      for integer in integers { attribute.add(8, integer: integer) }
      attribute.add(20, integer: 7)
    }
    return attribute
  }

  /// The name of a constant tensor of numbers; without extents it is one number.
  mutating func numbers(_ values: [Float], _ extents: [Int]? = nil) -> String {
    let bytes = values.map(\.bitPattern.littleEndian).withUnsafeBytes { Array($0) }
    return constant(.float, bytes, extents ?? [values.count])
  }

  /// The name of a constant number.
  mutating func number(_ value: Float) -> String { numbers([value], []) }

  /// The name of a constant list of whole numbers.
  mutating func integers(_ values: [Int]) -> String {
    let bytes = values.map { Int64($0).littleEndian }.withUnsafeBytes { Array($0) }
    return constant(.int64, bytes, [values.count])
  }

  private mutating func constant(_ element: Element, _ bytes: [UInt8], _ extents: [Int]) -> String {
    let key = "\(element) \(extents) \(bytes)"
    if let name = namesOfConstants[key] { return name }
    let name = "constant.\(constants.count)"
    namesOfConstants[key] = name
    constants.append(Self.tensor(name, element, extents, bytes))
    return name
  }

  /// The name of a tensor of the checkpoint, which is written with the graph.
  mutating func weight(_ weight: Weight) -> String {
    if let name = namesOfWeights[weight] { return name }
    let isAgain = weights.contains { $0.parameter == weight.parameter }
    let name = weight.parameter + (isAgain ? " \(weight.extents)" : "")
    namesOfWeights[weight] = name
    weights.append(weight)
    return name
  }

  // MARK: Writing

  /// Bytes of all weights.
  var weightBytes: Int { weights.reduce(0) { $0 + 4 * $1.extents.reduce(1, *) } }

  /// The graph without its weights.
  var skeleton: ProtobufMessage {
    var graph = ProtobufMessage()
    for node in nodes { graph.add(1, message: node) }
    graph.add(2, text: name)
    for constant in constants { graph.add(5, message: constant) }
    for port in inputs { graph.add(11, message: Self.value(port)) }
    for port in outputs { graph.add(12, message: Self.value(port)) }
    return graph
  }

  /// Writes a model file, complete or not at all.
  ///
  /// - Parameters:
  ///   - metadata: texts by name, for whoever asks what the file is.
  ///   - read: the elements of a parameter, in the order of a checkpoint.
  func write(
    to path: String, metadata: [(String, String)], reading read: (String) throws -> [Float]
  ) throws {
    var graph = skeleton
    for weight in weights {
      let bytes = try read(weight.parameter).map(\.bitPattern.littleEndian)
        .withUnsafeBytes { Array($0) }
      let name = namesOfWeights[weight]!
      graph.add(5, message: Self.tensor(name, .float, weight.extents, bytes))
    }
    var model = ProtobufMessage()
    model.add(1, integer: Self.formatVersion)
    model.add(2, text: "tessera")
    for (key, value) in metadata {
      var pair = ProtobufMessage()
      pair.add(1, text: key)
      pair.add(2, text: value)
      model.add(14, message: pair)
    }
    var operators = ProtobufMessage()
    operators.add(1, text: "")
    operators.add(2, integer: Self.operatorVersion)
    model.add(8, message: operators)
    // The last field, so that its bytes need not be copied into the model's.
    model.add(7, lengthOf: graph)
    let file = try AtomicFile(path: path)
    try file.append(model.bytes)
    try file.append(graph.bytes)
    try file.finish()
  }

  private static func tensor(
    _ name: String, _ element: Element, _ extents: [Int], _ bytes: [UInt8]
  ) -> ProtobufMessage {
    var tensor = ProtobufMessage()
    for extent in extents { tensor.add(1, integer: extent) }
    tensor.add(2, integer: element.rawValue)
    tensor.add(8, text: name)
    tensor.add(9, bytes: bytes)
    return tensor
  }

  private static func value(_ port: Port) -> ProtobufMessage {
    var shape = ProtobufMessage()
    for extent in port.extents {
      var dimension = ProtobufMessage()
      switch extent {
      case .known(let count): dimension.add(1, integer: count)
      case .named(let name): dimension.add(2, text: name)
      }
      shape.add(1, message: dimension)
    }
    var tensor = ProtobufMessage()
    tensor.add(1, integer: port.element.rawValue)
    tensor.add(2, message: shape)
    var type = ProtobufMessage()
    type.add(1, message: tensor)
    var value = ProtobufMessage()
    value.add(1, text: port.name)
    value.add(2, message: type)
    return value
  }
}
