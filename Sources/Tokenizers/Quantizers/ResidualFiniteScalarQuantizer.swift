import Autodiff

/// Residual finite scalar quantization: each depth divides the level that the one before has chosen.
///
///     y_1 = bound(z), digit_i = round(y_i),  y_(i+1) = (y_i - digit_i + 1/2) (L - 1)
///     x = digit_1 + (digit_2 / (L - 1) - 1/2) + (digit_3 / (L - 1) - 1/2) / (L - 1) + ...
///
/// The code is that of x in place of a digit, see ``FiniteScalarQuantizer``. What rounding leaves lies
/// between -1/2 and 1/2 of a level, so that it is quantized by the same levels without a bound of its
/// own. A token is one index for each depth, the coarsest first; gradients pass straight through to the
/// bounded vector. It has no parameters and no auxiliary loss.
public struct ResidualFiniteScalarQuantizer: Bottleneck {
  /// The number of indices to a token.
  public let depth: Int
  private let first: FiniteScalarQuantizer

  /// The quantizer of a configuration.
  public init(_ configuration: ResidualFiniteScalarConfiguration) {
    depth = configuration.depth
    first = FiniteScalarQuantizer(configuration.scalar)
  }

  /// The number of different values of one index.
  public var codebookSize: Int { first.codebookSize }

  /// Rounds each channel to its levels, and what that leaves again.
  public func quantize(_ z: Tensor) -> Quantized {
    let bounded = z.bounded(toLevels: first.levels, first.form)
    let target = first.code(bounded)
    var rest = bounded.stoppingGradient()
    var digits: [Tensor] = []
    for _ in 0..<depth {
      digits.append(rest.rounded())
      rest = (rest - digits[digits.count - 1]).channelAffine(
        scale: top, offset: top.map { $0 / 2 })
    }
    let codes = code(digits)
    let error =
      meanSquaredError(target.stoppingGradient(), codes) * Float(first.levels.count)
    return Quantized(
      codes: target.straightThrough(to: codes), vectors: z, target: target,
      indices: TokenDepth.stacked(digits.map { $0.packedDigits(levels: first.levels) }),
      auxiliaryLoss: nil, statistics: ["quantizationError": error])
  }

  /// The bounded channels on the scale of codes, unrounded.
  public func continuous(_ z: Tensor) -> Tensor { first.continuous(z) }

  /// The codes of tokens, from the digits of all depths.
  public func codes(of indices: Tensor) -> Tensor {
    code(TokenDepth.separated(indices).map { $0.unpackedDigits(levels: first.levels) })
  }

  /// L - 1 of each channel.
  private var top: [Float] { first.levels.map { Float($0 - 1) } }

  private func code(_ digits: [Tensor]) -> Tensor {
    var x = digits[0]
    var unit = [Float](repeating: 1, count: top.count)
    for finer in digits.dropFirst() {
      let next = zip(unit, top).map { $0 / $1 }
      x = x + finer.channelAffine(scale: next, offset: unit.map { -$0 / 2 })
      unit = next
    }
    return first.code(x)
  }
}
