/// What every operation states of itself: the shapes it yields, and its gradient.
///
/// Both stand in one file with the function that model code calls. A gradient is made of
/// operations, appended to the same graph; gradient operations have no gradient of their own,
/// as second derivatives are out of scope.
protocol Operator: Sendable, Hashable {
  /// The extents and element types of the outputs, or why the inputs do not fit.
  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration]

  /// The gradient with respect to each input, `nil` where there is none.
  func gradients(_ context: GradientContext) -> [Tensor?]

  /// The multiply-adds of the direct algorithm, where products are what the operation is about;
  /// 0 for what a pass over memory does.
  func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int
}

extension Operator {
  func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int { 0 }

  func gradients(_ context: GradientContext) -> [Tensor?] {
    Array(repeating: nil, count: context.inputs.count)
  }
}

/// The extents and element type of one output.
struct OutputDeclaration {
  let shape: Shape
  let type: ElementType

  init(_ shape: Shape, _ type: ElementType = .float32) {
    self.shape = shape
    self.type = type
  }
}

/// Why an operation refuses its inputs, as the rest of a sentence that begins with its name.
struct ShapeMismatch: Error {
  let reason: String

  init(_ reason: String) {
    self.reason = reason
  }
}

/// What a gradient rule is given.
struct GradientContext {
  /// The inputs of the operation.
  let inputs: [Tensor]
  /// Its outputs.
  let outputs: [Tensor]
  /// The gradient of the loss with respect to each output, `nil` where nothing depends on it.
  let upstream: [Tensor?]
  /// Whether anyone needs the gradient of each input.
  let isNeeded: [Bool]

  /// The gradient with respect to the only differentiable output.
  var gradient: Tensor { upstream[0]! }
}

/// Refuses inputs unless a condition holds.
func require(_ condition: Bool, _ reason: @autoclosure () -> String) throws(ShapeMismatch) {
  if !condition { throw ShapeMismatch(reason()) }
}
