import Autodiff

/// A part of a tokenizer that training can leave as it is: the words of `training.freeze`.
public enum TokenizerPart: String, Sendable, CaseIterable {
  /// From images to the vectors that are quantized: `encoder` and `quant_conv`.
  case encoder
  /// The bottleneck's own weights, such as codebooks: `quantize`.
  case quantizer
  /// From codes to images: `post_quant_conv` and `decoder`.
  case decoder

  /// The part that a parameter belongs to.
  ///
  /// - Parameter name: its name, or the first word of it: `encoder.conv_in.weight`, `quant_conv`.
  public init(ofParameter name: String) {
    switch name.prefix(while: { $0 != "." }) {
    case "encoder", "quant_conv": self = .encoder
    case "quantize": self = .quantizer
    default: self = .decoder
    }
  }
}

extension QuantizerConfiguration {
  /// Whether the bottleneck has weights.
  public var hasWeights: Bool { !weights.isEmpty }
  /// Whether it has any that an optimizer trains.
  public var hasTrainedWeights: Bool { weights.contains(where: \.isTrained) }

  /// The weights of the bottleneck, of which nothing is allocated.
  private var weights: [Parameter] {
    let graph = Graph()
    _ = chosen.bottleneck(in: Scope(graph))
    return graph.parameters
  }
}
