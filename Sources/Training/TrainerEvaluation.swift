import Configuration
import Datasets
import Evaluation
import Execution
import Imaging

/// What comes between two steps: a run's diagnoses and evaluations.
extension Trainer {
  /// Writes what a step tells: its own line, and those of a diagnosis where it is due.
  ///
  /// What takes in the evaluation of the step is left to ``evaluate(_:_:)``, where there is one.
  func diagnose(
    _ progress: Checkpoint.Progress, _ parts: Parts, logging line: JSONObject?
  ) throws {
    guard parts.monitor.diagnoses(progress.step) else {
      return try parts.diary.record(line.map { [$0] } ?? [])
    }
    let usage = parts.monitor.usage
    var lines = [line].compactMap { $0 } + parts.monitor.lines(step: progress.step)
    if !progress.isEvaluationDue {
      lines += [averageLossLine(progress, parts)].compactMap { $0 }
    }
    try parts.diary.record(lines)
    try parts.diary.record(usage, step: progress.step)
  }

  private func averageLossLine(_ progress: Checkpoint.Progress, _ parts: Parts) -> JSONObject? {
    guard parts.monitor.diagnoses(progress.step) else { return nil }
    return parts.monitor.averageLossLine(
      step: progress.step, leastEvaluation: parts.weighing.leastLoss)
  }

  /// Evaluates the weights that are saved on the fixed set, draws originals over reconstructions,
  /// and holds the last weights and the averages side by side.
  ///
  /// The samples are spread evenly over the set: its first images may all be of one class. All is
  /// computed from the weights alone. Where it is cut short, nothing of it is kept and it is still
  /// due, so that a run that goes on from here makes it as if it had never been begun.
  func evaluate(_ progress: inout Checkpoint.Progress, _ parts: Parts) throws {
    let (step, images) = (progress.step, evaluationSet.images)
    let count = min(run.monitor.samples, images.count)
    let samples = (0..<count).map { $0 * images.count / count }
    var reconstructions: [Image] = []
    let result = try parts.weighing.withSavedWeights {
      try Evaluator.evaluate(images, with: codec) { index, image in
        if samples.contains(index) { reconstructions.append(image) }
      } shouldStop: {
        shouldStop()
      }
    }
    if count > 0 {
      let sheet = ContactSheet.pairs(
        originals: samples.map { images[$0] }, reconstructions: reconstructions, columns: count)
      try parts.diary.record(samples: sheet, step: step)
    }
    var best = parts.best
    if best.record(result, step: step), run.monitor.keepBest != .none {
      try parts.weighing.withSavedWeights {
        try checkpoint.writeModel(
          parameters, to: Checkpoint.bestFile, step: step, weights: parts.weighing.savedName)
      }
    }
    let comparison = try parts.weighing.compare()

    // Nothing fails from here on but writing lines, which a state keeps.
    parts.best = best
    progress.isEvaluationDue = false
    observer.didEvaluate(result, step: step)
    if let comparison { observer.didCompare(comparison, step: step) }
    try parts.diary.record(
      [
        result.line(step: step, seconds: progress.seconds, weights: parts.weighing.savedName),
        comparison?.line(step: step), averageLossLine(progress, parts),
      ].compactMap { $0 })
  }
}
