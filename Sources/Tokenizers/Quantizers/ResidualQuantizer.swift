import Autodiff
import Configuration

/// Residual vector quantization: codebooks that quantize the residual of those before.
///
/// The losses are summed over depths; the standard weights are light, as with
/// ``CosineConfiguration``.
public struct ResidualConfiguration: Sendable, Equatable {
  /// How many codebooks: indices to a token.
  public var depth: Int
  /// The codebook of each depth and its losses.
  public var codebook: CodebookConfiguration

  /// Describes a residual quantizer.
  public init(
    depth: Int = 2, codebookSize: Int = 256, codeDimension: Int = 8,
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025,
    initialization: CodebookConfiguration.Initialization = .encoder,
    upkeep: CodebookUpkeep = CodebookUpkeep()
  ) {
    self.depth = depth
    codebook = CodebookConfiguration(
      size: codebookSize, dimension: codeDimension, gradient: gradient,
      codebookWeight: codebookWeight, commitmentWeight: commitmentWeight,
      initialization: initialization, upkeep: upkeep)
  }
}

extension ResidualConfiguration: CodebookQuantizer {
  /// In configurations, token files and reports.
  public static let word = "residual-vq"
  /// Summary for the schema.
  public static let summary =
    "Residual vector quantization: each codebook quantizes the residual of the one before."
  /// Two codebooks of 256 entries of dimension 8.
  public static let standard = ResidualConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "depth", &depth, in: .between(2, QuantizerConfiguration.mostDepth),
      "Number of codebooks, which is the number of ids per token.",
      remedy: "One codebook is type \"vq\".")
    codebook.declareReplacement(&fields)
    codebook.declareEntries(&fields)
  }

  /// Residuals of the codebooks before.
  public var arrangement: CodebookArrangement { .residual }
  /// None: the pull is not towards the sum of the codes alone.
  public var replacement: (gradient: GradientEstimator, commitmentWeight: Double)? { nil }

  /// Declares the codebooks.
  public func bottleneck(in scope: Scope) -> any Bottleneck { ResidualQuantizer(self, in: scope) }
}

/// Residual vector quantization: each codebook quantizes the residual of those before.
///
///     r_1 = z,  k_i = argmin over j of |r_i - e_i,j|^2,  r_(i+1) = r_i - sg(e_i,k_i)
///     q = e_1,k_1 + ... + e_D,k_D
///     loss = sum over i of codebookWeight |e_i,k_i - sg(r_i)|^2
///                        + commitmentWeight |r_i - sg(e_i,k_i)|^2
///
/// A token is D indices, the coarsest first; the gradient passes from the sum to the vector at once.
/// Codebooks that follow moving averages have no term of their own.
/// Sources: Zeghidour et al., "SoundStream", 2107.03312; Lee et al., "Autoregressive image generation
/// using residual quantization", 2203.01941.
public struct ResidualQuantizer: Bottleneck {
  let codebooks: [Tensor]
  let configuration: ResidualConfiguration

  /// The quantizer of a configuration.
  ///
  /// The parameters `i.embedding.weight` are the codebooks `[K, d]` of the depths i. Before a sample
  /// of the encoder's outputs takes their place, entries of each depth are half as long as those of
  /// the one before.
  public init(_ configuration: ResidualConfiguration, in scope: Scope) {
    self.configuration = configuration
    let (entries, dimension) = (configuration.codebook, configuration.codebook.dimension)
    codebooks = (0..<configuration.depth).map {
      entries.table(
        in: scope[String($0)],
        drawnFrom: entries.initializer(
          otherwise: .normal(deviation: 1 / Float(dimension).squareRoot() / Float(1 << $0))))
    }
  }

  /// Replaces each vector by the sum of its nearest codes.
  public func quantize(_ z: Tensor) -> Quantized {
    let replacement = CodeReplacement(configuration: configuration.codebook)
    var (residual, indices, losses) = (z, [Tensor](), [Tensor]())
    var (sum, error): (Tensor?, Tensor?) = (nil, nil)
    for codebook in codebooks {
      let tokens = residual.nearestCodes(in: codebook)
      let q = codebook.gathered(at: tokens)
      let loss = replacement.losses(residual, q)
      losses.append(loss.auxiliary)
      indices.append(tokens)
      residual = residual - q.stoppingGradient()
      sum = sum.map { $0 + q } ?? q
      error = loss.error
    }
    let estimator = configuration.codebook.gradient
    var statistics = ["quantizationError": error!]
    if estimator.rotates {
      statistics["rotationFallbacks"] = z.rotationFallbacks(to: sum!)
    }
    return Quantized(
      codes: estimator.pass(sum!, from: z), vectors: z, target: z,
      indices: TokenDepth.stacked(indices), auxiliaryLoss: losses.dropFirst().reduce(losses[0], +),
      statistics: statistics)
  }

  /// The sums of the codebooks' entries at the tokens, in the order of the forward pass.
  public func codes(of indices: Tensor) -> Tensor {
    let codes = zip(codebooks, TokenDepth.separated(indices)).map { $0.gathered(at: $1) }
    return codes.dropFirst().reduce(codes[0], +)
  }
}
