import Configuration
import Datasets
import Evaluation
import Execution
import Files
import Inference
import Ranks
import Safetensors
import Tokenizers

/// Trains a tokenizer from images to a checkpoint.
///
/// It puts together what ``TrainingLoop`` runs: the model, its images, its codebooks and their upkeep,
/// its evaluation.
public final class TokenizerTrainer<B: Backend> {
  /// The configuration, with the lanes that were chosen.
  public let run: RunConfiguration
  let parameters: ParameterMemory<B>
  let pool: LanePool
  let codec: Codec<B>
  let evaluationSet: FixedSet
  let averages: IterateAverages<B>
  let codebooks: [CodebookMemory<B>]
  let checkpoint: Checkpoint
  let isResuming: Bool
  let origin: Checkpoint.Origin?
  let shouldStop: () -> Bool
  /// The processes that train the run; nil for one by itself.
  let group: ProcessGroup?

  private let allowed: ResumeAllowance
  private let observer: any TrainingObserver
  private let threads: Int
  private let heldLock: FolderLock?
  private let images: RunImages

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
  ///   - group: the processes that train the run; all of them ask `shouldStop` of the group.
  ///   - observer: who watches.
  ///   - shouldStop: asked after each step, and in long work between steps, there from any thread.
  /// - Throws: ``TrainingError``, ``DatasetError``; `DatasetError.stopped` where someone asked to stop.
  public init(
    _ run: RunConfiguration, dataset: Dataset, folder: String, isResuming: Bool,
    start: StartingWeights? = nil, allowed: ResumeAllowance = [], lock: FolderLock? = nil,
    backend: B,
    threads: Int, group: ProcessGroup? = nil, observer: any TrainingObserver,
    shouldStop: @escaping () -> Bool = { false }
  ) throws {
    guard dataset.validation.count > 0 else { throw TrainingError.noEvaluationImages }
    let run = try Self.choosingLanes(
      run, cores: threads, group: group, folder: isResuming ? folder : nil)
    try run.checkFrozen(hasWeights: isResuming || start != nil)
    self.run = run
    self.isResuming = isResuming
    self.allowed = allowed
    self.observer = observer
    self.shouldStop = shouldStop
    self.threads = threads
    self.group = group
    heldLock = lock
    checkpoint = Checkpoint(folder: folder, of: group)
    let ownLanes = run.training.lanes / (group?.size ?? 1)
    images = RunImages(run, dataset, in: checkpoint, group: group, observer: observer)
    parameters = ParameterMemory(Codec<B>.parameterLayout(run.trainedTokenizer), on: backend)
    pool = LanePool(threads: min(threads, ownLanes))
    codec = Codec(
      run.trainedTokenizer, parameters: parameters, lanes: ownLanes, pool: pool)
    parameters.initialize(seed: run.seed)
    origin = try start?.load(into: parameters, run)
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
  public func train() throws -> RunEnd {
    let store = RunStore(
      checkpoint, parameters, averages, observer: observer,
      learningRate: run.training.optimizer.learningRate, group: group)
    let lock = try heldLock ?? store.lock(resuming: isResuming)
    defer { lock?.release() }

    // Where to begin: from here on there is a state in the folder.
    var change: TrainingSetChange?
    let (progress, extras) =
      isResuming
      ? try resume(store, &change) : (try begin(store), Checkpoint.StateExtras())
    images.begin(progress)
    if let kept = progress.origin?.tokensOf, !kept.isEmpty {
      store.record =
        KeptTokens(of: kept, run.tokenizer, WeightsHash(parameters)).metadata
    }
    let start = codebookStart
    do {
      if progress.step == 0, progress.origin?.hasCodebooks != true { try start.makeFirst() }
      let steps = try makeSteps()
      codec.releaseMemory()
      codec.borrowArenas(of: steps.lender)
      let (evaluation, refit) = try makeEvaluation(steps)
      let keeper = CodebookKeeper(
        run, codebooks,
        isNew: store.changes.contains {
          $0.key == "quantizer.reviveEvery" && $0.old == .integer(0)
        })
      start.deferralEnded = {
        keeper?.begin()
        steps.discard { $0.isDeferred }
      }
      var callbacks: [any TrainingCallback] = [start]
      if let keeper { callbacks.append(keeper) }
      callbacks.append(
        run.quantizer.isContinuous
          ? LatentMonitor<B>(run) : QuantizerMonitor(run, keeper: keeper))
      callbacks.append(images)
      let loader = makeLoader(firstStep: progress.step)
      defer { loader.stop() }
      let loop = try TrainingLoop(
        steps, run.training, run.monitor, store: store, progress: progress, extras: extras,
        isResuming: isResuming, line: line(progress, store.changes, change),
        .init(
          source: loader, callbacks: callbacks, evaluation: evaluation, refit: refit,
          savesFitted: run.training.averaging.codebook == .reestimated, observer: observer,
          shouldStop: shouldStop))
      observer.trainingWillBegin(overview(steps, firstStep: progress.step))
      return try loop.run()
    } catch  where error.isRequestToStop {
      return .interrupted(step: progress.step)
    }
  }

  /// A configuration with lanes: its own, those that the run in a folder was begun with, or as many as
  /// there are cores.
  ///
  /// - Parameter group: processes whose cores count, and among which lanes are shared evenly.
  public static func choosingLanes(
    _ run: RunConfiguration, cores: Int, group: ProcessGroup? = nil, folder: String?
  ) throws -> RunConfiguration {
    var run = run
    if run.training.lanes == 0, let folder, Checkpoint(folder: folder).hasState {
      run.training.lanes = try Checkpoint(folder: folder).readConfiguration().training.lanes
    }
    let chosen = run.choosingLanes(
      cores: group?.threads ?? cores, processes: group?.size ?? 1)
    try group?.check(lanes: chosen.training.lanes, batch: chosen.training.batchSize)
    return chosen
  }

  /// The images, with what has been found of them so far.
  public var dataset: Dataset { images.dataset }

  /// The threads that train: no more than there are lanes.
  public var threadsInUse: Int { pool.threads }

  /// The plan of a training step, to be printed.
  public var plan: Plan {
    let model = TokenizerModel(run)
    return model.record(.init()).plan(model.batch(.init()), on: parameters.backend)
  }

  // MARK: Where a run begins

  private func begin(_ store: RunStore<B>) throws -> Checkpoint.Progress {
    var progress = Checkpoint.Progress(trainingSet: images.hash)
    progress.origin = origin
    return try store.begin(run, progress) { try checkpoint.writeData(run, images.dataset) }
  }

  private func resume(
    _ store: RunStore<B>, _ change: inout TrainingSetChange?
  ) throws -> (Checkpoint.Progress, Checkpoint.StateExtras) {
    try store.resume(
      run, .tokenizer, steps: run.training.steps,
      blocks: OptimizationDiagnostics<B>.blocks(run.monitor),
      mayChange: allowed.contains(.configuration)
    ) { progress in
      change = try images.follow(&progress, allowed: allowed)
      if let change = checkpoint.validationChange(run, images.dataset) { observer.note(change) }
    } describe: {
      try checkpoint.writeData(run, images.dataset)
    }
  }

  /// What the log tells of this start.
  private func line(
    _ progress: Checkpoint.Progress, _ changes: [ConfigurationChange], _ change: TrainingSetChange?
  ) -> RunLine {
    var line = RunLine(
      step: progress.step, threads: threads, lanes: run.training.lanes,
      counts: [
        ("trainingImages", images.dataset.training.count),
        ("validationImages", images.dataset.validation.count),
      ], changes: changes)
    if let change { line.details.append(("changedImages", change.line)) }
    if let origin = progress.origin { line.details.append(("from", origin.line)) }
    return line
  }

  // MARK: Parts of a run

  func makeSteps() throws -> PlannedSteps<B, TokenizerModel> {
    try PlannedSteps(
      TokenizerModel(run), run.training, parameters: parameters, pool: pool, group: group)
  }

  /// The step for images of the configured size.
  func makeStep() -> TrainingStep<B> {
    let model = TokenizerModel(run)
    return TrainingStep(
      model.record(.init()), model.batch(.init()), run.training, parameters: parameters,
      pool: pool, group: group)
  }

  func makeLoader(firstStep: Int) -> KeyedBatches {
    let decoders = run.data.loaderThreads(
      cores: threads, isCached: images.dataset.training.store.isCached)
    return KeyedBatches(
      BatchLoader(
        images: images.dataset.training, batchSize: run.training.batchSize, seed: run.seed,
        firstStep: firstStep, prefetch: max(2, decoders), threads: decoders,
        isNeeded: group.map(isOwn)),
      items: run.quantizer.chosen.drawsNoise ? run.training.batchSize : 0, seed: run.seed,
      whenReady: images.shareDamage)
  }

  /// Whether a process computes the image at a place of a step's batch.
  private func isOwn(
    in group: ProcessGroup
  ) -> @Sendable (_ place: Int, _ step: Int) -> Bool {
    let (model, lanes) = (TokenizerModel(run), run.training.lanes)
    let own = group.lanes(of: group.rank, among: lanes)
    return { place, step in
      let replay = place / model.batch(model.variant(ofStep: step)).itemsPerReplay
      return own.contains(replay % lanes)
    }
  }

  /// Where the codebooks come from.
  var codebookStart: CodebookStart<B> {
    CodebookStart(
      run, codebooks, codec: codec, images: images.dataset.training, on: parameters.backend,
      pool: pool, shouldStop: shouldStop)
  }

  /// What evaluates the run, and fits codebooks to averages where they are compared.
  private func makeEvaluation(
    _ steps: PlannedSteps<B, TokenizerModel>
  ) throws -> (ImageEvaluation<B>, CodebookReestimation<B>?) {
    let count = averages.kinds.isEmpty ? 0 : run.training.averaging.evaluationImages
    let evaluation = ImageEvaluation(
      run, codec: codec, parameters: parameters, images: evaluationSet.images,
      heldOutCount: count, forward: try steps.forward(.init()), observer: observer,
      shouldStop: shouldStop)
    guard !codebooks.isEmpty, count > 0, !run.training.freeze.contains(.quantizer) else {
      return (evaluation, nil)
    }
    let fixed = try FixedSet(images.dataset.training, count: count, shouldStop: shouldStop)
    return (
      evaluation,
      CodebookReestimation(
        quantizer: run.quantizer, codebooks: codebooks, codec: codec, images: fixed.images)
    )
  }

  private func overview(
    _ steps: PlannedSteps<B, TokenizerModel>, firstStep: Int
  ) -> TrainingOverview {
    // Processes of a group have been given their cores.
    let cores = group?.threads ?? AvailableCores.count
    return TrainingOverview(
      trainingImages: images.dataset.training.count, evaluationImages: evaluationSet.count,
      parameters: parameters.layout.count, firstStep: firstStep, steps: run.training.steps,
      arenaBytes: steps.lender.plan.arenaWords * 4 * steps.lender.ownLanes.count,
      lanes: run.training.lanes, threads: pool.threads * (group?.size ?? 1), cores: cores,
      lanesForAllCores: run.lanes(cores: cores, processes: group?.size ?? 1))
  }
}

extension BatchLoader: BatchSource {
  /// Images `[n, side, side, 3]` in [-1, 1], the input "images".
  package func withBatch<Result>(
    step: Int, _ body: (Batch) throws -> Result
  ) throws -> Result {
    try withBatch(step: step) { (numbers: UnsafeBufferPointer<Float>) in
      try body(Batch([("images", UnsafeRawPointer(numbers.baseAddress!))]))
    }
  }
}

extension Error {
  /// Whether work ended because someone asked to stop.
  var isRequestToStop: Bool {
    self is CancellationError || (self as? DatasetError) == .stopped
  }
}

/// Who watches the run of a tokenizer: a progress line, a log, a test.
public protocol TrainingObserver: RunObserver {
  /// The run is about to start or resume.
  func trainingWillBegin(_ overview: TrainingOverview)
  /// The tokenizer was evaluated on the fixed set of images.
  func didEvaluate(_ result: EvaluationResult, step: Int)
}

/// Overview before a run.
public struct TrainingOverview: Sendable {
  /// Images to train on.
  public let trainingImages: Int
  /// Images of the fixed evaluation set.
  public let evaluationImages: Int
  /// Trained numbers.
  public let parameters: Int
  /// Updates that were made before.
  public let firstStep: Int
  /// The length of the run.
  public let steps: Int
  /// Bytes of all lanes' arenas.
  public let arenaBytes: Int
  /// Lanes that share each batch.
  public let lanes: Int
  /// Threads that compute them: cores in use.
  public let threads: Int
  /// Cores that there are for this process.
  public let cores: Int
  /// The lanes that would use all cores, or as many as share a batch evenly.
  public let lanesForAllCores: Int
}

// What a step of a tokenizer measures.
extension StepReport {
  static let psnrName = "psnr"
  static let usageName = "usage"
  static let tokensName = "tokens"
  static let idsName = "ids"

  /// Peak signal to noise of the batch in dB, before values are rounded to 8 bits.
  public var psnr: Double { statistics[Self.psnrName] ?? .nan }
  /// The reconstruction loss.
  public var reconstruction: Double { statistics[TokenizerModel.reconstruction] ?? .nan }
  /// Images a second since the last line of the log: training alone.
  public var imagesPerSecond: Double { itemsPerSecond }
  /// The fraction of the codebook that this batch used.
  public var usage: Double { statistics[Self.usageName] ?? 0 }
  /// Nats of an image's latents, the mean over the batch; nil where latents are no distributions.
  public var kl: Double? { statistics["kl"] }
  /// Tokens in the batch: positions of its images' grids; 0 where nothing is quantized yet.
  public var tokens: Int { counts[Self.tokensName] ?? 0 }
  /// Their ids: one a token at each depth.
  public var ids: Int { counts[Self.idsName] ?? 0 }
  /// The quantizer's scalars, by name.
  public var quantizer: [String: Double] {
    let others = [Self.psnrName, TokenizerModel.reconstruction, Self.usageName]
    return statistics.filter { !others.contains($0.key) }
  }
}

extension AveragesReport {
  /// How many images.
  public var images: Int { count }
}

extension AveragesReport.Entry {
  /// Peak signal to noise in dB on 8-bit RGB.
  public var psnr: Double { statistics[StepReport.psnrName] ?? .nan }
}
