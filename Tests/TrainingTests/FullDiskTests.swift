import FileTestSupport
import Foundation
import Files
import Synchronization
import Testing
import Training

/// Checkpoints on a disk that fills up.
struct FullDiskTests {
  /// Wherever the disk fills up, the state from before is whole, and the run can go on from it.
  @Test func aDiskThatFillsUpLeavesTheStateWhole() throws {
    let small = try SmallRun()
    let (folder, straight) = (small.folder("run"), small.folder("straight"))
    let statePath = folder + "/" + Checkpoint.stateFile
    let run = SmallRun.vq(data: small.data, steps: 4)
    try SmallRun.train(run, in: folder, stoppingAfter: 2)
    try SmallRun.train(run, in: straight)
    let state = try bytes(statePath)
    // From no room at all to room for everything but the end of the state.
    let rooms = [0, 1000, 5000, 40_000, state.count / 2, state.count]
    for room in rooms {
      let error = #expect(throws: TrainingError.self) {
        try SystemCalls.$current.withValue(.full(after: room)) {
          try SmallRun.train(run, in: folder, isResuming: true)
        }
      }
      guard case .file(let fault)? = error else {
        Issue.record("another error: \(String(describing: error))")
        return
      }
      #expect(fault.isDiskFull)
      #expect(try bytes(statePath) == state, "room for \(room) bytes")
      _ = try tensors(folder + "/" + Checkpoint.modelFile)
      let left = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
        .filter { !$0.hasPrefix("events.out.tfevents.") }
      #expect(
        left == [
          "config.json", "data.jsonl", "images.index", "metrics.jsonl", "model.safetensors",
          "samples", "state.safetensors",
        ])
    }
    try SmallRun.train(run, in: folder, isResuming: true)
    #expect(
      try tensors(statePath) == tensors(straight + "/" + Checkpoint.stateFile))
  }
}
