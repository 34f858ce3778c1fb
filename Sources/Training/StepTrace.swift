import Datasets
import Execution

extension Trainer {
  /// Makes steps as training does, and measures where their time goes; nothing is saved.
  ///
  /// - Parameters:
  ///   - steps: the steps that are measured.
  ///   - warmup: the steps before, in which memory is touched for the first time.
  public func trace(steps: Int, warmup: Int = 1) throws -> Trace {
    try makeFirstCodebooks()
    let step = makeStep()
    let loader = makeLoader(firstStep: 0)
    defer { loader.stop() }
    let trace = Trace(
      step.session.plan, lanes: step.session.lanes, threads: step.session.threads)
    let clock = ContinuousClock()
    for index in 0..<(warmup + steps) where !shouldStop() {
      if index == warmup { step.session.trace = trace }
      let began = clock.now
      let outcome = try loader.withBatch(step: index) { batch in
        step.session.trace?.add(.waiting, since: began)
        return step.measure(batch)
      }
      step.update(step: index, gradientNorm: outcome.gradientNorm)
      step.session.trace?.addStep(since: began)
    }
    return trace
  }
}
