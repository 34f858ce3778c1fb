import Autodiff

/// One operation under test: how the engine is asked for it, and its slow, obvious twin.
///
/// The case drives three questions: is the value right, is the gradient right, and does every
/// operation that a backend must execute occur in some case.
public struct OperationCase: Sendable, CustomStringConvertible {
  /// One input of a case.
  public struct Input: Sendable {
    /// The extents.
    public let shape: Shape
    /// The numbers.
    public let values: [Float]
    /// Whether the gradient with respect to it is checked.
    public let isDifferentiated: Bool
    /// Whether the numbers are indices.
    public let isIndex: Bool

    /// Numbers in `[-amplitude, amplitude)`, drawn from a name, moved by an offset.
    public static func numbers(
      _ shape: Shape, _ name: String = "x", amplitude: Float = 1, offset: Float = 0,
      isDifferentiated: Bool = true
    ) -> Input {
      let values = HashedNumbers.values(name, count: shape.count, amplitude: amplitude)
      return Input(
        shape: shape, values: values.map { $0 + offset }, isDifferentiated: isDifferentiated,
        isIndex: false)
    }

    /// Given numbers.
    public static func values(
      _ shape: Shape, _ values: [Float], isDifferentiated: Bool = true
    ) -> Input {
      Input(shape: shape, values: values, isDifferentiated: isDifferentiated, isIndex: false)
    }

    /// Given indices.
    public static func indices(_ shape: Shape, _ values: [Float]) -> Input {
      Input(shape: shape, values: values, isDifferentiated: false, isIndex: true)
    }
  }

  /// What is tested.
  public let name: String
  /// What it is given.
  public let inputs: [Input]
  /// How far the value may be off, relative to 1 and to the value.
  public let tolerance: Double
  /// How model code asks for it.
  public let build: @Sendable ([Tensor]) -> Tensor
  /// The value, obviously.
  public let reference: @Sendable ([DoubleTensor]) -> DoubleTensor
  /// The function whose derivative the gradient must be, where that is not the reference: a
  /// straight-through estimator promises the derivative of something else.
  public let surrogate: @Sendable ([DoubleTensor]) -> DoubleTensor

  /// A case.
  public init(
    _ name: String, _ inputs: [Input], tolerance: Double = 2e-5,
    build: @escaping @Sendable ([Tensor]) -> Tensor,
    reference: @escaping @Sendable ([DoubleTensor]) -> DoubleTensor,
    surrogate: (@Sendable ([DoubleTensor]) -> DoubleTensor)? = nil
  ) {
    self.name = name
    self.inputs = inputs
    self.tolerance = tolerance
    self.build = build
    self.reference = reference
    self.surrogate = surrogate ?? reference
  }

  /// The name.
  public var description: String { name }

  /// The case's graph: its inputs, its output, and a loss that weighs every element of the
  /// output by a number of its own.
  public func record() -> (graph: Graph, inputs: [Tensor], output: Tensor, loss: Tensor) {
    let graph = Graph()
    let tensors = inputs.enumerated().map { index, input in
      graph.input("input\(index)", input.shape, type: input.isIndex ? .index : .float32)
    }
    let output = build(tensors)
    let weights = graph.input("weights", output.shape)
    return (graph, tensors, output, (output * weights).sum())
  }

  /// The numbers of the inputs, by name.
  public func numbers(outputCount: Int) -> [String: [Float]] {
    var numbers = ["weights": HashedNumbers.values("weights", count: outputCount)]
    for (index, input) in inputs.enumerated() { numbers["input\(index)"] = input.values }
    return numbers
  }
}
