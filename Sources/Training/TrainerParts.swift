import Datasets
import Execution
import Imaging
import Inference
import Randomness
import Tokenizers

extension Trainer {
  /// What a run works with, made once before its first step.
  final class Parts {
    let steps: PlannedSteps<B, TokenizerModel>
    let tokens: TokenReader
    let keeper: CodebookKeeper<B>?
    let monitor: RunMonitor<B>
    let weighing: AveragesEvaluation<B>
    let diary: RunDiary
    let loader: BatchLoader
    var best: BestEvaluation

    init(
      steps: PlannedSteps<B, TokenizerModel>, tokens: TokenReader, keeper: CodebookKeeper<B>?,
      monitor: RunMonitor<B>,
      weighing: AveragesEvaluation<B>, diary: RunDiary, loader: BatchLoader, best: BestEvaluation
    ) {
      self.steps = steps
      self.tokens = tokens
      self.keeper = keeper
      self.monitor = monitor
      self.weighing = weighing
      self.diary = diary
      self.loader = loader
      self.best = best
    }

    /// How a run ended whose evaluations did not improve any more.
    func patienceEnded(_ step: Int) -> End {
      .patienceEnded(
        step: step, evaluations: best.evaluationsSince, bestStep: best.best?.step ?? 0,
        best: best.best?.value ?? 0)
    }
  }

  /// Makes the parts of a run whose weights are in memory, and opens its diary.
  ///
  /// The step is planned once. All else comes between steps, and uses their memory.
  func makeParts(
    _ progress: inout Checkpoint.Progress, _ extras: Checkpoint.StateExtras
  ) throws -> Parts {
    let keeper = CodebookKeeper(
      run, codebooks, random: Generator(seed: seed).split(named: "revival"))
    let steps = makeSteps()
    codec.releaseMemory()
    codec.borrowArenas(of: steps.lender)
    let monitor = RunMonitor(
      run, after: progress.step, extras: extras, parameters: parameters, averages: averages)
    let weighing = try makeWeighing(HeldOutLoss(steps.forward(.init()), shouldStop: shouldStop))
    var best = BestEvaluation(run)
    best.restore(extras.numbers["best"] ?? [])
    if isResuming, best.isExhausted(run.training.patience), !progress.isSomethingDue {
      throw TrainingError.patienceEnded(
        folder: checkpoint.folder, step: progress.step, evaluations: best.evaluationsSince)
    }
    try restore(extras, weighing, keeper, after: progress.step)
    let diary = try RunDiary(
      folder: checkpoint.folder, run.monitor, keepingSteps: isResuming ? progress.step : nil,
      due: progress.dueLines)
    if let damage = diary.damage { observer.note(damage) }
    try diary.begin(runLine(progress).line, progress.step == 0 ? monitor.firstLines : [])
    let loader = makeLoader(firstStep: progress.step)
    let parts = Parts(
      steps: steps, tokens: makeTokenReader(), keeper: keeper, monitor: monitor, weighing: weighing,
      diary: diary,
      loader: loader, best: best)
    do {
      try tellReplacements(&progress, parts)
    } catch {
      loader.stop()
      throw error
    }
    observer.trainingWillBegin(
      TrainingOverview(
        trainingImages: dataset.training.count, evaluationImages: evaluationSet.count,
        parameters: parameters.layout.count, firstStep: progress.step, steps: run.training.steps,
        arenaBytes: steps.lender.plan.arenaWords * 4 * run.training.lanes,
        lanes: run.training.lanes, threads: pool.threads, cores: AvailableCores.count,
        lanesForAllCores: run.lanes(cores: AvailableCores.count)))
    return parts
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
        images: try FixedSet(dataset.training, count: count, shouldStop: shouldStop).images)
    return AveragesEvaluation(
      run.training.averaging, averages: averages, heldOut: heldOut, images: held,
      reestimation: reestimation, shouldStop: shouldStop)
  }
}
