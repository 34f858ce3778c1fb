import Autodiff
import Configuration

/// Vector quantization with a random codebook that stays as it is, and a trained linear map of it.
///
/// The losses train the map, and with it all codes at once. The default weights are
/// light (400 steps on the built-in scenes, 1024 codes: 20.61 dB with 150 codes used by weights of 1
/// and 0.25, 23.58 dB with 937 by 0.1 and 0.025).
public struct SimVQConfiguration: Sendable, Equatable {
  /// The codebook, whose entries nothing moves, and the losses; the dimension is that before the map
  /// as after it.
  public var codebook: CodebookConfiguration

  /// Describes a quantizer with a mapped codebook.
  public init(
    codebookSize: Int = 1024, codeDimension: Int = 8,
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025
  ) {
    codebook = CodebookConfiguration(
      size: codebookSize, dimension: codeDimension, gradient: gradient,
      codebookWeight: codebookWeight, commitmentWeight: commitmentWeight)
  }
}

extension SimVQConfiguration: CodebookQuantizer {
  /// In configurations, token files and reports.
  public static let word = "simvq"
  /// Summary for the schema.
  public static let summary =
    "Vector quantization with a frozen random codebook times a trained linear map."
  /// A codebook of 1024 entries of dimension 8, straight-through.
  public static let standard = SimVQConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    codebook.declareReplacement(&fields)
    let learns = codebook.codebookWeight > 0 || codebook.gradient == .diveq
    fields.check(
      "codebookWeight", with: ["gradient"], learns,
      expected:
        "more than 0 with gradient \"\(codebook.gradient.rawValue)\", since nothing else trains the map",
      remedy: "Only \"diveq\" works without it.")
  }

  /// The map is trained instead.
  public var trainsEntries: Bool { false }
  /// Codes cannot be put where vectors are.
  public var canBeDeferred: Bool { false }
  /// Gentler training.
  public var remedy: String {
    "lower training.optimizer.learningRate or quantizer.codebookSize"
  }

  /// Declares the codebook and the map.
  public func bottleneck(in scope: Scope) -> any Bottleneck { SimVectorQuantizer(self, in: scope) }
}

/// Vector quantization with codes that are all one linear map of a frozen random codebook.
///
///     e_j = W c_j,  k = argmin over j of |z - e_j|^2,  q = e_k
///     loss = codebookWeight |q - sg(z)|^2 + commitmentWeight |z - sg(q)|^2
///
/// C is drawn once, N(0, 1 / d), and never moves; W learns from every token, so that codes which win
/// none move along. The codes to search among depend on parameters alone, and are computed once an
/// update. Source: Zhu et al., "Addressing representation collapse in vector quantized models with
/// one linear layer", 2411.02038.
public struct SimVectorQuantizer: Bottleneck {
  let codebook: Tensor
  let map: Tensor
  let configuration: SimVQConfiguration

  /// The quantizer of a configuration.
  ///
  /// The parameter `embedding.weight` is the frozen C `[K, d]`, `embedding_proj.weight` is W, in a
  /// checkpoint `[d, d]`, output channel first.
  public init(_ configuration: SimVQConfiguration, in scope: Scope) {
    self.configuration = configuration
    let dimension = configuration.codebook.dimension
    codebook = scope["embedding"].parameter(
      "weight", [configuration.codebook.size, dimension],
      .normal(deviation: 1 / Float(dimension).squareRoot()), isTrained: false)
    map = scope["embedding_proj"].parameter(
      "weight", [1, 1, dimension, dimension], .orthogonal, layout: .linear)
  }

  /// Replaces each vector by its nearest code.
  public func quantize(_ z: Tensor) -> Quantized {
    let indices = z.nearestCodes(in: mapped(codebook))
    let replace = CodeReplacement(configuration: configuration.codebook)
    return replace(z, by: codes(of: indices), at: indices)
  }

  /// The mapped entries of the codebook at the tokens.
  ///
  /// Mapped again, and not taken from all codes, so that the gradient of W costs as much as there are
  /// tokens, not codes.
  public func codes(of indices: Tensor) -> Tensor {
    mapped(codebook.gathered(at: indices))
  }

  /// W applied to each row.
  private func mapped(_ rows: Tensor) -> Tensor {
    let shape = rows.shape
    return rows.reshaped([1, shape.rows, 1, shape.channels])
      .convolved(with: map, bias: nil, Convolution()).reshaped(shape)
  }
}
