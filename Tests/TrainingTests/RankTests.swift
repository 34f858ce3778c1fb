import CPUBackend
import Configuration
import Datasets
import Execution
import Files
import Foundation
import Ranks
import Synchronization
import TestSupport
import Testing
import Training

/// Several processes train what one would, bit by bit.
struct RankTests {
  private static func configuration(_ kind: String, _ data: String) -> RunConfiguration {
    var run = SmallRun.configuration(kind, data: data)
    run.training.lanes = 4
    run.monitor.diagnoseEvery = 2
    return run
  }

  private static func train(
    _ kind: String, _ data: String, _ folder: String, _ group: ProcessGroup?,
    isResuming: Bool = false, recorder: Recorder = Recorder(),
    change: (inout RunConfiguration) -> Void = { _ in }
  ) throws -> RunEnd {
    var run = configuration(kind, data)
    change(&run)
    return try SmallRun.trainer(
      run, in: folder, isResuming: isResuming, threads: 2, group: group, recorder: recorder
    ).train()
  }

  @Test(
    arguments: [
      "fsq", "vq", "averaged", "ema", "revived", "residual-revived", "product-ema", "kl",
      "deferred", "simvq",
    ], [2, 4])
  func lanesMayBeOfAnyProcesses(_ kind: String, _ size: Int) throws {
    let small = try SmallRun()
    let (data, ranked) = (small.data, small.folder("ranked"))
    #expect(try Self.train(kind, data, small.folder("alone"), nil) == .finished)
    let ends = try LocalRanks.run(size) { try Self.train(kind, data, ranked, $0) }
    #expect(ends == Array(repeating: .finished, count: size))
    try expectEqualRuns(small.folder("alone"), ranked)
  }

  /// A rank with one of two lanes sends its gradients of the other's part and the sums of its own.
  @Test func aTraceCountsWhatIsSent() throws {
    let small = try SmallRun()
    let (data, folder) = (small.data, small.folder("run"))
    let sent = try LocalRanks.run(2) { group in
      var run = Self.configuration("fsq", data)
      run.training.lanes = 2
      let trainer = try SmallRun.trainer(run, in: folder, group: group)
      let trace = try trainer.trace(steps: 3)
      return (trace.bytesSent / trace.steps, 4 * trainer.plan.parameters.trainedWords)
    }
    for (bytes, gradients) in sent {
      #expect(bytes >= gradients && bytes < gradients + 4096, "\(bytes) of \(gradients)")
    }
  }

  @Test(arguments: ["averaged", "residual-revived", "deferred"])
  func aRunGoesOnWithOtherProcesses(_ kind: String) throws {
    let small = try SmallRun()
    let (data, parts) = (small.data, small.folder("parts"))
    #expect(try Self.train(kind, data, small.folder("straight"), nil) == .finished)
    // Rank 2 is asked to stop in step 4; all come to know it in the next exchange, which is of an evaluation
    // where averages are compared.
    let flag = Flag()
    let stopped = try LocalRanks.run(4) { rank in
      rank == 2 && flag.isSet
    } _: { group in
      let recorder = Recorder()
      if group.rank == 2 { recorder.afterStep = { if $0.step == 4 { flag.set() } } }
      return try Self.train(kind, data, parts, group, recorder: recorder)
    }
    #expect(Set(stopped.map { "\($0)" }).count == 1)
    #expect([.interrupted(step: 4), .interrupted(step: 5)].contains(stopped[0]), "\(stopped)")
    let ends = try LocalRanks.run(2) {
      try Self.train(kind, data, parts, $0, isResuming: true)
    }
    #expect(ends == [.finished, .finished])
    try expectEqualRuns(small.folder("straight"), parts)
  }

  @Test func anotherConfigurationIsRefusedBeforeAnythingIsWritten() throws {
    let small = try SmallRun()
    let (data, folder) = (small.data, small.folder("run"))
    let messages = try LocalRanks.run(2) { group in
      do {
        _ = try Self.train("fsq", data, folder, group) { $0.training.steps += group.rank }
        return ""
      } catch { return "\(error)" }
    }
    #expect(messages[0] == messages[1])
    #expect(messages[0].contains("another configuration") && messages[0].contains("\"steps\": 11"))
    #expect(!FileManager.default.fileExists(atPath: folder + "/state.safetensors"))
  }

  @Test func otherImagesAreRefused() throws {
    let (small, other) = (try SmallRun(), try SmallRun(images: 9))
    let (places, folder) = ([small.data, other.data], small.folder("run"))
    // One name for both, as on machines with disks of their own.
    let links = [small.folder("link0"), small.folder("link1")]
    for (link, place) in zip(links, places) {
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: place)
    }
    let messages = try LocalRanks.run(2) { group in
      do {
        _ = try Self.train("fsq", links[0], folder, group) {
          $0.data.train = links[group.rank]
        }
        return ""
      } catch { return "\(error)" }
    }
    #expect(messages.allSatisfy { $0.contains("another configuration") })
  }

  /// The first rank keeps what was computed before another was lost.
  @Test func aLostRankEndsAllAndNothingIsLost() throws {
    let small = try SmallRun()
    let (data, folder) = (small.data, small.folder("run"))
    let failures = try LocalRanks.run(3) { group -> String in
      var run = Self.configuration("vq", data)
      run.training.lanes = 3
      run.training.batchSize = 6
      let recorder = Recorder()
      if group.rank == 1 {
        recorder.afterStep = { if $0.step == 5 { group.abandon("out of memory", code: 70) } }
      }
      do {
        _ = try SmallRun.trainer(run, in: folder, group: group, recorder: recorder).train()
        return "finished"
      } catch {
        group.abandon("", code: 70)
        return "\(error)"
      }
    }
    #expect(failures[0].contains("rank 1 (") && failures[0].hasSuffix("out of memory"))
    #expect(failures[2].contains("rank 1 ("))
    let state = try String(contentsOfFile: folder + "/metrics.jsonl", encoding: .utf8)
    #expect(state.contains("\"step\": 5"))
    // The run resumes from the last step that all ranks made.
    var run = Self.configuration("vq", data)
    run.training.lanes = 3
    run.training.batchSize = 6
    let recorder = Recorder()
    #expect(try SmallRun.train(run, in: folder, isResuming: true, recorder: recorder) == .finished)
    #expect(recorder.overview?.firstStep == 5)
    try SmallRun.train(run, in: small.folder("straight"))
    try expectEqualRuns(small.folder("straight"), folder)
  }
}

/// A flag that threads share.
private final class Flag: Sendable {
  private let flag = Atomic(false)
  var isSet: Bool { flag.load(ordering: .sequentiallyConsistent) }
  func set() { flag.store(true, ordering: .sequentiallyConsistent) }
}
