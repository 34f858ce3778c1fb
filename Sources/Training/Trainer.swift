import Configuration
import Datasets
import Evaluation
import Execution
import Imaging
import Inference
import Randomness
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
    /// Someone asked to stop; the checkpoint is of this step.
    case interrupted(step: Int)
  }

  let run: RunConfiguration
  private let dataset: Dataset
  private let checkpoint: Checkpoint
  private let parameters: ParameterMemory<B>
  private let pool: LanePool
  private let codec: Codec<B>
  private let evaluationSet: FixedSet
  private let isResuming: Bool
  private let observer: any TrainingObserver
  let shouldStop: () -> Bool

  /// A run over opened images.
  ///
  /// - Parameters:
  ///   - run: the configuration.
  ///   - dataset: the images to train on and to evaluate with.
  ///   - folder: where the checkpoint goes.
  ///   - isResuming: whether to go on from the state in the folder.
  ///   - backend: the device.
  ///   - threads: how many lanes compute at once; the result does not depend on it.
  ///   - observer: who watches.
  ///   - shouldStop: asked after each step.
  public init(
    _ run: RunConfiguration, dataset: Dataset, folder: String, isResuming: Bool, backend: B,
    threads: Int, observer: any TrainingObserver, shouldStop: @escaping () -> Bool = { false }
  ) throws {
    self.run = run
    self.dataset = dataset
    self.isResuming = isResuming
    self.observer = observer
    self.shouldStop = shouldStop
    checkpoint = Checkpoint(folder: folder)
    parameters = ParameterMemory(Codec<B>.parameterLayout(run.tokenizer), on: backend)
    pool = LanePool(threads: min(threads, run.training.lanes))
    codec = Codec(run.tokenizer, parameters: parameters, lanes: run.training.lanes, pool: pool)
    evaluationSet = try FixedSet(
      dataset.validation.count > 0 ? dataset.validation : dataset.training,
      count: run.monitor.evaluationImages)
  }

  /// Trains until the last step, or until someone asks to stop.
  public func train() throws -> End {
    let training = run.training

    // Where to begin.
    var progress = Checkpoint.Progress(step: 0, seconds: 0, trainingSet: trainingSetHash)
    if isResuming {
      progress = try resume()
    } else {
      if checkpoint.hasRun { throw TrainingError.outputExists(folder: checkpoint.folder) }
      try checkpoint.begin(run)
      try drawFirstValues()
    }
    let journal = try Journal(folder: checkpoint.folder, keepingSteps: progress.step)

    // The step, planned once. Evaluation comes between steps, and uses their memory.
    let step = makeStep()
    codec.releaseMemory()
    codec.borrowArenas(of: step.session)
    let loader = makeLoader(firstStep: progress.step)
    defer { loader.stop() }
    observer.trainingWillBegin(overview(step.session.plan, firstStep: progress.step))

    // The loop.
    let clock = ContinuousClock()
    var (windowSeconds, windowImages) = (0.0, 0)
    while progress.step < training.steps {
      let began = clock.now
      let outcome = try loader.withBatch(step: progress.step) { batch in
        let outcome = step.measure(batch.baseAddress!)
        if !outcome.loss.isFinite || !outcome.gradientNorm.isFinite {
          throw notFinite(step.firstNonFinite() ?? "the gradient", step: progress.step)
        }
        return outcome
      }
      step.update(step: progress.step, gradientNorm: outcome.gradientNorm)
      let seconds = began.duration(to: clock.now) / .seconds(1)
      progress.step += 1
      progress.seconds += seconds
      windowSeconds += seconds
      windowImages += training.batchSize

      let report = report(
        outcome, progress.step, imagesPerSecond: Double(windowImages) / windowSeconds)
      observer.didStep(report)
      let isLast = progress.step == training.steps
      let isStopping = shouldStop()
      if isLast || progress.step.isMultiple(of: run.monitor.logEvery) {
        try journal.record(report.line)
        (windowSeconds, windowImages) = (0, 0)
      }
      if isLast || progress.step.isMultiple(of: run.monitor.evaluateEvery) {
        let result = try evaluate(step: progress.step)
        try journal.record(result.line(step: progress.step))
        observer.didEvaluate(result, step: progress.step)
      }
      if isLast || isStopping || progress.step.isMultiple(of: run.monitor.checkpointEvery) {
        try save(progress)
      }
      if isStopping && !isLast { return .interrupted(step: progress.step) }
    }
    return .finished
  }

  /// The plan of a training step, to be printed.
  public var plan: Plan { makeStep().session.plan }

  // MARK: Parts of the loop

  func makeStep() -> TrainingStep<B> {
    TrainingStep(
      run.tokenizer, imageSize: run.data.imageSize, run.training, parameters: parameters,
      pool: pool)
  }

  func makeLoader(firstStep: Int) -> BatchLoader {
    BatchLoader(
      images: dataset.training, batchSize: run.training.batchSize, seed: seed,
      firstStep: firstStep)
  }

  /// The weights of a run that begins.
  func drawFirstValues() throws {
    parameters.initialize(seed: seed)
    try initializeCodebook(Generator(seed: seed).split(named: "codebook"))
  }

  private var seed: UInt64 { UInt64(bitPattern: Int64(run.training.seed)) }

  /// Reads the state that a run left, if it may go on under this configuration.
  private func resume() throws -> Checkpoint.Progress {
    guard checkpoint.hasState else {
      throw TrainingError.noCheckpoint(folder: checkpoint.folder, missing: Checkpoint.stateFile)
    }
    try checkpoint.checkUnchanged(run)
    let progress = try checkpoint.readState(into: parameters)
    guard progress.trainingSet == trainingSetHash else {
      throw TrainingError.otherConfiguration(
        folder: checkpoint.folder, differences: ["the names of the files in data.train"])
    }
    guard progress.step < run.training.steps else {
      throw TrainingError.alreadyDone(folder: checkpoint.folder, step: progress.step)
    }
    try checkpoint.begin(run)
    return progress
  }

  /// Samples the first codebook from the encoder's outputs for the first images of the run.
  private func initializeCodebook(_ random: Generator) throws {
    guard run.quantizer.startsFromEncoder else { return }
    var random = random
    let side = run.data.imageSize / run.model.downsampling
    let wanted = max(run.training.batchSize, run.quantizer.codebookSize / (side * side) + 1)
    let images = try FixedSet(dataset.training, count: min(wanted, dataset.training.count))
    try CodebookInitialization.apply(
      run.quantizer, from: images.images, codec: codec, to: parameters, random: &random)
  }

  /// Evaluates on the fixed set, and draws originals over reconstructions.
  ///
  /// The samples are spread evenly over the set: its first images may all be of one class.
  private func evaluate(step: Int) throws -> EvaluationResult {
    let images = evaluationSet.images
    let count = min(run.monitor.samples, images.count)
    let samples = (0..<count).map { $0 * images.count / count }
    var reconstructions: [Image] = []
    let result = try Evaluator.evaluate(images, with: codec) { index, image in
      if samples.contains(index) { reconstructions.append(image) }
    }
    if count > 0 {
      let sheet = ContactSheet.pairs(
        originals: samples.map { images[$0] }, reconstructions: reconstructions, columns: count)
      let digits = String(step)
      let name = String(repeating: "0", count: max(0, 7 - digits.count)) + digits + ".png"
      try ImageEncoder().write(
        sheet, to: checkpoint.path(Checkpoint.samplesFolder + "/" + name), as: .png)
    }
    return result
  }

  /// Writes a checkpoint, unless the weights are no longer numbers.
  private func save(_ progress: Checkpoint.Progress) throws {
    if let name = parameters.firstNonFinite() {
      throw notFinite("the parameter \(name)", step: progress.step - 1)
    }
    try checkpoint.write(parameters, progress)
    observer.didSave(step: progress.step, folder: checkpoint.folder)
  }

  private func notFinite(_ place: String, step: Int) -> TrainingError {
    .notFinite(
      step: step + 1, place: place, checkpoint: checkpoint.hasState ? checkpoint.folder : nil)
  }

  private func report(
    _ outcome: TrainingStep<B>.Outcome, _ step: Int, imagesPerSecond: Double
  ) -> StepReport {
    let used = outcome.codeCounts.reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
    return StepReport(
      step: step, steps: run.training.steps, loss: outcome.loss,
      reconstruction: outcome.reconstruction, gradientNorm: outcome.gradientNorm,
      learningRate: run.training.learningRate(ofStep: step - 1),
      imagesPerSecond: imagesPerSecond,
      usage: Double(used) / Double(outcome.codeCounts.count),
      tokens: Int(outcome.codeCounts.reduce(0, +)), quantizer: outcome.quantizer)
  }

  private func overview(_ plan: Plan, firstStep: Int) -> TrainingOverview {
    TrainingOverview(
      trainingImages: dataset.training.count, evaluationImages: evaluationSet.count,
      parameters: parameters.layout.count, firstStep: firstStep, steps: run.training.steps,
      arenaBytes: plan.arenaWords * 4 * run.training.lanes)
  }

  private var trainingSetHash: String {
    Checkpoint.hash(ofNames: (0..<dataset.training.count).map(dataset.training.file))
  }
}
