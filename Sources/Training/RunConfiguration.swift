import Configuration
import Datasets
import Tokenizers

/// Everything a run depends on: the content of one file in `configs/`.
public struct RunConfiguration: Sendable, Equatable {
  /// Path of the schema by which editors complete and check the file, relative to it.
  public var schemaPath: String
  /// What the run trains, in what time, with what result.
  public var description: String
  /// The images.
  public var data: DataConfiguration
  /// The shape of the encoder and the decoder.
  public var model: ModelConfiguration
  /// The discrete bottleneck.
  public var quantizer: QuantizerConfiguration
  /// How the model is trained.
  public var training: TrainingConfiguration
  /// What the run says of itself, and how often.
  public var monitor: MonitorConfiguration

  /// Describes a run.
  public init(
    schemaPath: String = "tessera.schema.json", description: String = "",
    data: DataConfiguration, model: ModelConfiguration = ModelConfiguration(),
    quantizer: QuantizerConfiguration = .fsq(FiniteScalarConfiguration()),
    training: TrainingConfiguration = TrainingConfiguration(),
    monitor: MonitorConfiguration = MonitorConfiguration()
  ) {
    self.schemaPath = schemaPath
    self.description = description
    self.data = data
    self.model = model
    self.quantizer = quantizer
    self.training = training
    self.monitor = monitor
  }

  /// What the weights depend on.
  public var tokenizer: TokenizerConfiguration {
    TokenizerConfiguration(model: model, quantizer: quantizer)
  }
}
