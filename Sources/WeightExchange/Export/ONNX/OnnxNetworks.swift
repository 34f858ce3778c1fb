import Autodiff

// What each operation of the networks is in ONNX.

extension Convolution: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let filter = t.shape(node.inputs[1])
    var inputs = [try t.planar(node.inputs[0]), try t.filter(node.inputs[1])]
    if node.inputs.count > 2 { inputs.append(try t.plain(node.inputs[2])) }
    let name = t.node(
      node, "Conv", inputs,
      [
        ("kernel_shape", .integers([filter[0], filter[1]])),
        ("strides", .integers([stride, stride])),
        ("pads", .integers([padding.top, padding.left, padding.bottom, padding.right])),
      ])
    t.put(node.outputs[0], planar: name)
  }
}

extension GroupNormalization: OnnxOperator {
  /// By instance normalization of the groups, which every version of the operators has.
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let shape = t.shape(node.inputs[0])
    guard shape.rank == 4 else {
      throw ExportError(
        "\(node.layer) normalizes what is no image, which ONNX export does not know.")
    }
    let x = try t.planar(node.inputs[0])
    let (ones, zeros) = ([Float](repeating: 1, count: groups), [Float](repeating: 0, count: groups))
    let rows = t.node(node, "Reshape", [x, t.onnx.integers([0, groups, -1])])
    let normal = t.node(
      node, "InstanceNormalization", [rows, t.onnx.numbers(ones), t.onnx.numbers(zeros)],
      [("epsilon", .number(epsilon))])
    var y = t.node(node, "Reshape", [normal, t.node(node, "Shape", [x])])
    y = t.node(node, "Mul", [y, try t.column(node.inputs[1])])
    y = t.node(node, "Add", [y, try t.column(node.inputs[2])])
    if activation == .silu { y = t.node(node, "Mul", [y, t.node(node, "Sigmoid", [y])]) }
    t.put(node.outputs[0], planar: y)
  }
}

extension NearestUpsampling: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let scales = t.onnx.numbers([1, 1, Float(factor), Float(factor)])
    let name = t.node(
      node, "Resize", [try t.planar(node.inputs[0]), "", scales],
      [
        ("mode", .text("nearest")), ("nearest_mode", .text("floor")),
        ("coordinate_transformation_mode", .text("asymmetric")),
      ])
    t.put(node.outputs[0], planar: name)
  }
}

extension Attention: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    guard heads == 1, !isCausal else {
      throw ExportError(
        "\(node.layer) attends with several heads, which ONNX export does not know.")
    }
    let scale = 1 / Float(t.shape(node.inputs[0]).channels).squareRoot()
    let keys = t.node(
      node, "Transpose", [try t.plain(node.inputs[1])], [("perm", .integers([0, 2, 1]))])
    let scores = t.node(node, "MatMul", [try t.plain(node.inputs[0]), keys])
    let scaled = t.node(node, "Mul", [scores, t.onnx.number(scale)])
    let weights = t.node(node, "Softmax", [scaled], [("axis", .integer(-1))])
    t.put(
      node.outputs[0], plain: t.node(node, "MatMul", [weights, try t.plain(node.inputs[2])]))
  }
}

// MARK: - Arrangement

extension Reshaping: OnnxOperator {
  /// Extents that stay are copied, one that changes is left open, others are computed.
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let (old, new) = (t.extents(node.inputs[0]), t.extents(node.outputs[0]))
    var list: [OnnxExtent?] = new.enumerated().map { index, extent in
      index < old.count && old[index] == extent ? nil : extent
    }
    if let open = list.lastIndex(where: { $0.map { !$0.isKnown } ?? false }) {
      list[open] = OnnxExtent(factor: -1, powers: [0, 0, 0])
    }
    let name = t.node(node, "Reshape", [try t.plain(node.inputs[0]), t.list(list)])
    t.put(node.outputs[0], plain: name)
  }
}

extension Permutation: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let name = t.node(
      node, "Transpose", [try t.plain(node.inputs[0])], [("perm", .integers(order))])
    t.put(node.outputs[0], plain: name)
  }
}

extension ChannelSlice: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let inputs = [
      try t.plain(node.inputs[0]), t.onnx.integers([start]), t.onnx.integers([start + channels]),
      t.onnx.integers([-1]),
    ]
    t.put(node.outputs[0], plain: t.node(node, "Slice", inputs))
  }
}

extension ChannelConcatenation: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    var inputs: [String] = []
    for input in node.inputs { inputs.append(try t.plain(input)) }
    t.put(node.outputs[0], plain: t.node(node, "Concat", inputs, [("axis", .integer(-1))]))
  }
}

// MARK: - Arithmetic

extension Elementwise: OnnxOperator {
  /// A node for each part of the formula; images stay in the order that they have.
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let isPlanar = node.inputs.contains(where: t.isPlanar)
    var inputs: [String] = []
    for input in node.inputs {
      inputs.append(isPlanar ? try t.planar(input) : try t.plain(input))
    }
    var writer = FormulaWriter(node: node, translator: t, inputs: inputs)
    let name = try writer.name(of: formula)
    t.put(node.outputs[0], name, isPlanar: isPlanar)
  }
}

/// The nodes of a formula, each part once.
private struct FormulaWriter {
  let node: OnnxTranslator.Recorded
  let translator: OnnxTranslator
  let inputs: [String]
  private var names: [Formula: String] = [:]

  init(node: OnnxTranslator.Recorded, translator: OnnxTranslator, inputs: [String]) {
    (self.node, self.translator, self.inputs) = (node, translator, inputs)
  }

  mutating func name(of formula: Formula) throws(ExportError) -> String {
    if let name = names[formula] { return name }
    let name: String
    switch formula {
    case .argument(let index): name = inputs[index]
    case .constant(let value): name = translator.number(value)
    case .unary(let function, let x): name = try unary(function, self.name(of: x))
    case .binary(let function, let a, let b):
      name = binary(function, try self.name(of: a), try self.name(of: b))
    case .choice(let condition, let a, let b):
      let isAbove = write("Greater", [try self.name(of: condition), translator.onnx.number(0)])
      name = write("Where", [isAbove, try self.name(of: a), try self.name(of: b)])
    }
    names[formula] = name
    return name
  }

  private func write(
    _ kind: String, _ inputs: [String], _ attributes: [(String, OnnxGraph.Attribute)] = []
  ) -> String {
    translator.node(node, kind, inputs, attributes)
  }

  private func unary(_ function: Formula.Unary, _ x: String) throws(ExportError) -> String {
    switch function {
    case .exponential: write("Exp", [x])
    case .logarithm: write("Log", [x])
    case .squareRoot: write("Sqrt", [x])
    case .magnitude: write("Abs", [x])
    case .sign: write("Sign", [x])
    case .relu: write("Relu", [x])
    case .silu: write("Mul", [x, write("Sigmoid", [x])])
    case .tanh: write("Tanh", [x])
    case .sigmoid: write("Sigmoid", [x])
    case .errorFunction: write("Erf", [x])
    case .sine: write("Sin", [x])
    case .cosine: write("Cos", [x])
    case .siluSlope, .tanhSlope, .sigmoidSlope:
      throw ExportError(
        "\(node.layer) has the function \(function.rawValue), which ONNX export does not know.")
    }
  }

  private func binary(_ function: Formula.Binary, _ a: String, _ b: String) -> String {
    /// Truth as a number.
    func number(_ kind: String) -> String {
      write(
        "Cast", [write(kind, [a, b])], [("to", .integer(OnnxGraph.Element.float.rawValue))])
    }
    return switch function {
    case .sum: write("Add", [a, b])
    case .difference: write("Sub", [a, b])
    case .product: write("Mul", [a, b])
    case .quotient: write("Div", [a, b])
    case .power: write("Pow", [a, b])
    case .maximum: write("Max", [a, b])
    case .minimum: write("Min", [a, b])
    case .isGreater: number("Greater")
    case .isEqual: number("Equal")
    }
  }
}

extension ChannelAffine: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let isPlanar = t.isPlanar(node.inputs[0])
    let extents = isPlanar ? [scale.count, 1, 1] : [scale.count]
    let x = isPlanar ? try t.planar(node.inputs[0]) : try t.plain(node.inputs[0])
    let scaled = t.node(node, "Mul", [x, t.onnx.numbers(scale, extents)])
    let name = t.node(node, "Add", [scaled, t.onnx.numbers(offset, extents)])
    t.put(node.outputs[0], name, isPlanar: isPlanar)
  }
}

extension AxisSum: OnnxOperator {
  /// A mean where the factor is one over the extent, which need not be known.
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let isMean = factor == 1 / Float(t.shape(node.inputs[0])[axis])
    var name = t.node(
      node, isMean ? "ReduceMean" : "ReduceSum",
      [try t.plain(node.inputs[0]), t.onnx.integers([axis])], [("keepdims", .integer(0))])
    if !isMean, factor != 1 { name = t.node(node, "Mul", [name, t.onnx.number(factor)]) }
    t.put(node.outputs[0], plain: name)
  }
}

extension AxisRepetition: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let row = t.node(
      node, "Unsqueeze", [try t.plain(node.inputs[0]), t.onnx.integers([axis])])
    var extents = [OnnxExtent?](
      repeating: OnnxExtent(factor: 1, powers: [0, 0, 0]), count: t.shape(node.outputs[0]).rank)
    extents[axis] = t.extents(node.outputs[0])[axis]
    var name = t.node(node, "Expand", [row, t.list(extents)])
    if factor != 1 { name = t.node(node, "Mul", [name, t.onnx.number(factor)]) }
    t.put(node.outputs[0], plain: name)
  }
}
