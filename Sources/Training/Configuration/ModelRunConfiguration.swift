import Configuration

/// What a configuration trains: its key `kind`.
public enum RunKind: String, Sendable, CaseIterable {
  /// An image tokenizer, by the command `train`.
  case tokenizer
  /// A model that is written in Swift with the library.
  case model
}

/// What the folder of a model of one's own records of its run.
///
/// The model is code, so this says how it was trained and nothing of what it is.
public struct ModelRunConfiguration: Sendable, Equatable {
  /// What is trained.
  public var kind = RunKind.model
  /// What the run trains, with what result.
  public var description: String
  /// How the model is trained.
  public var training: TrainingConfiguration
  /// What the run measures and records, and how often.
  public var monitor: MonitorConfiguration

  /// Describes a run.
  public init(
    description: String = "", training: TrainingConfiguration = TrainingConfiguration(),
    monitor: MonitorConfiguration = MonitorConfiguration()
  ) {
    (self.description, self.training, self.monitor) = (description, training, monitor)
  }
}

extension ModelRunConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "How a model of one's own was trained."
  /// The standard training.
  public static let standard = ModelRunConfiguration()

  /// Declares the fields: those of a tokenizer's run that say nothing of images.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.choice("kind", &kind, among: [.model], "What is trained.")
    fields.string(
      "description", &description, canBeEmpty: true, "What the run trains, with what result.")
    fields.object("training", &training.withoutImages, TrainingConfiguration.summary)
    fields.object("monitor", &monitor.withoutImages, MonitorConfiguration.summary)
  }
}

/// A configuration of which some fields are about images alone.
protocol ImageFields: Configurable {
  /// Declares the fields, with those of images or without.
  mutating func declare(_ fields: inout ConfigurationFields, forImages: Bool)
}

extension ImageFields {
  /// Its fields but for those of images.
  var withoutImages: WithoutImages<Self> {
    get { WithoutImages(value: self) }
    set { self = newValue.value }
  }
}

/// A configuration without its fields of images.
struct WithoutImages<Value: ImageFields>: Configurable {
  var value: Value

  static var summary: String { Value.summary }
  static var standard: Self { Self(value: .standard) }
  mutating func declare(_ fields: inout ConfigurationFields) {
    value.declare(&fields, forImages: false)
  }
}
