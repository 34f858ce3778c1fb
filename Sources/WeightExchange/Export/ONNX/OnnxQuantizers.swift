import Autodiff
import Forms
import Foundation

// What each operation of the quantizers is in ONNX. Indices are 64-bit integers there.

extension SquaredNorms: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let name = t.node(
      node, "ReduceSumSquare", [try t.plain(node.inputs[0]), t.onnx.integers([1])],
      [("keepdims", .integer(0))])
    t.put(node.outputs[0], plain: name)
  }
}

extension NearestCode: OnnxOperator {
  /// The least of `|e|^2 - 2 z . e`, the first of equals; all scores are held at once.
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let codes = t.node(
      node, "Transpose", [try t.plain(node.inputs[1])], [("perm", .integers([1, 0]))])
    let twice = t.node(node, "Mul", [codes, t.onnx.number(-2)])
    let products = t.node(node, "MatMul", [try t.plain(node.inputs[0]), twice])
    let scores = t.node(node, "Add", [products, try t.plain(node.inputs[2])])
    let name = t.node(
      node, "ArgMin", [scores], [("axis", .integer(-1)), ("keepdims", .integer(0))])
    t.put(node.outputs[0], plain: name)
  }
}

extension Gathering: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let inputs = [try t.plain(node.inputs[0]), try t.plain(node.inputs[1])]
    t.put(node.outputs[0], plain: t.node(node, "Gather", inputs, [("axis", .integer(0))]))
  }
}

extension RowNormalization: OnnxOperator {
  /// A row shorter than 1e-6 becomes zeros.
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let x = try t.plain(node.inputs[0])
    let length = t.node(
      node, "ReduceL2", [x, t.onnx.integers([-1])], [("keepdims", .integer(1))])
    let isShort = t.node(node, "Less", [length, t.onnx.number(1e-6)])
    let divided = t.node(node, "Div", [x, length])
    t.put(
      node.outputs[0], plain: t.node(node, "Where", [isShort, t.onnx.number(0), divided]))
  }
}

extension SignBits: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let isAbove = t.node(node, "Greater", [try t.plain(node.inputs[0]), t.onnx.number(0)])
    let float = OnnxGraph.Element.float.rawValue
    t.put(
      node.outputs[0], plain: t.node(node, "Cast", [isAbove], [("to", .integer(float))]))
  }
}

extension LevelBound: OnnxOperator {
  /// The formulas of ``Tokenizers/FiniteScalarQuantizer``, with constants of each channel.
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    var z = try t.plain(node.inputs[0])
    let tops = levels.map { Float($0 - 1) }
    switch form {
    case .sigmoid, .ifsq:
      if form == .ifsq { z = t.node(node, "Mul", [z, t.onnx.number(1.6)]) }
      let squashed = t.node(node, "Sigmoid", [z])
      t.put(
        node.outputs[0], plain: t.node(node, "Mul", [squashed, t.onnx.numbers(tops)]))
    default:
      let isWide = form.rawValue == "tanh-wide"
      let halves = levels.map { Double($0 - 1) * (1 + (isWide ? 1e-3 : -1e-3)) / 2 }
      let offsets = levels.map { $0 % 2 == 0 ? 0.5 : 0 }
      let shifts = zip(offsets, halves).map { isWide ? atanh($0 / $1) : tan($0 / $1) }
      let middles = zip(levels, offsets).map { Double($0 / 2) - $1 }
      let shifted = t.node(node, "Add", [z, t.onnx.numbers(shifts.map { Float($0) })])
      let squashed = t.node(node, "Tanh", [shifted])
      let scaled = t.node(
        node, "Mul", [squashed, t.onnx.numbers(halves.map { Float($0) })])
      t.put(
        node.outputs[0],
        plain: t.node(node, "Add", [scaled, t.onnx.numbers(middles.map { Float($0) })]))
    }
  }
}

extension Rounding: OnnxOperator {
  /// Half to even, as here.
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    t.put(node.outputs[0], plain: t.node(node, "Round", [try t.plain(node.inputs[0])]))
  }
}

extension DigitPacking: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let digits = t.node(
      node, "Cast", [try t.plain(node.inputs[0])],
      [("to", .integer(OnnxGraph.Element.int64.rawValue))])
    let weighted = t.node(node, "Mul", [digits, t.onnx.integers(basis(of: levels))])
    let name = t.node(
      node, "ReduceSum", [weighted, t.onnx.integers([-1])], [("keepdims", .integer(0))])
    t.put(node.outputs[0], plain: name)
  }
}

extension DigitUnpacking: OnnxOperator {
  func translate(_ node: OnnxTranslator.Recorded, to t: OnnxTranslator) throws(ExportError) {
    let column = t.node(
      node, "Unsqueeze", [try t.plain(node.inputs[0]), t.onnx.integers([-1])])
    let divided = t.node(node, "Div", [column, t.onnx.integers(basis(of: levels))])
    let digits = t.node(node, "Mod", [divided, t.onnx.integers(levels.map(Int.init))])
    let float = OnnxGraph.Element.float.rawValue
    t.put(
      node.outputs[0], plain: t.node(node, "Cast", [digits], [("to", .integer(float))]))
  }
}

/// What a digit of each channel counts: the product of the levels before it.
private func basis(of levels: [Int32]) -> [Int] {
  var product = 1
  return levels.map { level in
    defer { product *= Int(level) }
    return product
  }
}
