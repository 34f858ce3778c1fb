import Autodiff
import TestSupport

/// One case of `operations.safetensors`: what PyTorch was asked, and how to ask the engine.
struct GoldenCase: @unchecked Sendable, CustomStringConvertible {
  // Unchecked: the parameters are JSON, read only.

  /// How a tensor is laid out in PyTorch, next to the engine's.
  enum Layout {
    case same, image, filter, linear, rows, scalar

    /// The engine's extents.
    func shape(_ extents: [Int]) -> Shape {
      switch self {
      case .same: return Shape(extents)
      case .image: return [extents[0], extents[2], extents[3], extents[1]]
      case .filter: return [extents[2], extents[3], extents[1], extents[0]]
      case .linear: return [1, 1, extents[1], extents[0]]
      case .rows: return [1, 1, extents[0], extents[1]]
      case .scalar: return .scalar
      }
    }

    /// PyTorch's numbers in the engine's order.
    func ours(_ numbers: [Float], _ extents: [Int]) -> [Float] {
      switch self {
      case .same, .rows, .scalar: return numbers
      case .image: return TensorLayout.channelsLast(numbers, extents)
      case .filter: return TensorLayout.permute(numbers, extents, [2, 3, 1, 0])
      case .linear: return TensorLayout.permute(numbers, extents, [1, 0])
      }
    }

    /// The engine's numbers in PyTorch's order; `extents` are PyTorch's.
    func theirs(_ numbers: [Float], _ extents: [Int]) -> [Float] {
      switch self {
      case .same, .rows, .scalar: return numbers
      case .image: return TensorLayout.channelsFirst(numbers, extents)
      case .filter:
        return TensorLayout.permute(numbers, shape(extents).dimensions, [3, 2, 0, 1])
      case .linear: return TensorLayout.permute(numbers, [extents[1], extents[0]], [1, 0])
      }
    }
  }

  enum Quantizer { case vector, finiteScalar }

  struct Input {
    let name: String
    let shape: [Int]
    let values: [Float]
    let layout: Layout
  }

  let name: String
  let operation: String
  let parameters: [String: Any]
  let inputs: [Input]
  let file: GoldenFile

  var description: String { name }

  static func all() throws -> [GoldenCase] {
    let file = try GoldenFile("operations")
    let described = try file.json("cases") as? [[String: Any]] ?? []
    return described.map { GoldenCase($0, file) }
  }

  private init(_ described: [String: Any], _ file: GoldenFile) {
    let name = described["name"] as? String ?? ""
    let operation = described["operation"] as? String ?? ""
    self.name = name
    self.operation = operation
    self.file = file
    parameters = described["parameters"] as? [String: Any] ?? [:]
    inputs = (described["inputs"] as? [[String: Any]] ?? []).map { input in
      let key = input["name"] as? String ?? ""
      let shape = input["shape"] as? [Int] ?? []
      let amplitude = (input["amplitude"] as? Double).map(Float.init) ?? 0
      return Input(
        name: key, shape: shape,
        values: HashedNumbers.values(
          name + "." + key, count: shape.reduce(1, *), amplitude: amplitude),
        layout: Self.layout(operation, key, shape))
    }
  }

  private static func layout(_ operation: String, _ key: String, _ shape: [Int]) -> Layout {
    switch (operation, key, shape.count) {
    case ("convolution", "w", _): return .filter
    case ("linear", "w", _): return .linear
    case ("linear", "x", _): return .rows
    case (_, _, 4): return .image
    default: return .same
    }
  }

  var quantizer: Quantizer? {
    if operation == "vectorQuantizer" { return .vector }
    return operation.hasPrefix("finiteScalar") ? .finiteScalar : nil
  }

  var outputLayout: Layout {
    switch operation {
    case "linear": return .rows
    case "attention": return .same
    case "meanSquaredError", "meanAbsoluteError": return .scalar
    default: return .image
    }
  }

  /// The gradient that the output is weighed with, in PyTorch's order.
  func upstream(_ extents: [Int]) -> [Float] {
    HashedNumbers.values(name + ".g", count: extents.reduce(1, *))
  }

  /// The operation, asked of the engine; nil for a name it has no answer to.
  func build(_ x: [Tensor]) -> Tensor? {
    switch operation {
    case "convolution":
      // The padding is [left, right, top, bottom].
      let padding = parameters["padding"] as? [Int] ?? []
      return x[0].convolved(
        with: x[1], bias: x[2],
        Convolution(
          stride: parameters["stride"] as? Int ?? 0,
          padding: .init(
            top: padding[2], bottom: padding[3], left: padding[0], right: padding[1])))
    case "linear": return x[0].convolved(with: x[1], bias: x[2], Convolution())
    case "groupNorm", "groupNormSiLU":
      return x[0].groupNormalized(
        groups: parameters["groups"] as? Int ?? 0, scale: x[1], shift: x[2],
        epsilon: Float(parameters["epsilon"] as? Double ?? 0),
        activation: operation == "groupNorm" ? .identity : .silu)
    case "silu": return silu(x[0])
    case "relu": return relu(x[0])
    case "tanh": return Autodiff.tanh(x[0])
    case "sigmoid": return sigmoid(x[0])
    case "upsampleNearest": return x[0].upsampled(by: parameters["factor"] as? Int ?? 0)
    case "attention":
      let scale = 1 / Float(x[0].shape[2]).squareRoot()
      return matrixProduct(
        matrixProduct(x[0], x[1], transposingSecond: true).softmax(scale: scale), x[2])
    case "meanSquaredError": return meanSquaredError(x[0], x[1])
    case "meanAbsoluteError": return meanAbsoluteError(x[0], x[1])
    case "add": return x[0] + x[1]
    case "subtract": return x[0] - x[1]
    case "multiply": return x[0] * x[1]
    case "scale": return x[0] * Float(parameters["by"] as? Double ?? 0)
    default: return nil
    }
  }
}
