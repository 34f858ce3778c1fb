import Configuration
import Datasets
import Foundation
import Safetensors
import Testing
import Training

/// The best weights that are kept, and runs that end because nothing improves.
struct BestEvaluationTests {
  /// A run whose evaluations go up and down.
  private static func run(_ small: SmallRun, steps: Int = 10) -> RunConfiguration {
    var run = SmallRun.configuration("averaged", data: small.data, steps: steps)
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0.3, momentum: 0.95))
    run.monitor.evaluateEvery = 1
    run.monitor.keepBest = .psnr
    run.training.averaging.save = .last
    return run
  }

  @Test func theBestWeightsAreThoseOfTheBestEvaluation() throws {
    let small = try SmallRun()
    let run = Self.run(small)
    let (folder, recorder) = (small.folder("run"), Recorder())
    try SmallRun.train(run, in: folder, recorder: recorder)
    let best = try #require(recorder.evaluations.max { $0.result.psnr < $1.result.psnr })
    let kept = folder + "/" + Checkpoint.bestFile
    #expect(try SafetensorsFile(path: kept).metadata["step"] == "\(best.step)")
    try SmallRun.train(Self.run(small, steps: best.step), in: small.folder("short"))
    #expect(
      try tensors(kept) == tensors(small.folder("short") + "/" + Checkpoint.modelFile))
    // Stopped and resumed it is the same.
    for stop in [1, best.step, min(9, best.step + 1)] {
      let parts = small.folder("stopped after \(stop)")
      try SmallRun.train(run, in: parts, stoppingAfter: stop)
      try SmallRun.train(run, in: parts, isResuming: true)
      try expectEqualRuns(folder, parts)
      #expect(try bytes(parts + "/" + Checkpoint.bestFile) == bytes(kept))
    }
  }

  @Test(arguments: [1, 2])
  func aRunEndsWhereNothingImproves(_ patience: Int) throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data, steps: 40)
    // Nothing moves: the first evaluation, at step 4, stays the best.
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 1e-30, momentum: 0))
    run.training.patience = patience
    let (folder, recorder) = (small.folder("run"), Recorder())
    let last = 4 * (1 + patience)
    let end = try SmallRun.train(run, in: folder, recorder: recorder)
    guard case .patienceEnded(last, patience, 4, let best) = end else {
      Issue.record("it ended otherwise: \(end)")
      return
    }
    #expect(best == recorder.evaluations[0].result.psnr)
    #expect(recorder.saved.last == last)
    #expect(
      throws: TrainingError.patienceEnded(folder: folder, step: last, evaluations: patience)
    ) { try SmallRun.train(run, in: folder, isResuming: true) }
    for stop in [2, last - 1] {
      let parts = small.folder("stopped after \(stop)")
      try SmallRun.train(run, in: parts, stoppingAfter: stop)
      #expect(try SmallRun.train(run, in: parts, isResuming: true) == end)
      try expectEqualRuns(folder, parts)
    }
    run.training.patience = 0
    run.training.steps = last + 1
    #expect(try SmallRun.train(run, in: folder, isResuming: true) == .finished)
  }

  /// What is better by less than asked for does not count.
  @Test func improvementsMustBeLargeEnough() throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data, steps: 40)
    run.training.patience = 1
    run.training.minDelta = 100
    guard case .patienceEnded(8, 1, _, _) = try SmallRun.train(run, in: small.folder("run")) else {
      Issue.record("it ended otherwise")
      return
    }
  }
}
