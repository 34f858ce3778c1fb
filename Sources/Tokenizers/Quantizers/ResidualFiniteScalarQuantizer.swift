import Files
import Autodiff
import Configuration

/// Residual finite scalar quantization: each depth divides the level that the one before has chosen.
public struct ResidualFiniteScalarConfiguration: Sendable, Equatable {
  /// How often a channel is rounded: indices to a token.
  public var depth: Int
  /// Levels and bound of each depth.
  public var scalar: FiniteScalarConfiguration

  /// Describes a residual finite scalar quantizer.
  public init(
    depth: Int = 2, levels: [Int] = [5, 5, 5], bound: FiniteScalarConfiguration.Bound = .tanh
  ) {
    self.depth = depth
    scalar = FiniteScalarConfiguration(levels: levels, bound: bound)
  }
}

/// The first depth stands for all in reports: it carries most of a vector.
extension ResidualFiniteScalarConfiguration: Quantizer {
  /// In configurations, token files and reports.
  public static let word = "residual-fsq"
  /// Summary for the schema.
  public static let summary =
    "Residual finite scalar quantization: each stage rounds the residual of the one before."
  /// Twice the levels 5, 5, 5: 125 values of an index, 15,625 tokens.
  public static let standard = ResidualFiniteScalarConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "depth", &depth, in: .between(2, QuantizerConfiguration.mostDepth),
      "Number of rounding stages, which is the number of ids per token.",
      remedy: "One stage is type \"fsq\".")
    scalar.declare(&fields)
  }

  /// Values of one index: the product of the levels.
  public var codebookSize: Int { scalar.codebookSize }
  /// Channels: one per entry of the levels.
  public var codeDimension: Int { scalar.codeDimension }
  /// The levels of each depth.
  public var digitLevels: [Int]? { scalar.levels }
  /// The widths of the first depth.
  public var levelWidths: [Double] { scalar.levelWidths }
  /// Depth and levels.
  public var sizeText: String { "\(depth) x \(scalar.sizeText)" }

  /// Depth, levels and bound.
  public var presentation: QuantizerPresentation {
    let (codes, bound) = (codebookSize, scalar.bound.rawValue)
    return QuantizerPresentation(
      kind: Self.word, shape: "\(depth)x\(codes) \(bound)",
      facts: JSONObject([
        "depth": .integer(depth), "codebookSize": .integer(codes),
        "levels": .array(scalar.levels.map(JSONValue.integer)), "bound": .string(bound),
      ]), codes: codes, depth: depth, measures: [.levels],
      remedy: "use fewer levels or less depth")
  }

  /// There are no parameters to declare.
  public func bottleneck(in scope: Scope) -> any Bottleneck { ResidualFiniteScalarQuantizer(self) }

  /// On the scale of the first depth.
  public func digits(of latents: [Float]) -> [Float] { scalar.digits(of: latents) }
}

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
  let depth: Int
  private let first: FiniteScalarQuantizer

  /// The quantizer of a configuration.
  public init(_ configuration: ResidualFiniteScalarConfiguration) {
    depth = configuration.depth
    first = FiniteScalarQuantizer(configuration.scalar)
  }

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
