import Datasets
import Execution
import Randomness

extension Trainer {
  /// Makes steps with a rising learning rate, from the weights that the run would begin with; nothing is
  /// saved.
  ///
  /// - Parameters:
  ///   - range: the first and the last rate.
  ///   - steps: from the one to the other; fewer are made where training diverges or someone asks to
  ///     stop.
  ///   - visit: called after each step.
  public func findRate(
    range: ClosedRange<Double> = 1e-7...1, steps count: Int = 150,
    visit: (RateTest) -> Void = { _ in }
  ) throws -> RateTest {
    if origin?.hasCodebooks != true { try makeFirstCodebooks() }
    let steps = makeSteps()
    let keeper = CodebookKeeper(
      run, codebooks, random: Generator(seed: seed).split(named: "revival"))
    // What a run begins with: where quantization is deferred, it is all through the test.
    let isDeferred = run.training.deferQuantization > 0
    let loader = makeLoader(firstStep: 0)
    defer { loader.stop() }
    var test = RateTest(range: range, steps: count)
    while test.goesOn, !shouldStop() {
      let index = test.points.count
      var variant = steps.model.variant(ofStep: index)
      variant.isDeferred = isDeferred
      let step = steps.step(variant)
      let rate = test.rate(ofStep: index)
      try loader.withBatch(step: index) { batch in
        let outcome = step.measure(
          batch, readers: isDeferred ? [] : [keeper?.assignments].compactMap { $0 })
        test.record(loss: outcome.gradientNorm.isFinite ? outcome.loss : .nan)
        guard test.goesOn else { return }
        step.update(step: index, gradientNorm: outcome.gradientNorm, learningRate: rate)
        if let keeper, !isDeferred { _ = keeper.update(step: index + 1) }
      }
      visit(test)
    }
    return test
  }
}
