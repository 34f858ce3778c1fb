import Configuration
import Datasets
import Imaging
import Priors

/// Everything a run of a continuous prior depends on: a configuration of kind "continuous".
public struct ContinuousRunConfiguration: Sendable, Equatable, TrainedRun {
  /// A continuous prior.
  public static var runKind: RunKind { .continuous }

  /// The most rows of a micro-batch's head that are chosen, unless one image has more.
  public static let mostChosenRows = 2048

  /// Path of the schema by which editors complete and check the file, relative to it.
  public var schemaPath = "continuous.schema.json"
  /// What is trained.
  public var kind = RunKind.continuous
  /// What the run trains, in what time, with what result.
  public var description: String
  /// The vectors.
  public var data: VectorDataConfiguration
  /// The transformer and its head.
  public var model: ContinuousConfiguration
  /// How it is trained.
  public var training: TrainingConfiguration
  /// What the run measures and records, and how often.
  public var monitor: MonitorConfiguration

  /// Describes a run.
  public init(
    description: String = "", data: VectorDataConfiguration,
    model: ContinuousConfiguration = ContinuousConfiguration(),
    training: TrainingConfiguration = TrainingConfiguration(),
    monitor: MonitorConfiguration = MonitorConfiguration()
  ) {
    (self.description, self.data, self.model) = (description, data, model)
    (self.training, self.monitor) = (training, monitor)
  }

  /// Rows of the head for an image.
  func rows(vectors: Int) -> Int { vectors * (model.head.diffusion?.levels ?? 1) }

  /// The run with its lanes and micro-batch chosen, where it leaves that to the machine.
  ///
  /// - Parameter vectors: vectors of an image.
  public func choosingLanes(
    cores: Int, processes: Int = 1, vectors: Int
  ) -> ContinuousRunConfiguration {
    var run = self
    run.training.chooseLanes(
      cores: cores, processes: processes,
      mostItems: Self.mostChosenRows / max(1, rows(vectors: vectors)))
    return run
  }
}

extension TrainingConfiguration {
  /// Chooses lanes and micro-batch, where they are left to the machine: as many lanes as share a batch evenly,
  /// then the most items at a time, up to a limit.
  ///
  /// - Parameter processes: how many share the lanes evenly; as many lanes where more of them cannot be had.
  mutating func chooseLanes(cores: Int, processes: Int, mostItems: Int) {
    let micro = max(1, microBatch)
    if lanes == 0 {
      let most = max(processes, min(cores, Self.mostLanes, batchSize))
      lanes =
        stride(from: processes, through: most, by: processes).reversed()
        .first { batchSize % ($0 * micro) == 0 } ?? processes
    }
    if microBatch == 0 {
      let perLane = max(1, batchSize / lanes)
      let most = max(1, min(perLane, mostItems))
      microBatch = (1...most).last { perLane % $0 == 0 } ?? 1
    }
  }
}

extension ContinuousRunConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Everything a training run of a continuous prior depends on."
  /// A start that lacks the images.
  public static let standard = ContinuousRunConfiguration(data: .standard)

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("$schema", &schemaPath, "Path of the JSON Schema, relative to this file.")
    fields.choice("kind", &kind, among: [.continuous], "What is trained.")
    fields.string(
      "description", &description, canBeEmpty: true,
      "What the run trains, in what time, with what result.")
    fields.object("data", &data, VectorDataConfiguration.summary)
    fields.object("model", &model, ContinuousConfiguration.summary)
    fields.object("training", &training[as: Self.self], TrainingConfiguration.summary)
    fields.object("monitor", &monitor[as: Self.self], MonitorConfiguration.summary)
  }
}

// MARK: - Data

/// The vectors that a continuous prior is trained on: the key `data` of its configuration.
public enum VectorDataConfiguration: Sendable, Equatable {
  /// Patches of images.
  case images(ImageVectorConfiguration)
  /// Latents of an autoencoder, as encode writes them.
  case latents(LatentVectorConfiguration)

  /// The side of a patch.
  public var patch: Int {
    switch self {
    case .images(let data): data.patch
    case .latents(let data): data.patch
    }
  }
}

extension VectorDataConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The vectors: patches of images, or latents."
  /// A start that lacks the images.
  public static let standard = VectorDataConfiguration.images(.standard)

  /// Declares the kinds.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant(
      "type", &self,
      [
        ConfigurationVariant(ImageVectorConfiguration.word, Self.images) {
          if case .images(let data) = $0 { data } else { nil }
        },
        ConfigurationVariant(LatentVectorConfiguration.word, Self.latents) {
          if case .latents(let data) = $0 { data } else { nil }
        },
      ])
  }
}

/// Patches of images, which are held in memory.
public struct ImageVectorConfiguration: Sendable, Equatable {
  /// In configurations.
  public static let word = "images"

  /// Folder of PNG and JPEG files to train on; folders in it are classes.
  public var train: String
  /// Folder of images to evaluate on; nil holds out a fraction of `train`.
  public var validation: String?
  /// The fraction that is held out.
  public var validationShare: Double
  /// The ending of the images of shards' samples, such as `jpg` or `seg.png`; nil for the shortest of PNG
  /// and JPEG.
  public var member: String?
  /// Side in pixels of the square that is taken from the middle of each image.
  public var imageSize: Int
  /// Side in pixels of a patch.
  public var patch: Int
  /// Whether training images are mirrored with probability 1/2.
  public var flip: Bool
  /// Background over which transparent pixels are composited.
  public var background: String

  /// Describes the data.
  public init(
    train: String, validation: String? = nil, validationShare: Double = 0.05,
    member: String? = nil, imageSize: Int = 32, patch: Int = 4, flip: Bool = true,
    background: String = "white"
  ) {
    (self.train, self.validation, self.validationShare) = (train, validation, validationShare)
    self.member = member
    (self.imageSize, self.patch, self.flip) = (imageSize, patch, flip)
    self.background = background
  }

  /// How images become squares.
  var augmentation: Augmentation {
    Augmentation(size: imageSize, resize: .cover, crop: .centre, flips: false)
  }
}

extension ImageVectorConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Patches of the pixels of images."
  /// A start that lacks the folder.
  public static let standard = ImageVectorConfiguration(train: "")

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string(
      "train", &train, isRequired: true, isPath: true,
      "Folder of PNG and JPEG files to train on, searched recursively, whose folders are classes; a list "
        + "(.txt) of paths; or WebDataset shards.",
      remedy: "Name a folder, as in \"train\": \"data/photos\", or by --data.")
    fields.string(
      "validation", &validation, isPath: true,
      "Folder of images to evaluate on; without it a fraction of train is held out.")
    fields.number(
      "validationShare", &validationShare, in: .inside(0, 1),
      "Fraction of the images in train held out for evaluation if there is no validation folder.")
    fields.string(
      "member", &member, isWritten: { $0 != nil },
      "Ending of the image in the samples of shards, as in \"jpg\" or \"seg.png\"; without it the shortest "
        + "of PNG and JPEG.")
    fields.integer(
      "imageSize", &imageSize, in: .between(1, 8192),
      "Side in pixels of the square taken from the middle of each image, which is scaled to cover it."
    )
    fields.integer("patch", &patch, in: .between(1, 8192), "Side in pixels of a patch.")
    fields.flag("flip", &flip, "Whether training images are flipped horizontally half the time.")
    fields.string(
      "background", &background, pattern: PixelColor.pattern,
      "Background over which transparent pixels are composited: white, black or #rrggbb.")
    let (side, patch) = (imageSize, patch)
    let near = Self.divisors(of: side).map(String.init).joined(separator: ", ")
    fields.check(
      "patch", with: ["imageSize"], side % patch == 0,
      expected: "a side that divides imageSize = \(side)", remedy: "Those are \(near).")
  }

  private static func divisors(of side: Int) -> [Int] { (1...side).filter { side % $0 == 0 } }
}

/// Latents of an autoencoder, in files that encode wrote.
public struct LatentVectorConfiguration: Sendable, Equatable {
  /// In configurations.
  public static let word = "latents"

  /// Latent files to train on, of one autoencoder.
  public var latents: [String]
  /// Latent files to evaluate with; none where a share of the first is held out.
  public var validation: [String]
  /// The share of the images that is held out where there are no files to evaluate with.
  public var validationShare: Double
  /// Side of a patch of latents.
  public var patch: Int

  /// Describes the data.
  public init(
    latents: [String], validation: [String] = [], validationShare: Double = 0.1, patch: Int = 1
  ) {
    (self.latents, self.validation) = (latents, validation)
    (self.validationShare, self.patch) = (validationShare, patch)
  }
}

extension LatentVectorConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Latents of an autoencoder, as encode writes them."
  /// A start that lacks them.
  public static let standard = LatentVectorConfiguration(latents: [])

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.strings("latents", &latents, "Latent files to train on, all of one autoencoder.")
    fields.strings(
      "validation", &validation,
      "Latent files to evaluate on; without them a fraction of latents is held out.")
    fields.number(
      "validationShare", &validationShare, in: .inside(0, 1),
      "Fraction of the images held out for evaluation if there are no validation files.")
    fields.integer(
      "patch", &patch, in: .between(1, 8192),
      "Side of a patch of latents; 1 leaves them as they are."
    )
    fields.check(
      "latents", !latents.isEmpty, expected: "the name of a latent file",
      remedy: "Name what encode wrote, as in \"latents\": [\"latents.safetensors\"], or by --data.")
  }
}
