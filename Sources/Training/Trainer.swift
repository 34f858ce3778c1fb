import Files
import Datasets
import Evaluation
import Execution
import Foundation
import Inference
import Randomness
import Safetensors
import Tokenizers

/// Trains a tokenizer from images to a checkpoint.
///
/// Everything random is a function of the seed and the step, so that a run that was stopped goes
/// on bit by bit as if it had not been.
public final class Trainer<B: Backend> {
  /// How a run ended.
  public enum End: Sendable, Equatable {
    /// All steps were made.
    case finished
    /// None of the last evaluations was better than the best one, which is of a step before.
    case patienceEnded(step: Int, evaluations: Int, bestStep: Int, best: Double)
    /// Someone asked to stop; the checkpoint is of this step.
    case interrupted(step: Int)
  }

  /// The configuration, with the lanes that were chosen.
  public let run: RunConfiguration
  var dataset: Dataset
  let checkpoint: Checkpoint
  let parameters: ParameterMemory<B>
  let pool: LanePool
  let codec: Codec<B>
  let evaluationSet: FixedSet
  let averages: IterateAverages<B>
  let codebooks: [CodebookMemory<B>]
  let isResuming: Bool
  let allowed: ResumeAllowance
  let observer: any TrainingObserver
  let shouldStop: () -> Bool

  private let threads: Int
  private let heldLock: FolderLock?
  let origin: Checkpoint.Origin?
  /// The step of the state in the folder.
  var savedStep = 0
  var changes: [ConfigurationChange] = []
  var imageChange: TrainingSetChange?

  /// A run over opened images.
  ///
  /// - Parameters:
  ///   - run: the configuration.
  ///   - dataset: the images to train on and to evaluate with.
  ///   - folder: where the checkpoint goes.
  ///   - isResuming: whether to go on from the state in the folder.
  ///   - start: the weights of a new run to begin with; nil draws them.
  ///   - allowed: what a resumed run may differ in.
  ///   - lock: the folder's lock, where the caller has it; else the run takes it.
  ///   - backend: the device.
  ///   - threads: how many lanes compute at once; the result does not depend on it, except that
  ///     as many lanes are chosen where the configuration chooses none.
  ///   - observer: who watches.
  ///   - shouldStop: asked after each step, and in long work between steps, there from any thread.
  /// - Throws: ``TrainingError``, ``DatasetError``; `DatasetError.stopped` where someone asked to stop.
  public init(
    _ run: RunConfiguration, dataset: Dataset, folder: String, isResuming: Bool,
    start: StartingWeights? = nil, allowed: ResumeAllowance = [], lock: FolderLock? = nil,
    backend: B,
    threads: Int, observer: any TrainingObserver, shouldStop: @escaping () -> Bool = { false }
  ) throws {
    guard dataset.validation.count > 0 else { throw TrainingError.noEvaluationImages }
    let run = try Self.choosingLanes(run, cores: threads, folder: isResuming ? folder : nil)
    self.run = run
    self.dataset = dataset
    self.isResuming = isResuming
    self.allowed = allowed
    self.observer = observer
    self.shouldStop = shouldStop
    self.threads = threads
    heldLock = lock
    checkpoint = Checkpoint(folder: folder)
    parameters = ParameterMemory(Codec<B>.parameterLayout(run.tokenizer), on: backend)
    pool = LanePool(threads: min(threads, run.training.lanes))
    codec = Codec(run.tokenizer, parameters: parameters, lanes: run.training.lanes, pool: pool)
    parameters.initialize(seed: UInt64(bitPattern: Int64(run.training.seed)))
    origin = try start?.load(into: parameters, run.quantizer)
    evaluationSet = try FixedSet(
      dataset.validation, count: run.monitor.evaluationImages, shouldStop: shouldStop)
    averages = IterateAverages(run.training, parameters: parameters)
    let (parameters, averages) = (parameters, averages)
    codebooks = Tokenizer.codebookNames(run.quantizer).map {
      CodebookMemory($0, in: parameters, averages: averages)
    }
  }

  /// Trains until the last step, until evaluations improve no more, or until someone asks to stop.
  ///
  /// Whatever ends it, the folder holds a state to go on from, but for weights that are no longer
  /// numbers: then it holds the last ones that were saved.
  public func train() throws -> End {
    let training = run.training
    let lock = try takeLock()
    defer { lock.release() }

    // Where to begin: from here on there is a state in the folder.
    var (progress, extras) = isResuming ? try resume() : (try begin(), Checkpoint.StateExtras())
    let parts: Parts
    do {
      if progress.step == 0, progress.origin?.hasCodebooks != true { try makeFirstCodebooks() }
      parts = try makeParts(&progress, extras)
    } catch  where error.isRequestToStop {
      return .interrupted(step: progress.step)
    }
    defer { parts.loader.stop() }

    // The loop.
    let clock = ContinuousClock()
    var (windowSeconds, windowImages) = (0.0, 0)
    do {
      if progress.step == 0, shouldStop() { throw CancellationError() }
      if !progress.dueLines.isEmpty {
        progress.dueLines = []
        try save(progress, parts)
      }
      if progress.isEvaluationDue {
        try evaluate(&progress, parts)
        try save(progress, parts)
      }
      while progress.step < training.steps {
        if parts.best.isExhausted(training.patience) { return parts.patienceEnded(progress.step) }
        let began = clock.now
        if progress.step == training.deferQuantization, progress.step > 0 {
          if savedStep != progress.step { try save(progress, parts) }
          try endDeferral(parts.keeper)
          parts.steps.discard { $0.isDeferred }
        }
        let variant = parts.steps.model.variant(ofStep: progress.step)
        let step = parts.steps.step(variant)
        let (monitor, number) = (parts.monitor, progress.step + 1)
        let rate = training.learningRate(ofStep: progress.step)
        let readers: [(any ReplayReader)?] =
          variant.isDeferred
          ? [] : [parts.tokens, monitor.probe(at: number), parts.keeper?.assignments]
        let (outcome, tokens) = try parts.loader.withBatch(step: progress.step) { batch in
          let outcome = step.measure(batch, readers: readers.compactMap { $0 })
          let tokens = variant.isDeferred ? nil : parts.tokens.usage
          if !outcome.loss.isFinite || !outcome.gradientNorm.isFinite {
            throw notFinite(step.firstNonFinite() ?? "the gradient", step: number)
          }
          let update = step.update(step: progress.step, gradientNorm: outcome.gradientNorm) {
            monitor.ask(&$0, step: number, learningRate: rate)
          }
          monitor.record(
            outcome, tokens, update, step: number, learningRate: rate,
            lossAfter: monitor.measuresDecrease(at: number)
              ? parts.steps.forward(variant).loss(of: batch) : nil)
          if let keeper = parts.keeper, !variant.isDeferred {
            monitor.record(revived: keeper.update(step: number))
          }
          return (outcome, tokens)
        }
        let seconds = began.duration(to: clock.now) / .seconds(1)
        progress.step = number
        progress.seconds += seconds
        windowSeconds += seconds
        windowImages += step.items

        let report = report(
          outcome, tokens, progress, imagesPerSecond: Double(windowImages) / windowSeconds,
          warning: monitor.warning)
        observer.didStep(report)
        let isLast = number == training.steps
        let isLogged = isLast || number.isMultiple(of: run.monitor.logEvery)
        progress.isEvaluationDue =
          !variant.isDeferred && (isLast || number.isMultiple(of: run.monitor.evaluateEvery))
        try tellReplacements(
          &progress, parts, samples: parts.loader.order.samples(ofStep: number - 1))
        let diagnosed = clock.now
        try diagnose(progress, parts, logging: isLogged ? report.line : nil)
        if monitor.diagnoses(number) {
          let seconds = diagnosed.duration(to: clock.now) / .seconds(1)
          progress.seconds += seconds
          windowSeconds += seconds
        }
        if isLogged { (windowSeconds, windowImages) = (0, 0) }
        if progress.isEvaluationDue { try evaluate(&progress, parts) }
        let isStopping = shouldStop()
        let isExhausted = parts.best.isExhausted(training.patience)
        if isLast || isStopping || isExhausted
          || number.isMultiple(of: run.monitor.checkpointEvery)
        {
          try save(progress, parts)
        }
        if isStopping && !isLast { return .interrupted(step: number) }
      }
      return .finished
    } catch  where error.isRequestToStop {
      // Evaluations are made again when the run goes on, and codebooks after deferral too.
      if savedStep != progress.step { try save(progress, parts) }
      return .interrupted(step: progress.step)
    } catch {
      rescue(progress, parts, from: error)
      throw error
    }
  }

  /// A configuration with lanes: its own, those that the run in a folder was begun with, or as many as
  /// there are cores.
  public static func choosingLanes(
    _ run: RunConfiguration, cores: Int, folder: String?
  ) throws -> RunConfiguration {
    var run = run
    if run.training.lanes == 0, let folder, Checkpoint(folder: folder).hasState {
      run.training.lanes = try Checkpoint(folder: folder).readConfiguration().training.lanes
    }
    return run.choosingLanes(cores: cores)
  }

  /// The threads that train: no more than there are lanes.
  public var threadsInUse: Int { pool.threads }

  /// The plan of a training step, to be printed.
  public var plan: Plan {
    let model = TokenizerModel(run)
    return model.record(.init()).plan(model.batch(.init()), on: parameters.backend)
  }

  // MARK: Parts of the loop

  /// The step for images of the configured size.
  func makeStep() -> TrainingStep<B> {
    let model = TokenizerModel(run)
    return TrainingStep(
      model.record(.init()), model.batch(.init()), run.training, parameters: parameters,
      pool: pool)
  }

  func makeSteps() -> PlannedSteps<B, TokenizerModel> {
    PlannedSteps(TokenizerModel(run), run.training, parameters: parameters, pool: pool)
  }

  func makeTokenReader() -> TokenReader {
    let side = run.data.imageSize / run.model.downsampling
    return TokenReader(
      tokens: run.training.batchSize * side * side, codes: run.quantizer.codebookSize,
      depth: run.quantizer.depth)
  }

  func makeLoader(firstStep: Int) -> BatchLoader {
    BatchLoader(
      images: dataset.training, batchSize: run.training.batchSize, seed: seed,
      firstStep: firstStep)
  }

  var seed: UInt64 { UInt64(bitPattern: Int64(run.training.seed)) }

  private func report(
    _ outcome: TrainingStep<B>.Outcome, _ tokens: DepthUsage?, _ progress: Checkpoint.Progress,
    imagesPerSecond: Double, warning: String?
  ) -> StepReport {
    var quantizer = outcome.statistics
    let reconstruction = quantizer.removeValue(forKey: TokenizerModel.reconstruction)!
    let squaredError = quantizer.removeValue(forKey: TokenizerModel.squaredError)!
    let usage = tokens?.pooled
    return StepReport(
      step: progress.step, steps: run.training.steps, loss: outcome.loss,
      psnr: 10 * log10(4 / squaredError), reconstruction: reconstruction,
      gradientNorm: outcome.gradientNorm,
      learningRate: run.training.learningRate(ofStep: progress.step - 1), seconds: progress.seconds,
      imagesPerSecond: imagesPerSecond,
      usage: usage?.usage ?? 0, tokens: tokens?.tokens ?? 0, ids: usage?.ids ?? 0,
      quantizer: quantizer,
      warning: warning)
  }

  /// The right to write into the folder, which a new run makes.
  private func takeLock() throws -> FolderLock {
    if let heldLock { return heldLock }
    if isResuming {
      guard checkpoint.hasState else { throw checkpoint.withoutState }
    } else {
      try checkpoint.checkIsFree()
      try checkpoint.makeFolder()
    }
    return try checkpoint.lock()
  }

  /// What the journal tells of this start.
  func runLine(_ progress: Checkpoint.Progress) -> RunLine {
    RunLine(
      step: progress.step, threads: threads, lanes: run.training.lanes,
      trainingImages: dataset.training.count, validationImages: dataset.validation.count,
      changes: changes, images: imageChange,
      origin: progress.origin)
  }
}

extension Error {
  /// Whether work ended because someone asked to stop.
  var isRequestToStop: Bool {
    self is CancellationError || (self as? DatasetError) == .stopped
  }
}
