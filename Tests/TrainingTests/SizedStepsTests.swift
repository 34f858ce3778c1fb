import Configuration
import Datasets
import Foundation
import Testing
import Tokenizers

import Training

/// Training on images of several sizes.
struct SizedStepsTests {
  private func run(_ small: SmallRun, _ kind: String) -> RunConfiguration {
    var run = SmallRun.configuration(kind, data: small.data, steps: 10)
    run.data.sizeMultiples = [1, 2]
    run.training.batchSize = 8
    run.training.lanes = 2
    run.training.microBatch = 0
    return run
  }

  /// A run of several sizes goes on bit by bit where it was stopped, also while quantization is deferred
  /// and with codebooks that follow moving averages.
  @Test(arguments: ["fsq", "ema", "residual-revived", "deferred"])
  func resumingChangesNoBit(_ kind: String) throws {
    let small = try SmallRun(side: 20)
    let run = run(small, kind)
    let (whole, parts) = (small.folder("whole"), small.folder("parts"))
    let recorder = Recorder()
    try SmallRun.train(run, in: whole, recorder: recorder)
    for stop in [3, 5, nil] {
      try SmallRun.train(run, in: parts, isResuming: stop != 3, threads: 1, stoppingAfter: stop)
    }
    #expect(try tensors(whole + "/model.safetensors") == tensors(parts + "/model.safetensors"))
    // Every batch has the same number of tokens.
    #expect(Set(recorder.reports.map(\.tokens)).subtracting([0]) == [8 * 16])
  }

  @Test func aBatchThatSizesDoNotShareIsRefused() throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data)
    run.data.sizeMultiples = [1, 4]
    let error = #expect(throws: (any Error).self) {
      _ = try RunConfiguration.parse(run.resolved)
    }
    #expect(String(describing: error!).contains("a multiple of lanes * 4^2 = 32"))
  }
}
