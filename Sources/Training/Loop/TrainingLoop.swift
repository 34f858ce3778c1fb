import Files
import Ranks
import Configuration
import Execution

/// How a run ended.
public enum RunEnd: Sendable, Equatable {
  /// All steps were made.
  case finished
  /// None of the last evaluations was better than the best one, which is of a step before.
  case patienceEnded(step: Int, evaluations: Int, bestStep: Int, best: Double)
  /// Someone asked to stop; the checkpoint is of this step.
  case interrupted(step: Int)
}

/// The loop that trains any model: steps, diagnoses, evaluations, checkpoints.
///
/// What a step computes is the ``TrainableModel``'s, what it reads is the ``BatchSource``'s, and what
/// comes between steps are ``TrainingCallback``s and a ``ModelEvaluation``. All that is random is a
/// function of the seed and the step, and all that a step depends on is saved, so that a run that was
/// stopped goes on bit by bit as if it had not been.
final class TrainingLoop<B: Backend, Model: TrainableModel> {
  private let steps: PlannedSteps<B, Model>
  private let source: any BatchSource
  private let callbacks: [any TrainingCallback]
  private let evaluation: (any ModelEvaluation)?
  private let diagnostics: OptimizationDiagnostics<B>
  private let weighing: AveragesEvaluation<B>
  private let store: RunStore<B>
  private let diary: RunDiary
  private let training: TrainingConfiguration
  private let monitor: MonitorConfiguration
  private let observer: any RunObserver
  private let shouldStop: () -> Bool

  private var progress: Checkpoint.Progress
  private var best: BestEvaluation
  private let clock = ContinuousClock()
  /// Seconds and items since the last line of a step.
  private var window = (seconds: 0.0, items: 0)

  /// What a loop works with beside the model.
  struct Parts {
    let source: any BatchSource
    let callbacks: [any TrainingCallback]
    let evaluation: (any ModelEvaluation)?
    /// What is fitted to averages, and whether to one that is saved.
    var refit: (any AveragesRefit)?
    var savesFitted = false
    let observer: any RunObserver
    let shouldStop: () -> Bool
  }

  /// Takes up a run whose weights are in memory, and opens its log.
  ///
  /// - Parameters:
  ///   - progress: where the run is.
  ///   - extras: what the state of a resumed run holds.
  ///   - line: what the log records of this start.
  init(
    _ steps: PlannedSteps<B, Model>, _ training: TrainingConfiguration,
    _ monitor: MonitorConfiguration, store: RunStore<B>, progress: Checkpoint.Progress,
    extras: Checkpoint.StateExtras, isResuming: Bool, line: RunLine, _ parts: Parts
  ) throws {
    (self.steps, self.training, self.monitor, self.store) = (steps, training, monitor, store)
    (source, callbacks, evaluation) = (parts.source, parts.callbacks, parts.evaluation)
    (observer, shouldStop, self.progress) = (parts.observer, parts.shouldStop, progress)
    diagnostics = OptimizationDiagnostics(
      monitor, training, outside: steps.model.outsideOptimizer,
      module: steps.model.module(ofParameter:), after: progress.step, extras: extras,
      parameters: store.parameters, averages: store.averages)
    weighing = AveragesEvaluation(
      training.averaging, averages: store.averages, evaluation: evaluation,
      items: steps.model.items, refit: parts.refit, savesFitted: parts.savesFitted,
      shouldStop: shouldStop)
    best = BestEvaluation(measure: evaluation?.measure ?? 0, minDelta: training.minDelta)
    best.restore(extras.numbers["best"] ?? [])
    if isResuming, best.isExhausted(training.patience), !progress.isSomethingDue {
      throw TrainingError.patienceEnded(
        folder: store.checkpoint.folder, step: progress.step, evaluations: best.evaluationsSince)
    }
    if progress.step > 0 {
      try Self.restore(extras, store, weighing, callbacks)
    }
    diary = try RunDiary(
      store.checkpoint, monitor, keepingSteps: isResuming ? progress.step : nil,
      due: progress.dueLines)
    if let damage = diary.damage { observer.note(damage) }
    try diary.begin(line.line, progress.step == 0 ? diagnostics.firstLines : [])
    for callback in callbacks { try callback.willBegin(diary) }
  }

  /// Hands the parts of a run what a state holds of them.
  private static func restore(
    _ extras: Checkpoint.StateExtras, _ store: RunStore<B>, _ weighing: AveragesEvaluation<B>,
    _ callbacks: [any TrainingCallback]
  ) throws {
    let lacking =
      store.averages.blocks.first { !extras.blocks.contains($0) }?.name
      ?? store.averages.restore(extras.numbers) ?? weighing.restore(extras.numbers)
      ?? callbacks.lazy.compactMap { $0.restore(extras.numbers) }.first
    if let lacking { throw store.lacking(lacking) }
  }

  /// Trains until the last step, until evaluations improve no more, or until someone asks to stop.
  func run() throws -> RunEnd {
    do {
      if progress.step == 0, shouldStop() { throw CancellationError() }
      if !progress.dueLines.isEmpty {
        progress.dueLines = []
        try save()
      }
      if progress.isEvaluationDue {
        try evaluate()
        try save()
      }
      while progress.step < training.steps {
        if isExhausted { return patienceEnded }
        let report = try makeStep(progress.step + 1)
        try finishStep(report)
        let isLast = progress.step == training.steps
        let isStopping = shouldStop()
        if isLast || isStopping || isExhausted
          || progress.step.isMultiple(of: monitor.checkpointEvery)
        {
          try save()
        }
        if isStopping && !isLast { return .interrupted(step: progress.step) }
      }
      return .finished
    } catch  where error.isRequestToStop {
      // Evaluations are made again when the run goes on, and preparations too.
      if store.savedStep != progress.step { try save() }
      return .interrupted(step: progress.step)
    } catch {
      rescue(from: error)
      throw error
    }
  }

  // MARK: A step, counted from 1

  /// Prepares a step where anything has to, makes it, and tells of it.
  private func makeStep(_ number: Int) throws -> StepReport {
    let began = clock.now
    for callback in callbacks where callback.prepares(step: number) {
      if store.savedStep != progress.step { try save() }
      try callback.prepare(step: number)
    }
    let variant = steps.model.variant(ofStep: number - 1)
    let step = try steps.step(variant)
    let rate = training.learningRate(ofStep: number - 1)
    let readers = callbacks.flatMap { $0.readers(ofStep: number) }
    let outcome = try source.withBatch(step: number - 1) { batch in
      let outcome = step.measure(batch, readers: readers)
      try step.session.group?.check()
      if !outcome.loss.isFinite || !outcome.gradientNorm.isFinite {
        throw store.notFinite(step.firstNonFinite() ?? "the gradient", step: number)
      }
      let update = step.update(step: number - 1, gradientNorm: outcome.gradientNorm) {
        store.averages.ask(
          &$0, step: number, learningRate: rate, areRead: areAveragesRead(after: number))
        diagnostics.ask(&$0, step: number)
      }
      let measuresDecrease =
        diagnostics.measureDecrease(at: number) && steps.model.evaluatesTrainingLoss(variant)
      diagnostics.record(
        outcome, update, step: number, learningRate: rate,
        lossAfter: measuresDecrease ? try steps.forward(variant).loss(of: batch) : nil)
      for callback in callbacks { callback.didUpdate(step: number) }
      return outcome
    }
    progress.step = number
    count(began.duration(to: clock.now), items: step.items)
    return report(outcome, learningRate: rate)
  }

  /// Whether the averages are looked at between a step and the next one, or changed with the weights.
  private func areAveragesRead(after step: Int) -> Bool {
    let every = [monitor.diagnoseEvery, monitor.evaluateEvery, monitor.checkpointEvery]
    return step == training.steps || every.contains { step.isMultiple(of: $0) }
      || callbacks.contains { $0.changesWeights(after: step) }
  }

  private func report(
    _ outcome: TrainingStep<B>.Outcome, learningRate: Double
  ) -> StepReport {
    var statistics = steps.model.report(outcome.statistics)
    var counts: [String: Int] = [:]
    for callback in callbacks {
      statistics.merge(callback.statistics) { $1 }
      counts.merge(callback.counts) { $1 }
    }
    return StepReport(
      step: progress.step, steps: training.steps, loss: outcome.loss,
      gradientNorm: outcome.gradientNorm, learningRate: learningRate, seconds: progress.seconds,
      itemsPerSecond: Double(window.items) / window.seconds, items: steps.model.items,
      statistics: statistics, counts: counts,
      warning: callbacks.lazy.compactMap(\.warning).first ?? diagnostics.warning)
  }

  /// What comes between a step and the next one, but for checkpoints.
  private func finishStep(_ report: StepReport) throws {
    observer.didStep(report)
    let (number, isLast) = (report.step, report.step == training.steps)
    let isLogged = isLast || number.isMultiple(of: monitor.logEvery)
    progress.isEvaluationDue =
      (isLast || number.isMultiple(of: monitor.evaluateEvery))
      && evaluation?.canEvaluate(after: number) ?? false
    for callback in callbacks { try callback.didStep(number, diary) }
    if diagnostics.areDue(at: number) {
      let began = clock.now
      try diagnose(number, logging: isLogged ? report.line : nil)
      count(began.duration(to: clock.now))
    } else if isLogged {
      try diary.record([report.line])
    } else {
      try diary.record()
    }
    if isLogged { window = (0, 0) }
    if progress.isEvaluationDue { try evaluate() }
  }

  /// Writes the lines of a step that is diagnosed.
  ///
  /// What takes in the evaluation of the step is left to ``evaluate()``, where there is one.
  private func diagnose(_ step: Int, logging line: JSONObject?) throws {
    var lines = [line].compactMap { $0 } + callbacks.flatMap { $0.diagnose(step: step) }
    lines += diagnostics.lines(step: step)
    if !progress.isEvaluationDue { lines += [averageLossLine].compactMap { $0 } }
    try diary.record(lines)
    for callback in callbacks { try callback.didDiagnose(step: step, diary) }
  }

  private var averageLossLine: JSONObject? {
    diagnostics.averageLossLine(step: progress.step, leastEvaluation: weighing.leastLoss)
  }

  private func count(_ time: Duration, items: Int = 0) {
    let seconds = time / .seconds(1)
    progress.seconds += seconds
    window.seconds += seconds
    window.items += items
  }

  // MARK: Evaluations

  /// Evaluates the weights that are saved, and holds the last weights and the averages side by side.
  ///
  /// It depends on the weights alone. If it is interrupted, nothing of it is kept and it stays due: the
  /// resumed run evaluates again from the start.
  private func evaluate() throws {
    guard let evaluation else { return }
    let step = progress.step
    let request = EvaluationRequest(
      step: step, seconds: progress.seconds, weights: weighing.savedName, diary: diary)
    let result = try weighing.withSavedWeights { try evaluation.evaluate(request) }
    var best = best
    if best.record(result.value, step: step), evaluation.keepsBest {
      try store.saveBest(step: step, weighing)
    }
    let comparison = try weighing.compare()

    // Nothing fails from here on but writing lines, which a state keeps.
    self.best = best
    progress.isEvaluationDue = false
    result.tell()
    if let comparison { observer.didCompare(comparison, step: step) }
    try diary.record(
      [result.line] + result.others
        + [comparison?.line(step: step), averageLossLine].compactMap { $0 })
  }

  private var isExhausted: Bool { best.isExhausted(training.patience) }

  /// How a run ended whose evaluations did not improve any more.
  private var patienceEnded: RunEnd {
    .patienceEnded(
      step: progress.step, evaluations: best.evaluationsSince, bestStep: best.best?.step ?? 0,
      best: best.best?.value ?? 0)
  }

  // MARK: Checkpoints

  private func save() throws {
    var saved = progress
    saved.dueLines = diary.dueLines
    var extras = diagnostics.extras(after: progress.step)
    extras.numbers.merge(weighing.numbers) { $1 }
    if best.best != nil { extras.numbers["best"] = best.state }
    for callback in callbacks {
      extras.numbers.merge(callback.numbers) { $1 }
      callback.willSave(&saved)
    }
    try store.save(saved, extras, weighing)
  }

  /// Saves what an error found, and says of which step the state in the folder is.
  ///
  /// Weights behind a step whose numbers exploded are not saved: those from before are kept.
  private func rescue(from error: any Error) {
    var isExplosion = false
    if case TrainingError.notFinite = error { isExplosion = true }
    if !isExplosion, store.savedStep != progress.step { try? save() }
    observer.willFail(
      step: progress.step, savedStep: store.savedStep, folder: store.checkpoint.folder)
  }
}
