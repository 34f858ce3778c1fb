@_exported import Forms

/// Bounds each channel to the range of its levels, in units of levels, before rounding.
///
///     tanh     tanh(z + shift) * half - offset + floor(L / 2)
///              half = (L - 1)(1 - 1e-3) / 2, offset = 1/2 for even L, shift = tan(offset / half)
///     tanh-wide  the same with half = (L - 1)(1 + 1e-3) / 2, shift = atanh(offset / half)
///     sigmoid  (L - 1) * sigmoid(z)
///     ifsq     (L - 1) * sigmoid(1.6 z), that is (L - 1) / 2 * (2 sigmoid(1.6 z) - 1) + (L - 1) / 2
///
/// `z` is `[..., d]` with one channel per entry of `levels`; rounding the result gives the digit,
/// 0 to L - 1. Sources: Mentzer et al., "Finite scalar quantization", 2023 (tanh); the sigmoid
/// form is that of kexue.fm 9826; Tencent-Hunyuan's iFSQ, 2026, puts 2 sigmoid(1.6 z) - 1 in place of
/// tanh(z), so that a normal channel fills its levels evenly.
public struct LevelBound: Operator {
  /// The bounding function.
  public typealias Form = LevelBoundForm

  /// The bounding function.
  public let form: Form
  /// The number of levels of each channel.
  public let levels: [Int32]

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let channels = inputs[0].shape.channels
    try require(
      channels == levels.count, "has \(levels.count) levels, the tensor has \(channels) channels")
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(LevelBoundGradient(bound: self), context.inputs[0])]
  }
}

/// The gradient of a level bound, from the upstream gradient and the bound's input.
public struct LevelBoundGradient: Operator {
  /// The bound that is differentiated.
  public let bound: LevelBound

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

/// Rounds to the nearest integer, ties to even; the gradient passes straight through.
public struct Rounding: Operator {
  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient]
  }
}

/// Packs one digit a channel into an index, channel 0 least significant, in integers.
///
///     index = digit_0 + L_0 (digit_1 + L_1 (digit_2 + ...))
public struct DigitPacking: Operator {
  /// The number of levels of each channel.
  public let levels: [Int32]

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(
      inputs[0].shape.channels == levels.count,
      "needs one channel for each of \(levels.count) levels")
    return [OutputDeclaration(Shape(inputs[0].shape.dimensions.dropLast()), .index)]
  }
}

/// Takes an index apart into one digit a channel: the inverse of `DigitPacking`.
public struct DigitUnpacking: Operator {
  /// The number of levels of each channel.
  public let levels: [Int32]

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].type == .index, "needs indices")
    return [OutputDeclaration(Shape(inputs[0].shape.dimensions + [levels.count]))]
  }
}

extension Tensor {
  /// Each channel bounded to the range of its levels, in units of levels.
  public func bounded(toLevels levels: [Int32], _ form: LevelBound.Form) -> Tensor {
    apply(LevelBound(form: form, levels: levels))
  }

  /// Each element rounded to the nearest integer, ties to even, with a straight-through gradient.
  public func rounded() -> Tensor { apply(Rounding()) }

  /// The indices that digits of these levels pack into.
  public func packedDigits(levels: [Int32]) -> Tensor {
    apply(DigitPacking(levels: levels))
  }

  /// The digits that make up these indices.
  public func unpackedDigits(levels: [Int32]) -> Tensor {
    apply(DigitUnpacking(levels: levels))
  }
}
