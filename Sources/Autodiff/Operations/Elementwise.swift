/// A formula, applied to the elements of one or more tensors of one shape.
///
///     y[i] = formula(x0[i], x1[i], ...)
///
/// The gradient with respect to an input is a formula of the upstream gradient and of those inputs that
/// it depends on, in one pass over memory too.
public struct Elementwise: Operator {
  /// The name, for messages and traces.
  public let name: String
  /// What is computed; argument `k` is the element of input `k`.
  public let formula: Formula

  /// A formula with a name.
  public init(_ name: String, _ formula: Formula) {
    self.name = name
    self.formula = formula
  }

  /// Those that the formula reads.
  public var overwritableInputs: [Int] { formula.arguments }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(
      formula.arguments.allSatisfy(inputs.indices.contains),
      "has a formula of more arguments than the \(inputs.count) that it is given")
    for input in inputs {
      try require(input.type == .float32, "needs numbers, not indices")
      try require(input.shape == inputs[0].shape, "needs tensors of one shape")
    }
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    // The upstream gradient is the first input of the gradient, so here it is argument -1.
    let upstream = Formula.argument(-1)
    return context.inputs.indices.map { index in
      guard context.isNeeded[index],
        let gradient = formula.gradient(withRespectTo: index, upstream: upstream)
      else { return nil }
      if gradient == upstream { return context.gradient }
      let arguments = gradient.arguments
      let inputs = arguments.map { $0 < 0 ? context.gradient : context.inputs[$0] }
      let rule = Elementwise(
        name + " gradient", gradient.renumbered { arguments.firstIndex(of: $0)! })
      return inputs[0].graph.append(rule, inputs)[0]
    }
  }
}

extension Tensor {
  /// A formula of the elements of some tensors of one shape: an element-wise operation of one's own,
  /// gradient included.
  ///
  ///     let y = Tensor.elementwise("gaussian", x) { exp(-1 * $0[0] * $0[0]) }
  ///
  /// - Parameters:
  ///   - name: for messages and traces.
  ///   - inputs: tensors of one shape, which is that of the result.
  ///   - formula: what is computed, of one argument an input.
  public static func elementwise(
    _ name: String, _ inputs: Tensor..., formula: ([Formula]) -> Formula
  ) -> Tensor {
    let rule = Elementwise(name, formula(inputs.indices.map { .argument($0) }))
    return inputs[0].graph.append(rule, inputs)[0]
  }

  /// The sum, element by element, of two tensors of one shape.
  public static func + (a: Tensor, b: Tensor) -> Tensor {
    .elementwise("sum", a, b) { $0[0] + $0[1] }
  }

  /// The difference, element by element, of two tensors of one shape.
  public static func - (a: Tensor, b: Tensor) -> Tensor {
    .elementwise("difference", a, b) { $0[0] - $0[1] }
  }

  /// The product, element by element, of two tensors of one shape.
  public static func * (a: Tensor, b: Tensor) -> Tensor {
    .elementwise("product", a, b) { $0[0] * $0[1] }
  }

  /// The quotient, element by element, of two tensors of one shape.
  public static func / (a: Tensor, b: Tensor) -> Tensor {
    .elementwise("quotient", a, b) { $0[0] / $0[1] }
  }

  /// Each element plus a constant.
  public static func + (a: Tensor, constant: Float) -> Tensor {
    .elementwise("shift", a) { $0[0] + .constant(constant) }
  }

  /// Each element less a constant.
  public static func - (a: Tensor, constant: Float) -> Tensor { a + -constant }

  /// Each element times a constant.
  public static func * (a: Tensor, factor: Float) -> Tensor {
    .elementwise("scaling", a) { $0[0] * .constant(factor) }
  }

  /// Each element divided by a constant.
  public static func / (a: Tensor, divisor: Float) -> Tensor {
    .elementwise("scaling", a) { $0[0] / .constant(divisor) }
  }

  /// A constant divided by each element.
  public static func / (constant: Float, a: Tensor) -> Tensor {
    .elementwise("reciprocal", a) { .constant(constant) / $0[0] }
  }

  /// Each element to a constant power, as C's `pow`: of a negative number, only to whole powers.
  public func power(_ exponent: Float) -> Tensor {
    .elementwise("power", self) { .binary(.power, $0[0], .constant(exponent)) }
  }

  /// Each element to the power of another tensor's.
  ///
  /// The gradient with respect to the exponent is 0 where the base is 0.
  public func power(_ exponent: Tensor) -> Tensor {
    .elementwise("power", self, exponent) { .binary(.power, $0[0], $0[1]) }
  }

  /// 1 where an element is larger than another tensor's, else 0; it has no gradient.
  public func isGreater(than other: Tensor) -> Tensor {
    .elementwise("comparison", self, other) { .binary(.isGreater, $0[0], $0[1]) }
  }

  /// 1 where an element equals another tensor's, else 0; it has no gradient.
  public func isEqual(to other: Tensor) -> Tensor {
    .elementwise("comparison", self, other) { .binary(.isEqual, $0[0], $0[1]) }
  }

  /// The elements of `a` where this tensor's are above 0, else those of `b`.
  ///
  /// The gradient goes to the elements that were taken; none to this tensor. What is not taken may be
  /// infinite or NaN.
  public func choosing(_ a: Tensor, else b: Tensor) -> Tensor {
    .elementwise("choice", self, a, b) { .choice($0[0], $0[1], $0[2]) }
  }
}

/// `e^x` of each element.
public func exp(_ x: Tensor) -> Tensor { .elementwise("exponential", x) { exp($0[0]) } }

/// The natural logarithm of each element: NaN below 0, `-inf` at 0.
public func log(_ x: Tensor) -> Tensor { .elementwise("logarithm", x) { log($0[0]) } }

/// The square root of each element, whose gradient is infinite at 0.
public func squareRoot(_ x: Tensor) -> Tensor {
  .elementwise("square root", x) { squareRoot($0[0]) }
}

/// `|x|` of each element; the gradient at 0 is 0.
public func magnitude(_ x: Tensor) -> Tensor {
  .elementwise("magnitude", x) { .unary(.magnitude, $0[0]) }
}

/// The larger of each pair of elements; where they are equal the gradient goes to the first.
public func maximum(_ a: Tensor, _ b: Tensor) -> Tensor {
  .elementwise("maximum", a, b) { maximum($0[0], $0[1]) }
}

/// The smaller of each pair of elements; where they are equal the gradient goes to the first.
public func minimum(_ a: Tensor, _ b: Tensor) -> Tensor {
  .elementwise("minimum", a, b) { .binary(.minimum, $0[0], $0[1]) }
}

/// The positive part of each element, `max(x, 0)`; the gradient at 0 is 0.
public func relu(_ x: Tensor) -> Tensor { .elementwise("relu", x) { .unary(.relu, $0[0]) } }

/// The positive part of each element, and a fraction of the negative one.
///
///     y = x where x > 0, else slope x
public func leakyReLU(_ x: Tensor, slope: Float = 0.01) -> Tensor {
  .elementwise("leaky relu", x) { .choice($0[0], $0[0], $0[0] * .constant(slope)) }
}

/// Each element times its logistic function.
public func silu(_ x: Tensor) -> Tensor { .elementwise("silu", x) { .unary(.silu, $0[0]) } }

/// Each element times the standard normal distribution function.
///
///     y = x (1 + erf(x / sqrt 2)) / 2
///
/// Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.
public func gelu(_ x: Tensor) -> Tensor {
  .elementwise("gelu", x) { 0.5 * $0[0] * (1 + .unary(.errorFunction, $0[0] * 0.707_106_78)) }
}

/// The sine of each element.
public func sine(_ x: Tensor) -> Tensor { .elementwise("sine", x) { .unary(.sine, $0[0]) } }

/// The hyperbolic tangent of each element.
public func tanh(_ x: Tensor) -> Tensor { .elementwise("tanh", x) { tanh($0[0]) } }

/// The logistic function of each element, `1 / (1 + e^-x)`.
public func sigmoid(_ x: Tensor) -> Tensor { .elementwise("sigmoid", x) { sigmoid($0[0]) } }

// MARK: - By channel

/// Scales and shifts each channel by constants: `y = x * scale[c] + offset[c]`.
public struct ChannelAffine: Operator {
  /// One factor a channel.
  public let scale: [Float]
  /// One summand a channel.
  public let offset: [Float]

  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let channels = inputs[0].shape.channels
    try require(
      scale.count == channels && offset.count == channels,
      "has constants for \(scale.count) channels, the tensor has \(channels)")
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let none = [Float](repeating: 0, count: offset.count)
    return [context.gradient.channelAffine(scale: scale, offset: none)]
  }
}

extension Tensor {
  /// Each channel times one constant, plus another.
  public func channelAffine(scale: [Float], offset: [Float]) -> Tensor {
    apply(ChannelAffine(scale: scale, offset: offset))
  }
}
