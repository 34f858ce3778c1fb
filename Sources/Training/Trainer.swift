import Configuration
import Datasets
import Evaluation
import Execution
import Foundation
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
  let dataset: Dataset
  let checkpoint: Checkpoint
  let parameters: ParameterMemory<B>
  let pool: LanePool
  let codec: Codec<B>
  private let evaluationSet: FixedSet
  let averages: IterateAverages<B>
  let codebooks: [CodebookMemory<B>]
  let isResuming: Bool
  let observer: any TrainingObserver
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
    averages = IterateAverages(run.training, parameters: parameters)
    let (parameters, averages) = (parameters, averages)
    codebooks = Tokenizer.codebookNames(run.quantizer).map {
      CodebookMemory($0, in: parameters, averages: averages)
    }
  }

  /// Trains until the last step, or until someone asks to stop.
  public func train() throws -> End {
    let training = run.training

    // Where to begin.
    var progress = Checkpoint.Progress(step: 0, seconds: 0, trainingSet: trainingSetHash)
    var extras = Checkpoint.StateExtras()
    if isResuming {
      (progress, extras) = try resume()
    } else {
      if checkpoint.hasRun { throw TrainingError.outputExists(folder: checkpoint.folder) }
      try checkpoint.begin(run)
      try drawFirstValues()
    }

    // The step, planned once. All else comes between steps, and uses their memory.
    let keeper = CodebookKeeper(
      run, codebooks, random: Generator(seed: seed).split(named: "revival"))
    var step = makeStep()
    let quantized = step
    if progress.step < training.deferQuantization {
      step = TrainingStep(
        deferredBefore: quantized, run.tokenizer, imageSize: run.data.imageSize)
    }
    codec.releaseMemory()
    codec.borrowArenas(of: quantized.session)
    let heldOut = HeldOutLoss(
      run.tokenizer, imageSize: run.data.imageSize, training, lender: quantized.session)
    let monitor = RunMonitor(
      run, after: progress.step, extras: extras, parameters: parameters, averages: averages)
    let weighing = try makeWeighing(heldOut)
    try restore(extras, weighing, keeper)
    let diary = try RunDiary(folder: checkpoint.folder, run.monitor, keepingSteps: progress.step)
    try diary.begin(monitor.firstLines)
    let loader = makeLoader(firstStep: progress.step)
    defer { loader.stop() }
    observer.trainingWillBegin(overview(quantized.session.plan, firstStep: progress.step))

    // The loop.
    let clock = ContinuousClock()
    var (windowSeconds, windowImages) = (0.0, 0)
    while progress.step < training.steps {
      let began = clock.now
      if progress.step == training.deferQuantization, progress.step > 0 {
        try endDeferral(keeper)
        step = quantized
      }
      let (number, rate) = (progress.step + 1, training.learningRate(ofStep: progress.step))
      let outcome = try loader.withBatch(step: progress.step) { batch in
        let batch = batch.baseAddress!
        let outcome = step.measure(
          batch, probe: monitor.probe(at: number), assignments: keeper?.assignments)
        if !outcome.loss.isFinite || !outcome.gradientNorm.isFinite {
          throw notFinite(step.firstNonFinite() ?? "the gradient", step: progress.step)
        }
        let update = step.update(step: progress.step, gradientNorm: outcome.gradientNorm) {
          monitor.ask(&$0, step: number, learningRate: rate)
        }
        monitor.record(
          outcome, update, step: number, learningRate: rate,
          lossAfter: monitor.measuresDecrease(at: number)
            ? heldOut.loss(of: batch, count: training.batchSize) : nil)
        if let keeper, !step.isDeferred {
          monitor.record(revived: keeper.update(step: number))
        }
        return outcome
      }
      let seconds = began.duration(to: clock.now) / .seconds(1)
      progress.step += 1
      progress.seconds += seconds
      windowSeconds += seconds
      windowImages += training.batchSize

      let report = report(
        outcome, progress.step, imagesPerSecond: Double(windowImages) / windowSeconds,
        warning: monitor.warning)
      observer.didStep(report)
      let isLast = progress.step == training.steps
      let isStopping = shouldStop()
      if isLast || progress.step.isMultiple(of: run.monitor.logEvery) {
        try diary.record(report.line)
        (windowSeconds, windowImages) = (0, 0)
      }
      if isLast || progress.step.isMultiple(of: run.monitor.evaluateEvery), !step.isDeferred {
        try evaluate(step: progress.step, weighing, diary)
      }
      if monitor.diagnoses(progress.step) {
        let began = clock.now
        try diary.record(monitor, step: progress.step, leastEvaluation: weighing.leastLoss)
        let seconds = began.duration(to: clock.now) / .seconds(1)
        progress.seconds += seconds
        windowSeconds += seconds
      }
      if isLast || isStopping || progress.step.isMultiple(of: run.monitor.checkpointEvery) {
        try save(progress, monitor, weighing, keeper)
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
      pool: pool, probing: run.monitor.quantizer,
      assigning: run.quantizer.upkeep?.isNeeded ?? false)
  }

  /// What holds the last weights and the averages side by side.
  private func makeWeighing(_ heldOut: HeldOutLoss<B>) throws -> AveragesEvaluation<B> {
    let count = averages.kinds.isEmpty ? 0 : run.training.averaging.evaluationImages
    let held = (0..<min(count, evaluationSet.count)).map {
      evaluationSet.images[$0 * evaluationSet.count / min(count, evaluationSet.count)]
    }
    let reestimation =
      codebooks.isEmpty || count == 0
      ? nil
      : CodebookReestimation(
        quantizer: run.quantizer, codebooks: codebooks, codec: codec,
        images: try FixedSet(dataset.training, count: count).images)
    return AveragesEvaluation(
      run.training.averaging, averages: averages, heldOut: heldOut, images: held,
      reestimation: reestimation)
  }

  func makeLoader(firstStep: Int) -> BatchLoader {
    BatchLoader(
      images: dataset.training, batchSize: run.training.batchSize, seed: seed,
      firstStep: firstStep)
  }

  var seed: UInt64 { UInt64(bitPattern: Int64(run.training.seed)) }

  /// Evaluates the weights that are saved on the fixed set, draws originals over reconstructions,
  /// and holds the last weights and the averages side by side.
  ///
  /// The samples are spread evenly over the set: its first images may all be of one class.
  private func evaluate(
    step: Int, _ weighing: AveragesEvaluation<B>, _ diary: RunDiary
  ) throws {
    let images = evaluationSet.images
    let count = min(run.monitor.samples, images.count)
    let samples = (0..<count).map { $0 * images.count / count }
    var reconstructions: [Image] = []
    let result = try weighing.withSavedWeights {
      try Evaluator.evaluate(images, with: codec) { index, image in
        if samples.contains(index) { reconstructions.append(image) }
      }
    }
    try diary.record(result.line(step: step, weights: weighing.savedName))
    observer.didEvaluate(result, step: step)
    if count > 0 {
      let sheet = ContactSheet.pairs(
        originals: samples.map { images[$0] }, reconstructions: reconstructions, columns: count)
      try diary.record(samples: sheet, step: step)
    }
    if let comparison = try weighing.compare() {
      try diary.record(comparison.line(step: step))
      observer.didCompare(comparison, step: step)
    }
  }

  func notFinite(_ place: String, step: Int) -> TrainingError {
    .notFinite(
      step: step + 1, place: place, checkpoint: checkpoint.hasState ? checkpoint.folder : nil)
  }

  private func report(
    _ outcome: TrainingStep<B>.Outcome, _ step: Int, imagesPerSecond: Double, warning: String?
  ) -> StepReport {
    let used = outcome.codeCounts.reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
    return StepReport(
      step: step, steps: run.training.steps, loss: outcome.loss,
      psnr: 10 * log10(4 / outcome.squaredError), reconstruction: outcome.reconstruction,
      gradientNorm: outcome.gradientNorm,
      learningRate: run.training.learningRate(ofStep: step - 1),
      imagesPerSecond: imagesPerSecond,
      usage: Double(used) / Double(max(1, outcome.codeCounts.count)),
      tokens: Int(outcome.codeCounts.reduce(0, +)), quantizer: outcome.quantizer,
      warning: warning)
  }

  private func overview(_ plan: Plan, firstStep: Int) -> TrainingOverview {
    TrainingOverview(
      trainingImages: dataset.training.count, evaluationImages: evaluationSet.count,
      parameters: parameters.layout.count, firstStep: firstStep, steps: run.training.steps,
      arenaBytes: plan.arenaWords * 4 * run.training.lanes)
  }
}
