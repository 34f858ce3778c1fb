import Configuration
import Execution
import Files
import Foundation
import Priors
import TokenFiles

/// A prior over tokens as a task.
struct PriorTask: TrainingTask {
  let run: PriorRunConfiguration
  let data: PriorData
  let tell: (PriorScore, _ step: Int) -> Void

  var model: PriorModel { PriorModel(run, data.space) }
  var layout: ParameterLayout { PriorModel.parameterLayout(run.model, data.space) }
  var leastBytes: Double {
    let shape = run.model.transformer
    let rows = Double(run.training.microBatch * data.space.ids)
    return rows * Double(shape.width + shape.hiddenWidth) * Double(shape.layers) * 4
  }
  var sizeKeys: [String] { ["model.width", "model.layers", "model.feedForward"] }

  func batches() -> any BatchSource {
    TokenBatches(
      data.training.set, data.training.images, items: run.training.batchSize,
      run.model.transformer, seed: run.seed)
  }

  func evaluation<B: Backend>(
    _ forward: ForwardPass<B>, shouldStop: @escaping () -> Bool
  ) -> any ModelEvaluation {
    PriorEvaluation(forward, data, run, shouldStop: shouldStop, tell: tell)
  }

  var trainingSet: String { data.hash }
  func otherData(folder: String) -> any Error { PriorError.otherTokens(folder: folder) }
  func describe(folder: String) throws { try PriorTokens(data.tokens).write(to: folder) }
  var counts: [(name: String, count: Int)] {
    [("trainingImages", data.trainingImages), ("validationImages", data.validationImages)]
  }
}

/// Trains a prior on tokens, into a folder.
public final class PriorTrainer<B: Backend> {
  private let trainer: TaskTrainer<B, PriorTask>
  private let observer: any PriorObserver

  /// A run over tokens in memory.
  public init(
    _ run: PriorRunConfiguration, data: PriorData, in place: RunPlace, backend: B, threads: Int,
    observer: any PriorObserver
  ) throws {
    self.observer = observer
    let run = try place.keepingLanes(run).choosingLanes(
      cores: place.cores(threads), processes: place.processes, ids: data.space.ids)
    trainer = try TaskTrainer(
      PriorTask(run: run, data: data) { observer.didEvaluate($0, step: $1) },
      in: place, backend: backend, threads: threads)
  }

  /// The configuration, with lanes and micro-batch chosen.
  public var run: PriorRunConfiguration { trainer.task.run }

  /// The plan of a training step, to be printed.
  public var plan: Plan { trainer.plan }

  /// Where the time of some steps goes, after one in which memory is touched for the first time; their
  /// weights are not kept.
  public func trace(steps: Int) throws -> Trace { try trainer.trace(steps: steps) }

  /// What is known before the run.
  public var overview: PriorOverview {
    let data = trainer.task.data
    return PriorOverview(
      trainingImages: data.trainingImages, validationImages: data.validationImages,
      space: data.space, size: trainer.size)
  }

  /// Trains until the last step, until evaluations improve no more, or until someone asks to stop;
  /// likewise ``TokenizerTrainer/train()``.
  public func train() throws -> RunEnd {
    observer.trainingWillBegin(overview)
    return try trainer.train(observer: observer)
  }
}

/// Who watches the run of a prior.
public protocol PriorObserver: RunObserver {
  /// The run is about to start or resume.
  func trainingWillBegin(_ overview: PriorOverview)
  /// The weights were evaluated on held-out tokens.
  func didEvaluate(_ score: PriorScore, step: Int)
}

/// Overview before a run of a prior.
public struct PriorOverview: Sendable {
  /// Images to train on, and to evaluate with.
  public let trainingImages, validationImages: Int
  /// What tokens are.
  public let space: TokenSpace
  /// Parameters, lanes and memory.
  public let size: RunSize
}

/// What a prior's folder says of the tokens that it has learned: `tokens.json`.
public struct PriorTokens: Codable, Equatable, Sendable {
  /// The file's name.
  public static let file = "tokens.json"

  /// The tokenizer whose tokens they are.
  public let tokenizer: TokenizerIdentity
  /// How images became its input.
  public let recipe: Recipe
  /// The recipe of tokens that it draws: none is another's mirror image.
  public var drawnRecipe: Recipe {
    var recipe = recipe
    recipe.isMirrored = false
    return recipe
  }
  /// Rows of tokens, and tokens in a row.
  public let rows, columns: Int
  /// The names of the classes.
  public let classes: [String]

  init(_ set: TokenSet) {
    (tokenizer, recipe) = (set.identity, set.recipe)
    (rows, columns, classes) = (set.rows, set.columns, set.classes)
  }

  /// What tokens are.
  public var space: TokenSpace {
    TokenSpace(
      codes: tokenizer.codebookSize, depth: tokenizer.depth, rows: rows, columns: columns,
      classes: classes.count)
  }

  func write(to folder: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(self), as: UTF8.self)
    try AtomicFile.write(text + "\n", to: folder + "/" + Self.file)
  }
}

extension Checkpoint {
  /// The configuration that the run of a prior was started with.
  public func readPriorConfiguration() throws -> PriorRunConfiguration {
    try readConfiguration(of: .prior)
  }

  /// What the tokens of a prior are.
  public func readPriorTokens() throws -> PriorTokens {
    guard exists(PriorTokens.file) else {
      throw TrainingError.noCheckpoint(folder: folder, missing: PriorTokens.file)
    }
    do {
      let data = try Data(contentsOf: URL(fileURLWithPath: path(PriorTokens.file)))
      return try JSONDecoder().decode(PriorTokens.self, from: data)
    } catch {
      throw TrainingError.damaged(
        file: path(PriorTokens.file), reason: "it does not say what tokens the prior has learned")
    }
  }
}
