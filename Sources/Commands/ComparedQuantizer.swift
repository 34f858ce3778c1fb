import Evaluation
import Diagnostics
import Execution
import Inference
import Reports
import Tokenizers

/// What a comparison asks of a quantizer's configuration.
///
/// Each kind answers in a file of its own family; ``QuantizerConfiguration/compared`` is the only
/// place that distinguishes the kinds.
protocol ComparedQuantizer {
  /// What reports know of it.
  var presentation: QuantizerPresentation { get }
  /// What a verdict rests on, from the weights and the usage at each depth.
  func bottleneck(_ weights: QuantizerWeights, _ usage: [CodebookUsage])
    -> HealthEvidence.Bottleneck
  /// Vectors before quantization, `[n, d]`, and codes in a plane; nil where they share no space.
  func plane(
    _ latents: [Float], _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> CodePlane?
}

extension QuantizerConfiguration {
  /// The configuration of the kind, as comparisons see it.
  var compared: any ComparedQuantizer {
    switch self {
    case .fsq(let configuration): configuration
    case .vq(let configuration): configuration
    case .cosine(let configuration): configuration
    case .simvq(let configuration): configuration
    case .lfq(let configuration): configuration
    case .bsq(let configuration): configuration
    case .product(let configuration): configuration
    case .residual(let configuration): configuration
    case .residualFSQ(let configuration): configuration
    }
  }
}

/// The codebooks in a checkpoint's weights, read when they are asked for.
final class QuantizerWeights {
  private let configuration: TokenizerConfiguration
  private let parameters: ParameterMemory<Device>

  /// Weights of a tokenizer.
  init(_ configuration: TokenizerConfiguration, _ parameters: ParameterMemory<Device>) {
    self.configuration = configuration
    self.parameters = parameters
  }

  /// The vectors of all codes, `[K, d]`, of quantizers with one codebook.
  private(set) lazy var codes: [Float] = parameters.codes(of: configuration)

  /// The codebooks one after another, each `[K, d]`.
  private(set) lazy var tables: [[Float]] = Tokenizer.codebookNames(configuration.quantizer).map {
    parameters.read(parameter: parameters.layout.index(of: $0)!)
  }
}
