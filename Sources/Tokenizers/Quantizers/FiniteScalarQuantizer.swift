import Autodiff

/// Finite scalar quantization: each channel is bounded, then rounded to one of a few levels.
///
///     digit = round(bound(z))           0 to L - 1, straight-through gradient
///     code  = (digit - floor(L / 2)) / floor(L / 2)    for tanh, as in the paper
///     code  = 2 digit / (L - 1) - 1                    for sigmoid and iFSQ
///     index = digit_0 + L_0 (digit_1 + L_1 (...))      channel 0 least significant
///
/// It has no parameters and no auxiliary loss. Source: Mentzer et al., 2309.15505.
public struct FiniteScalarQuantizer: Bottleneck {
  let levels: [Int32]
  let form: LevelBound.Form
  private let scale: [Float]
  private let offset: [Float]

  /// The quantizer of a configuration.
  public init(_ configuration: FiniteScalarConfiguration) {
    levels = configuration.levels.map(Int32.init)
    switch configuration.bound {
    case .tanh:
      form = .tanh
      scale = configuration.levels.map { 1 / Float($0 / 2) }
      offset = configuration.levels.map { _ in -1 }
    case .sigmoid, .ifsq:
      form = configuration.bound == .sigmoid ? .sigmoid : .ifsq
      scale = configuration.levels.map { 2 / Float($0 - 1) }
      offset = configuration.levels.map { _ in -1 }
    }
  }

  /// The number of different tokens: the product of the levels.
  public var codebookSize: Int { levels.reduce(1) { $0 * Int($1) } }

  /// Rounds each channel to its levels.
  public func quantize(_ z: Tensor) -> Quantized {
    let bounded = z.bounded(toLevels: levels, form)
    let digits = bounded.rounded()
    let codes = code(digits)
    let target = code(bounded.stoppingGradient())
    let error = meanSquaredError(target, codes.stoppingGradient()) * Float(levels.count)
    return Quantized(
      codes: codes, vectors: z, target: target, indices: digits.packedDigits(levels: levels),
      auxiliaryLoss: nil,
      statistics: ["quantizationError": error])
  }

  /// The bounded channels on the scale of codes, unrounded.
  public func continuous(_ z: Tensor) -> Tensor { code(z.bounded(toLevels: levels, form)) }

  /// The codes of tokens, from their digits.
  public func codes(of indices: Tensor) -> Tensor {
    code(indices.unpackedDigits(levels: levels))
  }

  /// The code of digits, or of what lies between them.
  func code(_ digits: Tensor) -> Tensor {
    digits.channelAffine(scale: scale, offset: offset)
  }
}
