import Files
import Configuration
import Datasets
import Foundation
import Safetensors
import Synchronization
import Testing
import Tokenizers
import Training

/// What a folder holds from the first moment of a run on, and who may begin, go on or write there.
struct RunLifeTests {
  private func step(_ folder: String) throws -> String? {
    try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile).metadata["step"]
  }

  // MARK: Before the first step

  /// Killed in the midst of k-means, before step 1: it goes on, or begins anew, as if never stopped.
  @Test(arguments: ["revived", "residual-revived", "ema"], [true, false])
  func stoppedWhileCodebooksAreMade(_ kind: String, _ resumes: Bool) throws {
    let small = try SmallRun()
    let run = SmallRun.configuration(kind, data: small.data)
    try SmallRun.train(run, in: small.folder("straight"))
    for looks in [1, 4, 9] {
      let folder = small.folder("\(looks)")
      let recorder = Recorder()
      // Asked for the evaluation images, and for those of the codebook, and in between.
      let asked = Mutex(0)
      let end = try SmallRun.train(
        run, in: folder, recorder: recorder,
        shouldStop: {
          asked.withLock {
            $0 += 1; return $0 > 2 + looks
          }
        })
      #expect(end == .interrupted(step: 0) && recorder.reports.isEmpty)
      #expect(try step(folder) == "0")
      #expect(try SmallRun.train(run, in: folder, isResuming: resumes) == .finished)
      try expectEqualRuns(small.folder("straight"), folder)
    }
  }

  @Test func aRunOfWhichNothingWasSavedLeavesItsFolderFree() throws {
    let small = try SmallRun()
    let run = SmallRun.fsq(data: small.data, steps: 3)
    let folder = small.folder("run")
    try SmallRun.train(run, in: folder)
    for name in [Checkpoint.stateFile, Checkpoint.modelFile] {
      try FileManager.default.removeItem(atPath: folder + "/" + name)
    }
    #expect(throws: TrainingError.nothingSaved(folder: folder)) {
      try SmallRun.train(run, in: folder, isResuming: true)
    }
    #expect(try SmallRun.train(run, in: folder) == .finished)
    try SmallRun.train(run, in: small.folder("straight"))
    try expectEqualRuns(small.folder("straight"), folder)
  }

  @Test func weightsAndForeignFilesAreNotOverwritten() throws {
    let small = try SmallRun()
    let run = SmallRun.fsq(data: small.data, steps: 2)
    let folder = small.folder("run")
    try SmallRun.train(run, in: folder)
    try FileManager.default.removeItem(atPath: folder + "/" + Checkpoint.stateFile)
    let weights = try bytes(folder + "/" + Checkpoint.modelFile)
    for isResuming in [false, true] {
      #expect(throws: TrainingError.weightsExist(folder: folder, file: Checkpoint.modelFile)) {
        try SmallRun.train(run, in: folder, isResuming: isResuming)
      }
    }
    #expect(try bytes(folder + "/" + Checkpoint.modelFile) == weights)
    for (name, text) in [
      (Checkpoint.configurationFile, #"{"name": "website", "version": "1"}"#),
      (Checkpoint.configurationFile, "not JSON"), (Journal.fileName, "{}\n"),
    ] {
      let other = small.folder("other \(name) \(text.count)")
      try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
      try text.write(toFile: other + "/" + name, atomically: true, encoding: .utf8)
      #expect(throws: TrainingError.foreignFile(folder: other, file: name)) {
        try SmallRun.train(run, in: other)
      }
      #expect(try String(contentsOfFile: other + "/" + name, encoding: .utf8) == text)
      #expect(try FileManager.default.contentsOfDirectory(atPath: other) == [name])
    }
    // Anything else may lie there, such as the log of the run.
    let used = small.folder("used")
    try FileManager.default.createDirectory(atPath: used, withIntermediateDirectories: true)
    try "words".write(toFile: used + "/log.txt", atomically: true, encoding: .utf8)
    #expect(try SmallRun.train(run, in: used) == .finished)
  }

  // MARK: Two at once

  @Test func aSecondRunInTheFolderIsRefusedBeforeItChangesAnything() throws {
    let small = try SmallRun()
    let run = SmallRun.fsq(data: small.data, steps: 6)
    let folder = small.folder("run")
    try SmallRun.train(run, in: small.folder("straight"))
    let recorder = Recorder()
    var refusals: [TrainingError] = []
    recorder.afterStep = { _ in
      for isResuming in [true, false] {
        do {
          try SmallRun.train(run, in: folder, isResuming: isResuming)
        } catch {
          if let error = error as? TrainingError { refusals.append(error) }
        }
      }
    }
    #expect(try SmallRun.train(run, in: folder, recorder: recorder) == .finished)
    let inUse = TrainingError.folderInUse(folder: folder, process: Int(getpid()))
    #expect(refusals.count == 12)
    // Behind a saved step a new run is refused as such.
    #expect(refusals.allSatisfy { $0 == inUse || $0 == .outputExists(folder: folder) })
    #expect(refusals.count { $0 == inUse } >= 6)
    try expectEqualRuns(small.folder("straight"), folder)
    #expect(!FileManager.default.fileExists(atPath: folder + "/" + FolderLock.fileName))
  }

  // MARK: Evaluations that are cut short

  /// Stopped within an evaluation, at any of its looks: it is made again, bit by bit.
  @Test(arguments: ["averaged", "ema", "deferred-averaged"])
  func stoppedWithinAnEvaluation(_ kind: String) throws {
    let small = try SmallRun()
    let run = SmallRun.configuration(kind, data: small.data)
    try SmallRun.train(run, in: small.folder("straight"))
    for looks in [0, 1, 5, 12] {
      let folder = small.folder("\(looks)")
      let recorder = Recorder()
      let asked = Mutex(0)
      let end = try SmallRun.train(
        run, in: folder, recorder: recorder,
        shouldStop: {
          guard recorder.reports.last?.step == 8 else { return false }
          return asked.withLock {
            $0 += 1; return $0 > looks
          }
        })
      #expect(end == .interrupted(step: 8))
      #expect(!recorder.evaluations.contains { $0.step == 8 }, "it was not finished")
      #expect(try SmallRun.train(run, in: folder, isResuming: true) == .finished)
      try expectEqualRuns(small.folder("straight"), folder)
    }
  }

  /// The last evaluation may be the one that is cut short.
  @Test func stoppedWithinTheLastEvaluation() throws {
    let small = try SmallRun()
    let run = SmallRun.averaged(data: small.data)
    try SmallRun.train(run, in: small.folder("straight"))
    let (folder, recorder) = (small.folder("run"), Recorder())
    let end = try SmallRun.train(run, in: folder, recorder: recorder, stoppingAfter: 10)
    #expect(end == .interrupted(step: 10))
    #expect(try SmallRun.train(run, in: folder, isResuming: true) == .finished)
    try expectEqualRuns(small.folder("straight"), folder)
    #expect(throws: TrainingError.alreadyDone(folder: folder, step: 10)) {
      try SmallRun.train(run, in: folder, isResuming: true)
    }
  }

  // MARK: Failures

  /// Whatever fails behind a step, the step is saved, and what it had to tell comes later.
  @Test func aFailureSavesWhatThereIs() throws {
    let small = try SmallRun()
    var run = SmallRun.averaged(data: small.data)
    run.monitor.checkpointEvery = 100
    try SmallRun.train(run, in: small.folder("straight"))
    let (folder, recorder) = (small.folder("run"), Recorder())
    let samples = folder + "/" + Checkpoint.samplesFolder
    recorder.afterStep = { report in
      guard report.step == 8 else { return }
      // A file where samples go.
      try? FileManager.default.removeItem(atPath: samples)
      _ = FileManager.default.createFile(atPath: samples, contents: nil)
    }
    #expect(throws: (any Error).self) { try SmallRun.train(run, in: folder, recorder: recorder) }
    #expect(recorder.failures.map(\.savedStep) == [8])
    #expect(try step(folder) == "8")
    try FileManager.default.removeItem(atPath: samples)
    #expect(try SmallRun.train(run, in: folder, isResuming: true) == .finished)
    #expect(
      try comparableJournal(folder) == comparableJournal(small.folder("straight")))
    #expect(
      try tensors(folder + "/" + Checkpoint.stateFile)
        == tensors(small.folder("straight") + "/" + Checkpoint.stateFile))
  }

  @Test func aFolderOfSamplesThatWasRemovedIsMadeAnew() throws {
    let small = try SmallRun()
    let (folder, recorder) = (small.folder("run"), Recorder())
    recorder.afterStep = { _ in
      try? FileManager.default.removeItem(atPath: folder + "/" + Checkpoint.samplesFolder)
    }
    #expect(
      try SmallRun.train(SmallRun.fsq(data: small.data), in: folder, recorder: recorder)
        == .finished)
  }

  // MARK: Other values

  @Test func theCourseOfARunMayChangeWhereThatIsAskedFor() throws {
    let small = try SmallRun()
    var run = SmallRun.configuration("revived", data: small.data)
    let folder = small.folder("run")
    try SmallRun.train(run, in: folder, stoppingAfter: 3)
    run.training.optimizer = .sgd(
      SGDConfiguration(learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 1e-3))
    run.training.gradientClip = 0.5
    run.training.steps = 8
    let keys = ["training.gradientClip", "training.optimizer.learningRate"]
    #expect(
      throws: TrainingError.otherConfiguration(
        folder: folder, differences: keys, canBeAllowed: true)
    ) { try SmallRun.train(run, in: folder, isResuming: true) }
    #expect(
      try SmallRun.train(run, in: folder, isResuming: true, allowed: .configuration) == .finished)
    let line = try #require(
      Journal.lines(folder: folder).last { $0["kind"] == .string("run") })
    guard case .object(let changes)? = line["changes"] else {
      Issue.record("no changes in \(line)")
      return
    }
    #expect(changes.keys == keys + ["training.steps"])
    #expect(changes["training.optimizer.learningRate"] == .array([.number(0.05), .number(0.01)]))
    // What it is does not change, allowed or not.
    run.model.blocksPerLevel = 2
    #expect(
      throws: TrainingError.otherConfiguration(
        folder: folder, differences: ["model.blocksPerLevel"], canBeAllowed: false)
    ) { try SmallRun.train(run, in: folder, isResuming: true, allowed: .configuration) }
  }

  /// What a run was started with is in its state: editing config.json slips nothing past the check.
  @Test func anEditedConfigurationIsNoticed() throws {
    let small = try SmallRun()
    let run = SmallRun.fsq(data: small.data)
    let folder = small.folder("run")
    try SmallRun.train(run, in: folder, stoppingAfter: 3)
    let path = folder + "/" + Checkpoint.configurationFile
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(!text.contains("$schema"))
    try text.replacing(#""seed": 11"#, with: #""seed": 12"#)
      .write(toFile: path, atomically: true, encoding: .utf8)
    let edited = try Checkpoint(folder: folder).readConfiguration()
    #expect(edited.training.seed == 12)
    #expect(
      throws: TrainingError.otherConfiguration(
        folder: folder, differences: ["training.seed"], canBeAllowed: false)
    ) { try SmallRun.train(edited, in: folder, isResuming: true) }
  }

  @Test func codesAreRevivedFromNowOn() throws {
    let small = try SmallRun()
    var run = SmallRun.vq(data: small.data)
    let folder = small.folder("run")
    try SmallRun.train(run, in: folder, stoppingAfter: 3)
    run.quantizer = .vq(
      VectorConfiguration(
        codebookSize: 24, codeDimension: 4, gradient: .rotation, codebookWeight: 1,
        commitmentWeight: 0.25, upkeep: CodebookUpkeep(reviveEvery: 2)))
    #expect(
      try SmallRun.train(run, in: folder, isResuming: true, allowed: .configuration) == .finished)
  }
}
