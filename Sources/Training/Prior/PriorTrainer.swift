import Configuration
import Execution
import Files
import Foundation
import Priors
import TokenFiles

/// Trains a prior on tokens, into a folder.
public final class PriorTrainer<B: Backend> {
  /// The configuration, with lanes and micro-batch chosen.
  public let run: PriorRunConfiguration

  private let data: PriorData
  private let steps: PlannedSteps<B, PriorModel>
  private let folder: String
  private let isResuming: Bool
  private let allowed: ResumeAllowance
  private let heldLock: FolderLock?
  private let observer: any PriorObserver
  private let shouldStop: () -> Bool

  /// A run over tokens in memory; parameters are those of ``TokenizerTrainer``'s.
  public init(
    _ run: PriorRunConfiguration, data: PriorData, folder: String, isResuming: Bool,
    allowed: ResumeAllowance = [], lock: FolderLock? = nil, backend: B, threads: Int,
    observer: any PriorObserver, shouldStop: @escaping () -> Bool = { false }
  ) throws {
    let run = try Self.choosing(run, data, cores: threads, folder: isResuming ? folder : nil)
    (self.run, self.data, self.folder, self.isResuming) = (run, data, folder, isResuming)
    (self.allowed, heldLock, self.observer, self.shouldStop) = (allowed, lock, observer, shouldStop)
    let layout = PriorModel.parameterLayout(run.model, data.space)
    try MemoryLimits().check(Self.need(run, data.space, layout, on: backend), "training")
    let parameters = ParameterMemory(layout, on: backend)
    parameters.initialize(seed: run.seed)
    steps = try PlannedSteps(
      PriorModel(run, data.space), run.training, parameters: parameters,
      pool: LanePool(threads: min(threads, run.training.lanes)))
  }

  /// Memory of a run beside its tokens, computed without allocating it.
  private static func need(
    _ run: PriorRunConfiguration, _ space: TokenSpace, _ layout: ParameterLayout, on backend: B
  ) -> MemoryNeed {
    // Weights and their moments, the gradients of the lanes, two numbers an average.
    let averages = 2 * run.training.averaging.rules.count
    let diagnostics = (run.monitor.averageLoss ? 1 : 0) + (run.monitor.cosines ? 1 : 0)
    var need = MemoryNeed()
    need.add(
      "weights, their moments and averages",
      bytes: 4 * Double(layout.words) * Double(3 + averages + diagnostics),
      keys: ["model.width", "model.layers", "model.feedForward"])
    // A lower bound first: what is far too large is not planned.
    let shape = run.model.transformer
    let rows = Double(run.training.microBatch * space.ids)
    let least = rows * Double(shape.width + shape.hiddenWidth) * Double(shape.layers) * 4
    let lanes = Double(run.training.lanes)
    let keys = ["training.microBatch", "training.lanes", "model.width", "model.layers"]
    let name = "activations and gradients of \(run.training.lanes) lanes"
    guard least < MemoryNeed.mostPlanned else {
      need.add(name, bytes: lanes * least, keys: keys)
      return need
    }
    let model = PriorModel(run, space)
    let plan = model.record(.init()).plan(model.batch(.init()), on: backend)
    need.add(name, bytes: plan.bytes(lanes: run.training.lanes), keys: keys)
    return need
  }

  /// A configuration with lanes and micro-batch: its own, those of the run in a folder, or chosen.
  private static func choosing(
    _ run: PriorRunConfiguration, _ data: PriorData, cores: Int, folder: String?
  ) throws -> PriorRunConfiguration {
    var run = run
    if let folder, Checkpoint(folder: folder).hasState {
      let before = try Checkpoint(folder: folder).readPriorConfiguration().training
      if run.training.lanes == 0 { run.training.lanes = before.lanes }
      if run.training.microBatch == 0 { run.training.microBatch = before.microBatch }
    }
    return run.choosingLanes(cores: cores, ids: data.space.ids)
  }

  /// The plan of a training step, to be printed.
  public var plan: Plan { steps.lender.plan }

  /// Where the time of some steps goes; their weights are not kept.
  ///
  /// - Parameters:
  ///   - steps: the steps that are measured.
  ///   - warmup: the steps before, in which memory is touched for the first time.
  public func trace(steps count: Int, warmup: Int = 1) throws -> Trace {
    let step = try steps.step(.init())
    let source = TokenBatches(
      data.training.set, data.training.images, items: run.training.batchSize,
      run.model.transformer, seed: run.seed)
    let trace = Trace(
      step.session.plan, lanes: step.session.lanes, threads: step.session.threads)
    for index in 0..<(warmup + count) where !shouldStop() {
      if index == warmup { step.session.trace = trace }
      let began = ContinuousClock.now
      let outcome = try source.withBatch(step: index) { step.measure($0) }
      step.update(step: index, gradientNorm: outcome.gradientNorm)
      step.session.trace?.addStep(since: began)
    }
    return trace
  }

  /// The bytes of all memory that training takes, tokens excluded.
  public var overview: PriorOverview {
    PriorOverview(
      trainingImages: data.trainingImages, validationImages: data.validationImages,
      space: data.space, parameters: steps.lender.parameters.layout.count,
      steps: run.training.steps, lanes: run.training.lanes, threads: steps.lender.threads,
      arenaBytes: steps.lender.plan.arenaWords * 4 * run.training.lanes)
  }

  /// Trains until the last step, until evaluations improve no more, or until someone asks to stop;
  /// likewise ``TokenizerTrainer/train()``.
  public func train() throws -> RunEnd {
    let (folder, run, data, observer) = (folder, run, data, observer)
    let trainer = ModelTrainer(
      run, steps, folder: folder, isResuming: isResuming, allowed: allowed, lock: heldLock,
      observer: observer, shouldStop: shouldStop)
    trainer.trainingSet = data.hash
    trainer.wasOtherSet = { PriorError.otherTokens(folder: folder) }
    trainer.describe = { try PriorTokens(data.tokens).write(to: folder) }
    trainer.counts = [
      ("trainingImages", data.trainingImages), ("validationImages", data.validationImages),
    ]
    observer.trainingWillBegin(overview)
    return try trainer.train(
      on: TokenBatches(
        data.training.set, data.training.images, items: run.training.batchSize,
        run.model.transformer, seed: run.seed),
      evaluation: PriorEvaluation(
        try steps.forward(.init()), data, run, shouldStop: shouldStop
      ) { score, step in observer.didEvaluate(score, step: step) })
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
  /// Trained numbers.
  public let parameters: Int
  /// The length of the run.
  public let steps: Int
  /// Lanes that share each batch, and threads that compute them.
  public let lanes, threads: Int
  /// Bytes of all lanes' arenas.
  public let arenaBytes: Int
}

/// What a prior's folder says of the tokens that it has learned: `tokens.json`.
public struct PriorTokens: Codable, Equatable, Sendable {
  /// The file's name.
  public static let file = "tokens.json"

  /// The tokenizer whose tokens they are.
  public let tokenizer: TokenizerIdentity
  /// How images became its input.
  public let recipe: Recipe
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
