import Autodiff
import Configuration

/// Vector quantization with a codebook trained by gradients or by moving averages.
///
/// The standard weights are those of 1 and 0.25 for means over the 8 channels of a code, which is how
/// they are customary; on sums they would pull eight times as hard.
///
/// Van den Oord et al., "Neural Discrete Representation Learning", 1711.00937.
public struct VectorConfiguration: Sendable, Equatable {
  /// What makes a code the nearest.
  public enum Metric: String, Sendable, CaseIterable {
    /// The least distance.
    case euclidean
    /// The largest inner product: of IBQ.
    case inner
  }

  /// The codebook and its losses.
  public var codebook: CodebookConfiguration
  /// What makes a code the nearest.
  public var metric = Metric.euclidean

  /// Describes a vector quantizer.
  public init(
    codebookSize: Int = 1024, codeDimension: Int = 8,
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.125,
    commitmentWeight: Double = 0.03125,
    initialization: CodebookConfiguration.Initialization = .encoder,
    upkeep: CodebookUpkeep = CodebookUpkeep()
  ) {
    codebook = CodebookConfiguration(
      size: codebookSize, dimension: codeDimension, gradient: gradient,
      codebookWeight: codebookWeight, commitmentWeight: commitmentWeight,
      initialization: initialization, upkeep: upkeep)
  }
}

extension VectorConfiguration: CodebookQuantizer {
  /// In configurations, token files and reports.
  public static let word = "vq"
  /// Summary for the schema.
  public static let summary =
    "Vector quantization with a codebook trained by gradients or by moving averages."
  /// A codebook of 1024 entries of dimension 8, straight-through.
  public static let standard = VectorConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    codebook.declareReplacement(&fields)
    fields.choice(
      "metric", &metric, isWritten: { $0 != .euclidean },
      "What makes a code the nearest: the least distance, or the largest inner product.")
    codebook.declareEntries(&fields)
  }

  /// Declares the codebook.
  public func bottleneck(in scope: Scope) -> any Bottleneck { VectorQuantizer(self, in: scope) }
}

/// Vector quantization: each vector becomes the nearest entry of a trained codebook.
///
///     k = argmin over j of |z - e_j|^2, or argmax of z . e_j with the metric inner;  q = e_k
///     loss = codebookWeight |q - sg(z)|^2 + commitmentWeight |z - sg(q)|^2
///
/// The squared norms are summed over the code dimension and averaged over vectors. The codebook
/// learns from its own term alone, the reconstruction gradient goes to the encoder, unless the
/// gradient estimator shares it out. A codebook that follows moving averages is no trained parameter,
/// and has no term. Source: van den Oord et al., 1711.00937.
public struct VectorQuantizer: Bottleneck {
  let codebook: Tensor
  let configuration: VectorConfiguration

  /// The quantizer of a configuration.
  ///
  /// The parameter `embedding.weight` is the codebook `[K, d]`.
  public init(_ configuration: VectorConfiguration, in scope: Scope) {
    self.configuration = configuration
    let entries = configuration.codebook
    codebook = entries.table(
      in: scope,
      drawnFrom: entries.initialization == .normal
        ? .normal(deviation: 1) : .uniform(bound: 1 / Float(entries.size)))
  }

  /// Replaces each vector by its nearest code.
  public func quantize(_ z: Tensor) -> Quantized {
    let indices =
      configuration.metric == .inner
      ? z.mostAlignedCodes(in: codebook) : z.nearestCodes(in: codebook)
    let replace = CodeReplacement(configuration: configuration.codebook)
    return replace(z, by: codebook.gathered(at: indices), at: indices)
  }

  /// The codebook's entries at the tokens.
  public func codes(of indices: Tensor) -> Tensor {
    codebook.gathered(at: indices)
  }
}
