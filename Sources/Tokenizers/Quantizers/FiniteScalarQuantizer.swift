import Files
import Autodiff
import Configuration
import Forms
import Foundation

/// Finite scalar quantization: bound each channel, then round it.
///
/// Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2309.15505.
public struct FiniteScalarConfiguration: Sendable, Equatable {
  /// The function that bounds a channel before it is rounded.
  public typealias Bound = LevelBoundForm

  /// The largest codebook, 2^24 tokens: an index up to here is exact in a float.
  public static let largestCodebook = 1 << 24

  /// The most levels of a channel with `tanh-wide`, which reaches 0.0005 (L - 1) levels past the outermost ones.
  static let mostWideLevels = 512

  /// The number of values of each channel.
  ///
  /// Their product is the codebook size.
  public var levels: [Int]
  /// The function that bounds a channel before it is rounded.
  public var bound: Bound

  /// Describes a finite scalar quantizer.
  public init(levels: [Int] = [8, 5, 5, 5], bound: Bound = .tanh) {
    self.levels = levels
    self.bound = bound
  }

  /// The number of different tokens: the product of the levels.
  public var codebookSize: Int { levels.reduce(1, *) }

  /// Channels of the vector that becomes one token: one per entry of `levels`.
  public var codeDimension: Int { levels.count }

  /// How wide a level is in the middle of each channel, before the channel is bounded.
  ///
  /// One level over the slope of the bound at 0: (L - 1) / 2 for tanh, (L - 1) / 4 for sigmoid,
  /// 1.6 times that for iFSQ.
  public var levelWidths: [Double] {
    let slope =
      switch bound {
      case .tanh, .tanhWide: 0.5
      case .sigmoid: 0.25
      case .ifsq: 0.4
      }
    return levels.map { 1 / (slope * Double($0 - 1)) }
  }
}

extension FiniteScalarConfiguration: Quantizer {
  /// In configurations, token files and reports.
  public static let word = "fsq"
  /// Summary for the schema.
  public static let summary = "Finite scalar quantization: bound each channel, then round it."
  /// Levels 8, 5, 5, 5: 1000 tokens.
  public static let standard = FiniteScalarConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integers(
      "levels", &levels, each: .atLeast(2), count: .between(1, 24),
      "Levels of each channel; their product is the codebook size.",
      remedy: "A channel with one level carries no information: remove it.")
    fields.choice(
      "bound", &bound,
      "The function that bounds a channel before rounding: tanh as in the paper; tanh-wide as in "
        + "vector-quantize-pytorch and Cosmos; sigmoid; or ifsq, which uses the levels of a normally "
        + "distributed channel evenly and is best with odd levels.")
    fields.check(
      "levels", with: ["bound"],
      bound != .tanhWide || levels.allSatisfy { $0 <= Self.mostWideLevels },
      expected:
        "at most \(Self.mostWideLevels) levels a channel with bound \"tanh-wide\", beyond which it "
        + "reaches past the outermost ones")
    fields.check(
      "levels", product(of: levels, isAtMost: Self.largestCodebook),
      expected: "levels with a product of at most \(Self.largestCodebook)",
      remedy: "Use fewer channels or fewer levels.")
  }

  /// Whether a product stays within a limit, without computing what might overflow.
  private func product(of levels: [Int], isAtMost limit: Int) -> Bool {
    var product = 1
    for level in levels {
      guard level <= limit / product else { return false }
      product *= level
    }
    return true
  }

  /// Its levels.
  public var digitLevels: [Int]? { levels }
  /// Its bound.
  public var saturatingBound: LevelBoundForm? { bound }
  /// The levels.
  public var sizeText: String { levels.map(String.init).joined(separator: ",") }

  /// Levels and bound.
  public var presentation: QuantizerPresentation {
    QuantizerPresentation(
      kind: Self.word, shape: "\(sizeText) \(bound.rawValue)",
      facts: JSONObject([
        "levels": .array(levels.map(JSONValue.integer)), "bound": .string(bound.rawValue),
      ]), codes: codebookSize, measures: [.levels, .saturation],
      remedy: "use fewer levels, or a lower training.optimizer.learningRate")
  }

  /// There are no parameters to declare.
  public func bottleneck(in scope: Scope) -> any Bottleneck { FiniteScalarQuantizer(self) }

  /// Latents bounded on the scale of their digits, as ``FiniteScalarQuantizer`` rounds them.
  ///
  ///     sigmoid  (L - 1) sigmoid(z)
  ///     ifsq     (L - 1) sigmoid(1.6 z)
  ///     tanh     tanh(z + shift) half - offset + floor(L / 2),  half = 0.999 (L - 1) / 2,
  ///              offset = 1/2 and shift = tan(offset / half) for even L, else 0
  ///     tanh-wide  the same with half = 1.001 (L - 1) / 2 and shift = atanh(offset / half)
  public func digits(of latents: [Float]) -> [Float] {
    latents.enumerated().map { index, latent in
      let count = levels[index % levels.count]
      let (z, top) = (Double(latent), Double(count - 1))
      switch bound {
      case .sigmoid: return Float(top / (1 + exp(-z)))
      case .ifsq: return Float(top / (1 + exp(-1.6 * z)))
      case .tanh:
        let half = top * (1 - 1e-3) / 2
        let offset = count.isMultiple(of: 2) ? 0.5 : 0
        return Float(tanh(z + tan(offset / half)) * half - offset + Double(count / 2))
      case .tanhWide:
        let half = top * (1 + 1e-3) / 2
        let offset = count.isMultiple(of: 2) ? 0.5 : 0
        return Float(tanh(z + atanh(offset / half)) * half - offset + Double(count / 2))
      }
    }
  }
}

/// Finite scalar quantization: each channel is bounded, then rounded to one of a few levels.
///
///     digit = round(bound(z))           0 to L - 1, straight-through gradient
///     code  = (digit - floor(L / 2)) / floor(L / 2)    for tanh, as in the paper, and tanh-wide
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
    form = configuration.bound
    scale =
      switch form {
      case .tanh, .tanhWide: configuration.levels.map { 1 / Float($0 / 2) }
      case .sigmoid, .ifsq: configuration.levels.map { 2 / Float($0 - 1) }
      }
    offset = configuration.levels.map { _ in -1 }
  }

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
