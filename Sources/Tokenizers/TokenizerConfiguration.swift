import Configuration

/// Configuration of a tokenizer's weights: the networks and the quantizer between them.
public struct TokenizerConfiguration: Sendable, Equatable {
  /// The shape of the encoder and the decoder.
  public var model: ModelConfiguration
  /// The discrete bottleneck.
  public var quantizer: QuantizerConfiguration

  /// Describes a tokenizer.
  public init(
    model: ModelConfiguration = ModelConfiguration(),
    quantizer: QuantizerConfiguration = .fsq(FiniteScalarConfiguration())
  ) {
    self.model = model
    self.quantizer = quantizer
  }
}

extension TokenizerConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "What the weights of a tokenizer depend on."
  /// The standard networks with finite scalar quantization between them.
  public static let standard = TokenizerConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.object("model", &model, ModelConfiguration.summary)
    fields.object("quantizer", &quantizer, QuantizerConfiguration.summary)
  }
}
