import Datasets
import Testing

import Training

/// Lanes that are chosen by the machine.
struct LaneChoiceTests {
  private func run(batch: Int, micro: Int = 0, multiples: [Int] = [1]) -> RunConfiguration {
    var run = RunConfiguration(data: DataConfiguration(train: "x", sizeMultiples: multiples))
    run.training.batchSize = batch
    run.training.microBatch = micro
    return run
  }

  @Test(
    "as many lanes as cores, or the most below that share a batch",
    arguments: [
      (16, 0, [1], 1, 1), (16, 0, [1], 2, 2), (16, 0, [1], 3, 2), (16, 0, [1], 6, 4),
      (16, 0, [1], 64, 16), (12, 0, [1], 8, 6), (7, 0, [1], 4, 1), (7, 0, [1], 9, 7),
      (32, 4, [1], 16, 8), (32, 0, [1, 2, 4], 16, 2), (32, 0, [1, 2], 16, 8),
      (1, 0, [1], 8, 1), (4096, 0, [1], 5000, 1024),
    ])
  func choice(batch: Int, micro: Int, multiples: [Int], cores: Int, lanes: Int) {
    let chosen = run(batch: batch, micro: micro, multiples: multiples).choosingLanes(cores: cores)
    #expect(chosen.training.lanes == lanes)
    #expect(chosen.training.microBatch > 0)
    #expect(batch % (lanes * chosen.training.microBatch) == 0)
  }

  @Test func lanesThatAreSetStay() {
    var set = run(batch: 16)
    set.training.lanes = 4
    #expect(set.choosingLanes(cores: 2).training.lanes == 4)
  }

  /// What was chosen is recorded, used again on another machine, and told.
  @Test func aRunRecordsItsLanes() throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data, steps: 6)
    run.training.lanes = 0
    let (folder, whole) = (small.folder("a"), small.folder("b"))
    let recorder = Recorder()
    try SmallRun.train(run, in: folder, threads: 3, recorder: recorder, stoppingAfter: 3)
    #expect(recorder.overview?.lanes == 2 && recorder.overview?.threads == 2)
    #expect(try Checkpoint(folder: folder).readConfiguration().training.lanes == 2)
    try SmallRun.train(run, in: folder, isResuming: true, threads: 1)
    var explicit = run
    explicit.training.lanes = 2
    try SmallRun.train(explicit, in: whole, threads: 1)
    #expect(
      try bytes(folder + "/model.safetensors") == bytes(whole + "/model.safetensors"))
  }
}
