import Configuration
import Priors

/// What a configuration trains: its key `kind`.
public enum RunKind: String, Sendable, CaseIterable {
  /// An image tokenizer.
  case tokenizer
  /// A model of the tokens of a tokenizer.
  case prior
  /// A model of the patches or latents of images.
  case continuous
  /// The steps of a solver for a continuous prior.
  case solver
  /// A model that is written in Swift with the library.
  case model
}

/// The configuration of a run that any trainer can make: how it is trained and watched.
public protocol TrainedRun: Configurable {
  /// The word in its key `kind`.
  static var runKind: RunKind { get }
  /// How the model is trained.
  var training: TrainingConfiguration { get set }
  /// What the run measures and records, and how often.
  var monitor: MonitorConfiguration { get set }
}

extension RunConfiguration: TrainedRun {
  /// A tokenizer.
  public static var runKind: RunKind { .tokenizer }
}

/// What the folder of a model of one's own records of its run.
///
/// The model is code, so this says how it was trained and nothing of what it is.
public struct ModelRunConfiguration: Sendable, Equatable, TrainedRun {
  /// A model of one's own.
  public static var runKind: RunKind { .model }

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
    fields.object("training", &training[as: Self.self], TrainingConfiguration.summary)
    fields.object("monitor", &monitor[as: Self.self], MonitorConfiguration.summary)
  }
}

// MARK: - Prior

/// Everything a run of a prior depends on: a configuration of kind "prior".
public struct PriorRunConfiguration: Sendable, Equatable, TrainedRun {
  /// A prior.
  public static var runKind: RunKind { .prior }

  /// The most ids of a micro-batch that is chosen, unless one image has more.
  ///
  /// Memory grows with them; products of this many rows run at full speed.
  public static let mostChosenIDs = 512

  /// Path of the schema by which editors complete and check the file, relative to it.
  public var schemaPath = "prior.schema.json"
  /// What is trained.
  public var kind = RunKind.prior
  /// What the run trains, in what time, with what result.
  public var description: String
  /// The tokens.
  public var data: TokenDataConfiguration
  /// The transformer.
  public var model: PriorConfiguration
  /// How it is trained.
  public var training: TrainingConfiguration
  /// What the run measures and records, and how often.
  public var monitor: MonitorConfiguration

  /// Describes a run.
  public init(
    description: String = "", data: TokenDataConfiguration,
    model: PriorConfiguration = PriorConfiguration(),
    training: TrainingConfiguration = TrainingConfiguration(),
    monitor: MonitorConfiguration = MonitorConfiguration()
  ) {
    (self.description, self.data, self.model) = (description, data, model)
    (self.training, self.monitor) = (training, monitor)
  }

  /// The start of all random numbers.
  var seed: UInt64 { UInt64(bitPattern: Int64(training.seed)) }

  /// The run with its lanes and micro-batch chosen, where it leaves that to the machine.
  ///
  /// - Parameter ids: ids of an image.
  public func choosingLanes(
    cores: Int, processes: Int = 1, ids: Int
  ) -> PriorRunConfiguration {
    var run = self
    run.training.chooseLanes(
      cores: cores, processes: processes, mostItems: Self.mostChosenIDs / max(1, ids))
    return run
  }
}

extension PriorRunConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Everything a training run of a prior over tokens depends on."
  /// A start that lacks the tokens.
  public static let standard = PriorRunConfiguration(data: .standard)

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("$schema", &schemaPath, "Path of the JSON Schema, relative to this file.")
    fields.choice("kind", &kind, among: [.prior], "What is trained.")
    fields.string(
      "description", &description, canBeEmpty: true,
      "What the run trains, in what time, with what result.")
    fields.object("data", &data, TokenDataConfiguration.summary)
    fields.object("model", &model, PriorConfiguration.summary)
    fields.object("training", &training[as: Self.self], TrainingConfiguration.summary)
    fields.object("monitor", &monitor[as: Self.self], MonitorConfiguration.summary)
  }
}

/// The tokens that a prior is trained on: the key `data` of its configuration.
public struct TokenDataConfiguration: Sendable, Equatable {
  /// Token files to train on, of one tokenizer.
  public var tokens: [String]
  /// Token files to evaluate with; none where a share of the first is held out.
  public var validation: [String]
  /// The share of the images that is held out where there are no files to evaluate with.
  public var validationShare: Double

  /// Describes the data.
  public init(tokens: [String], validation: [String] = [], validationShare: Double = 0.1) {
    (self.tokens, self.validation, self.validationShare) = (tokens, validation, validationShare)
  }
}

extension TokenDataConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The tokens, as encode writes them."
  /// A start that lacks them.
  public static let standard = TokenDataConfiguration(tokens: [])

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.strings(
      "tokens", &tokens, "Token files to train on, all of one tokenizer; of shards the common name."
    )
    fields.strings(
      "validation", &validation,
      "Token files to evaluate on; without them a fraction of tokens is held out.")
    fields.number(
      "validationShare", &validationShare, in: .inside(0, 1),
      "Fraction of the images held out for evaluation if there are no validation files.")
    fields.check(
      "tokens", !tokens.isEmpty, expected: "the name of a token file",
      remedy: "Name what encode wrote, as in \"tokens\": [\"tokens.safetensors\"], or by --data.")
  }
}

// MARK: - Fields that only some kinds have

/// A configuration of which some fields are about some kinds of runs alone.
protocol KindFields: Configurable {
  /// Declares the fields that runs of a kind have.
  mutating func declare(_ fields: inout ConfigurationFields, of kind: RunKind)
}

extension KindFields {
  /// Its fields as a kind of run has them.
  subscript<Run: TrainedRun>(as run: Run.Type) -> FieldsOfKind<Self, Run> {
    get { FieldsOfKind(value: self) }
    set { self = newValue.value }
  }
}

/// A configuration with the fields that a kind of run has.
struct FieldsOfKind<Value: KindFields, Run: TrainedRun>: Configurable {
  var value: Value

  static var summary: String { Value.summary }
  static var standard: Self { Self(value: .standard) }
  mutating func declare(_ fields: inout ConfigurationFields) {
    value.declare(&fields, of: Run.runKind)
  }
}
