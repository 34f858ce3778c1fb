import Configuration

/// What the weights of a tokenizer depend on: the networks and the quantizer between them.
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
