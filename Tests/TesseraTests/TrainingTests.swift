import FileTestSupport
import Synchronization
import Tessera
import Testing

/// Training from a value, with events, stops and errors.
struct TrainingTests {
  private let quantizer = QuantizerConfiguration.fsq(
    FiniteScalarConfiguration(levels: [8, 5, 5, 5]))

  @Test func aRunTellsWhatHappensAndIsThatOfTheCommand() throws {
    let scratch = try ScratchFolder()
    let run = try Trained.configuration(quantizer, steps: 4)
    var told: [String] = []
    let result = try Tokenizer.train(run, to: scratch.file("a")) { event in
      switch event {
      case .began(let overview): told.append("began \(overview.trainingImages)")
      case .step(let report): told.append("step \(report.step)")
      case .evaluated(_, let step): told.append("evaluated \(step)")
      case .saved(let step): told.append("saved \(step)")
      case .compared, .note: told.append("other")
      }
    }
    #expect(
      told == [
        "began 12", "step 1", "step 2", "evaluated 2", "saved 2", "step 3", "step 4", "evaluated 4",
        "saved 4",
      ])
    #expect(result.end == .finished && result.step == 4 && result.evaluation?.images == 4)
    #expect(result.checkpoint == scratch.file("a"))

    try scratch.write(run.resolved, to: "run.json")
    let outcome = try CommandRunner.run(
      "train", ["--config", scratch.file("run.json"), "--output", scratch.file("b")])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(
      try ScratchFolder.read(scratch.file("a/model.safetensors"))
        == ScratchFolder.read(scratch.file("b/model.safetensors")))
  }

  @Test func aRunThatWasStoppedGoesOnBitByBit() throws {
    let scratch = try ScratchFolder()
    let run = try Trained.configuration(quantizer)
    let isEnough = AtomicFlag()
    let stopped = try Tokenizer.train(
      run, to: scratch.file("a"),
      progress: { if case .step = $0 { isEnough.set() } }, shouldStop: { isEnough.isSet })
    #expect(stopped.end == .stopped && stopped.step == 1)
    let resumed = try Tokenizer.train(run, to: scratch.file("a"), resuming: true)
    #expect(resumed.end == .finished && resumed.step == 3)
    #expect(
      try ScratchFolder.read(scratch.file("a/model.safetensors"))
        == ScratchFolder.read(Trained.fsq.get() + "/model.safetensors"))
  }

  @Test func aCancelledTaskStopsItsRun() async throws {
    let scratch = try ScratchFolder()
    let run = try Trained.configuration(quantizer, steps: 1_000_000)
    let (hasBegun, folder) = (AtomicFlag(), scratch.file("a"))
    let task = Task.detached {
      try Tokenizer.train(run, to: folder) { if case .step = $0 { hasBegun.set() } }.end
    }
    while !hasBegun.isSet { try await Task.sleep(for: .milliseconds(5)) }
    task.cancel()
    #expect(try await task.value == .stopped)
    _ = try Tokenizer(checkpoint: folder)
  }

  @Test func aRunBeginsWithTheWeightsOfAnother() throws {
    let scratch = try ScratchFolder()
    let fsq = try Trained.fsq.get()
    let run = try Trained.configuration(quantizer, steps: 1)
    try Tokenizer.train(run, to: scratch.file("a"), startingFrom: fsq)
    #expect(try Tokenizer(checkpoint: scratch.file("a")).codebookSize == 1000)
  }

  @Test func whatMakesNoSenseIsRefusedBeforeItBegins() throws {
    let scratch = try ScratchFolder()
    func expect(
      _ kind: TesseraError.Kind, _ words: String, to folder: String = "new", resuming: Bool = false,
      startingFrom start: String? = nil, threads: Int? = nil,
      _ change: (inout RunConfiguration) -> Void = { _ in }
    ) throws {
      var run = try Trained.configuration(quantizer)
      change(&run)
      let error = #expect(throws: TesseraError.self) {
        try Tokenizer.train(
          run, to: folder.isEmpty || folder.hasPrefix("/") ? folder : scratch.file(folder),
          resuming: resuming, startingFrom: start, threads: threads)
      }
      #expect(error?.kind == kind, "\(error as Any)")
      #expect(error?.description.contains(words) == true, "\(error as Any)")
    }
    try expect(.configuration, "training.steps") { $0.training.steps = 0 }
    try expect(.configuration, "learningRate") {
      $0.training.optimizer = .adamw(AdamWConfiguration(learningRate: .nan))
    }
    try expect(.configuration, "data.imageSize") { $0.data.imageSize = 31 }
    try expect(.notFound, "nowhere") { $0.data.train = scratch.file("nowhere") }
    try expect(.argument, "empty", to: "")
    try expect(.argument, "threads", threads: -1)
    try expect(.argument, "choose one", resuming: true, startingFrom: "x")
    try expect(.notFound, "config.json", startingFrom: scratch.file("nowhere"))
    try expect(.notFound, "state.safetensors", resuming: true)
    try expect(.output, "resuming", to: Trained.fsq.get())
    try expect(.configuration, "step 3", to: Trained.fsq.get(), resuming: true)
    try expect(.memory, "training needs") {
      $0.data.imageSize = 8192
      $0.model.channels = [4096, 4096]
    }
    try expect(.output, "/proc", to: "/proc/tessera/run")
  }
}

/// Something that becomes true once, seen by all threads.
private final class AtomicFlag: Sendable {
  private let value = Atomic(false)

  var isSet: Bool { value.load(ordering: .relaxed) }

  func set() { value.store(true, ordering: .relaxed) }
}
