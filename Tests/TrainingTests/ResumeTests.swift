import Configuration
import Datasets
import Foundation
import Safetensors
import Testing
import Training

/// A run that was stopped, or killed, goes on bit by bit as if it had not been.
struct ResumeTests {
  @Test(
    arguments: [
      "fsq", "vq", "averaged", "cosine-vq", "simvq", "bsq", "residual-vq", "ema", "revived",
      "product-ema", "residual-revived", "kl", "none",
    ], [1, 4])
  func stoppedAndResumedEqualsStraight(_ kind: String, _ stop: Int) throws {
    let small = try SmallRun()
    let run = SmallRun.configuration(kind, data: small.data)
    #expect(try SmallRun.train(run, in: small.folder("straight")) == .finished)
    let (first, second) = (Recorder(), Recorder())
    #expect(
      try SmallRun.train(
        run, in: small.folder("parts"), recorder: first, stoppingAfter: stop)
        == .interrupted(step: stop))
    #expect(first.saved.last == stop)
    #expect(
      try SmallRun.train(
        run, in: small.folder("parts"), isResuming: true, threads: 1, recorder: second)
        == .finished)
    #expect(second.overview?.firstStep == stop)
    #expect(second.reports.map(\.step) == Array((stop + 1)...10))
    try expectEqualRuns(small.folder("straight"), small.folder("parts"))
  }

  /// Before, at and after the step at which quantization begins.
  @Test(
    arguments: ["deferred", "deferred-averaged", "deferred-residual", "deferred-fsq"], [3, 4, 5])
  func stoppedWhereQuantizationBeginsAndResumedEqualsStraight(
    _ kind: String, _ stop: Int
  ) throws {
    try stoppedAndResumedEqualsStraight(kind, stop)
  }

  /// The process dies between two checkpoints, in the middle of a journal's life.
  @Test func killedAndResumedEqualsStraightFSQ() async throws { try await kill("fsq") }

  @Test func killedAndResumedEqualsStraightVQ() async throws { try await kill("vq") }

  @Test func killedAndResumedEqualsStraightWithAverages() async throws {
    try await kill("averaged")
  }

  private func kill(_ kind: String) async throws {
    let small = try SmallRun()
    let run = SmallRun.configuration(kind, data: small.data)
    try SmallRun.train(run, in: small.folder("straight"))
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = small.path as String, kind = kind as String] in
      let recorder = Recorder()
      recorder.afterStep = { if $0.step == 8 { Foundation.kill(getpid(), SIGKILL) } }
      try SmallRun.train(
        SmallRun.configuration(kind, data: path + "/data"), in: path + "/killed",
        recorder: recorder)
    }
    let killed = small.folder("killed")
    let state = try SafetensorsFile(path: killed + "/" + Checkpoint.stateFile)
    #expect(state.metadata["step"] == "6", "the last checkpoint before the death")
    // A line that was being written at that moment is cut short.
    let journal = try FileHandle(
      forWritingTo: URL(fileURLWithPath: killed + "/" + Journal.fileName))
    try journal.seekToEnd()
    try journal.write(contentsOf: Data(#"{"kind": "step", "st"#.utf8))
    try journal.close()

    let recorder = Recorder()
    #expect(try SmallRun.train(run, in: killed, isResuming: true, recorder: recorder) == .finished)
    #expect(recorder.overview?.firstStep == 6)
    try expectEqualRuns(small.folder("straight"), killed)
  }

  @Test func aFinishedRunCanBeMadeLonger() throws {
    let small = try SmallRun()
    var run = SmallRun.vq(data: small.data, steps: 7)
    try SmallRun.train(run, in: small.folder("long"))
    #expect(throws: TrainingError.alreadyDone(folder: small.folder("long"), step: 7)) {
      try SmallRun.train(run, in: small.folder("long"), isResuming: true)
    }
    run.training.steps = 10
    #expect(try SmallRun.train(run, in: small.folder("long"), isResuming: true) == .finished)
    let straight = small.folder("straight")
    try SmallRun.train(SmallRun.vq(data: small.data), in: straight)
    // Diagnoses look back on one more step, the last of the shorter run.
    func trained(_ folder: String) throws -> [String: [UInt8]] {
      try tensors(folder + "/" + Checkpoint.stateFile).filter {
        !$0.key.hasPrefix("numbers.") && !$0.key.hasPrefix("previousGradient.")
      }
    }
    #expect(try trained(small.folder("long")) == trained(straight))
  }

  @Test func threadsThatDecodeChangeNoBit() throws {
    let small = try SmallRun()
    let states = try [1, 3, 8].map { threads in
      var run = SmallRun.fsq(data: small.data, steps: 5)
      (run.data.cacheMegabytes, run.data.threads) = (0, threads)
      let folder = small.folder("\(threads)")
      try SmallRun.train(run, in: folder)
      return try tensors(folder + "/" + Checkpoint.stateFile)
    }
    #expect(Set(states).count == 1)
    // A run may resume with another number of threads.
    var run = SmallRun.fsq(data: small.data, steps: 5)
    (run.data.cacheMegabytes, run.data.threads) = (0, 2)
    try SmallRun.train(run, in: small.folder("parts"), stoppingAfter: 2)
    run.data.threads = nil
    try SmallRun.train(run, in: small.folder("parts"), isResuming: true)
    #expect(try tensors(small.folder("parts") + "/" + Checkpoint.stateFile) == states[0])
  }

  @Test func theResultDependsOnLanesAndNotOnThreads() throws {
    let small = try SmallRun()
    func state(lanes: Int, threads: Int, seed: Int = 11) throws -> [String: [UInt8]] {
      var run = SmallRun.fsq(data: small.data, steps: 3)
      run.training.lanes = lanes
      run.training.seed = seed
      let folder = small.folder("\(lanes) lanes, \(threads) threads, seed \(seed)")
      try SmallRun.train(run, in: folder, threads: threads)
      return try tensors(folder + "/" + Checkpoint.stateFile)
    }
    let states = try [1, 2, 4].map { lanes in
      let alone = try state(lanes: lanes, threads: 1)
      for threads in [2, 3, 7] {
        #expect(
          try state(lanes: lanes, threads: threads) == alone, "\(lanes) lanes, \(threads) threads")
      }
      return alone
    }
    // Sums that are grouped otherwise round otherwise.
    #expect(Set(states).count == 3)
    #expect(try state(lanes: 2, threads: 1, seed: 12) != states[1])
  }
}
