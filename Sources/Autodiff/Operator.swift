/// An operation of a graph: what it states of itself, the shapes it yields and its gradient.
///
/// All of it stands in one file with the function that model code calls. A gradient is made of
/// operations, appended to the same graph; gradient operations have no gradient of their own,
/// as second derivatives are out of scope. What an operation computes is a backend's affair: on the
/// CPU, a conformance to `CPUOperator`. `docs/adding-an-operation.md` goes through one.
///
/// An operation may be declared outside this package too, and recorded by `Tensor.apply`.
public protocol Operator: Sendable, Hashable {
  /// The operation's name, for messages and traces; the type's, in words, if nothing else is said.
  var name: String { get }

  /// The extents and element types of the outputs, or why the inputs do not fit.
  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration]

  /// The gradient with respect to each input, `nil` where there is none.
  func gradients(_ context: GradientContext) -> [Tensor?]

  /// The multiply-adds of the direct algorithm, where products are what the operation is about;
  /// 0 for what a pass over memory does.
  ///
  /// A kernel may get by with fewer, as Winograd's do; a rate over this count is an effective one.
  func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int

  /// What tells apart the kernels of operations of one name, for traces: the extents of a filter, the
  /// activation in the same pass. Empty where there is one kernel.
  func variant(inputs: [Shape]) -> String

  /// The input whose memory the output shares, for views: nothing is executed.
  var viewedInput: Int? { get }

  /// The inputs that the first output may overwrite, if nobody reads them later: those of as many
  /// elements, each of which is read before the element in its place is written.
  var overwritableInputs: [Int] { get }

  /// Whether an output can be added to what memory holds, as gradients of parameters are.
  func accumulates(output: Int) -> Bool
}

extension Operator {
  /// The type's name, in words: `GroupNormalization` is "group normalization".
  public var name: String {
    String(describing: Self.self).reduce(into: "") { name, letter in
      if letter.isUppercase && !name.isEmpty { name += " " }
      name += letter.lowercased()
    }
  }

  /// None.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    Array(repeating: nil, count: context.inputs.count)
  }

  /// 0.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int { 0 }

  /// Nothing.
  public func variant(inputs: [Shape]) -> String { "" }

  /// None: the output has memory of its own.
  public var viewedInput: Int? { nil }

  /// None.
  public var overwritableInputs: [Int] { [] }

  /// No.
  public func accumulates(output: Int) -> Bool { false }
}

/// The extents and element type of one output.
public struct OutputDeclaration: Sendable, Hashable {
  /// The extents.
  public let shape: Shape
  /// What the elements are.
  public let type: ElementType

  /// Extents, and elements that are numbers unless something else is said.
  public init(_ shape: Shape, _ type: ElementType = .float32) {
    self.shape = shape
    self.type = type
  }
}

/// Why an operation refuses its inputs, as the rest of a sentence that begins with its name.
public struct ShapeMismatch: Error {
  /// The rest of the sentence, as in "needs two tensors of one shape".
  public let reason: String

  /// A reason.
  public init(_ reason: String) {
    self.reason = reason
  }
}

/// What a gradient rule is given.
public struct GradientContext {
  /// The inputs of the operation.
  public let inputs: [Tensor]
  /// Its outputs.
  public let outputs: [Tensor]
  /// The gradient of the loss with respect to each output, `nil` where nothing depends on it.
  public let upstream: [Tensor?]
  /// Whether anyone needs the gradient of each input.
  public let isNeeded: [Bool]

  /// The gradient with respect to the only differentiable output.
  public var gradient: Tensor { upstream[0]! }
}

/// Refuses inputs unless a condition holds.
public func require(
  _ condition: Bool, _ reason: @autoclosure () -> String
) throws(ShapeMismatch) {
  if !condition { throw ShapeMismatch(reason()) }
}

/// Several operations as one, with a gradient of its own: where the chain rule through the parts would
/// cost more, would be less exact, or is not what is wanted.
///
/// A conformance may stand in any module, and says nothing of kernels:
///
///     /// y = log(1 + e^x) for x below 88, where e^x still is a number; its gradient is g sigmoid(x).
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
