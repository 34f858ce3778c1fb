/// Several operations as one, with a gradient of its own: where the chain rule through the parts would
/// cost more, would be less exact, or is not what is wanted.
///
/// A conformance may stand in any module, and says nothing of kernels:
///
///     /// y = log(1 + e^x), whose gradient g sigmoid(x) is exact for large x too.
///     struct Softplus: CompositeOperation {
///       func value(of inputs: [Tensor]) -> Tensor { log(exp(inputs[0]) + 1) }
///       func gradients(_ context: GradientContext) -> [Tensor?] {
///         [context.gradient * sigmoid(context.inputs[0])]
///       }
///     }
///     let y = Softplus()(x)
public protocol CompositeOperation: Sendable, Hashable {
  /// The result, made of operations on the inputs.
  func value(of inputs: [Tensor]) -> Tensor

  /// The gradient with respect to each input, made of operations; `nil` where there is none.
  func gradients(_ context: GradientContext) -> [Tensor?]
}

extension CompositeOperation {
  /// Records the operation.
  public func callAsFunction(_ inputs: Tensor...) -> Tensor {
    let value = value(of: inputs)
    return value.graph.append(Composite(operation: self), [value] + inputs)[0]
  }
}

/// The result of a composite operation, of which the inputs get the gradient past what it is made of.
///
/// Inputs: the result, then those of the operation. A view of the result.
struct Composite<Wrapped: CompositeOperation>: Operator {
  let operation: Wrapped

  var name: String { String(describing: Wrapped.self) }

  var viewedInput: Int? { 0 }

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }

  func gradients(_ context: GradientContext) -> [Tensor?] {
    let parts = operation.gradients(
      GradientContext(
        inputs: Array(context.inputs.dropFirst()), outputs: context.outputs,
        upstream: context.upstream, isNeeded: Array(context.isNeeded.dropFirst())))
    return [nil] + parts
  }
}
