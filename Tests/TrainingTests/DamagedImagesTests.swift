import Files
import Configuration
import Datasets
import Foundation
import Safetensors
import TestSupport
import Testing
import Training

/// Images that go bad behind a run's back, and folders that change between its parts.
struct DamagedImagesTests {
  /// A run that decodes every image anew, and a file of its training set.
  private static func begin(
    _ small: SmallRun
  ) throws -> (run: RunConfiguration, files: [String], held: [String]) {
    var run = SmallRun.configuration("revived", data: small.data, steps: 12)
    run.data.cacheMegabytes = 0
    let dataset = try Dataset(
      train: small.data, validationShare: run.data.validationShare, seed: 11,
      augmentation: run.data.augmentation, cacheMegabytes: 0)
    return (run, Array(dataset.training.files), Array(dataset.validation.files))
  }

  private func cut(_ path: String) throws {
    try Data(try bytes(path).dropLast(20)).write(to: URL(fileURLWithPath: path))
  }

  private func replaced(_ folder: String) -> [(file: String, by: String, set: String)] {
    Journal.lines(folder: folder).filter { $0["kind"] == .string("replaced") }.map { line in
      func text(_ key: String) -> String {
        if case .string(let text)? = line[key] { text } else { "" }
      }
      return (text("file"), text("by"), text("set"))
    }
  }

  /// Of several processes each decodes a part of a batch, and all know what one found.
  @Test func ranksReplaceWhatOneProcessReplaces() throws {
    let small = try SmallRun()
    let (run, files, held) = try Self.begin(small)
    for name in [files[0], files[1], files[4], held[0]] { try cut(small.data + "/" + name) }
    try SmallRun.train(run, in: small.folder("straight"))
    let ranked = small.folder("ranked")
    _ = try LocalRanks.run(2) { try SmallRun.trainer(run, in: ranked, group: $0).train() }
    try expectEqualRuns(small.folder("straight"), ranked)
    #expect(
      Set(replaced(ranked).map(\.file)) == [files[0], files[1], files[4], held[0]])
  }

  /// Damaged, and removed half-way as the message advises: it is one run, bit by bit.
  @Test(arguments: [0, 3])
  func aDamagedImageIsReplacedAndMayBeRemoved(_ place: Int) throws {
    let small = try SmallRun()
    let (run, files, held) = try Self.begin(small)
    try cut(small.data + "/" + files[place])
    try cut(small.data + "/" + held[0])
    let recorder = Recorder()
    #expect(
      try SmallRun.train(run, in: small.folder("straight"), recorder: recorder) == .finished)
    let told = replaced(small.folder("straight"))
    #expect(Set(told.map(\.file)) == [files[place], held[0]] && told.count == 2)
    #expect(told.first { $0.file == files[place] }?.by == files[place + 1])
    #expect(told.first { $0.file == held[0] }?.set == "validation")
    #expect(recorder.notes.count { $0.contains(files[place]) } == 1)

    let parts = small.folder("parts")
    try SmallRun.train(run, in: parts, stoppingAfter: 5)
    try FileManager.default.removeItem(atPath: small.data + "/" + files[place])
    let second = Recorder()
    #expect(
      try SmallRun.train(run, in: parts, isResuming: true, recorder: second) == .finished)
    try expectEqualRuns(small.folder("straight"), parts)
    #expect(second.notes.contains { $0.contains(files[place]) })
    // Cached images are those that were decoded: the same replacement is made.
    var cached = run
    cached.data.cacheMegabytes = 64
    cached.training.steps = 14
    #expect(try SmallRun.train(cached, in: parts, isResuming: true) == .finished)
  }

  /// A replaced file is reported once, whether or not all images fit in the cache.
  @Test(arguments: [0, 64]) func aChangedFileIsTold(_ megabytes: Int) throws {
    let small = try SmallRun()
    var (run, files, held) = try Self.begin(small)
    run.data.cacheMegabytes = megabytes
    let folder = small.folder("run")
    func resume(_ step: Int?) throws -> [String] {
      let recorder = Recorder()
      let dataset = try Dataset(
        train: small.data, validationShare: run.data.validationShare, seed: 11,
        augmentation: run.data.augmentation, cacheMegabytes: megabytes,
        known: .init(training: ImageIndex(path: folder + "/" + Checkpoint.indexFile)))
      try SmallRun.train(
        run, on: dataset, in: folder, isResuming: true, recorder: recorder, stoppingAfter: step)
      return recorder.notes
    }
    try SmallRun.train(run, in: folder, stoppingAfter: 2)
    #expect(try resume(3).isEmpty)
    for name in [files[1], held[0]] {
      try FileManager.default.removeItem(atPath: small.data + "/" + name)
      try FileManager.default.copyItem(
        atPath: small.data + "/" + files[3], toPath: small.data + "/" + name)
    }
    let notes = try resume(4)
    #expect(notes.count == 1 && notes[0].contains("2 changed"), "\(notes)")
    #expect(notes.first?.contains(files[1]) == true && notes.first?.contains(held[0]) == true)
    let line = try #require(Journal.lines(folder: folder).last { $0["kind"] == .string("run") })
    guard case .object(let told)? = line["changedImages"] else {
      Issue.record("no images in \(line)")
      return
    }
    #expect(told["changed"] == .integer(2) && told["missing"] == .integer(0))
    #expect(try resume(nil).isEmpty)
  }

  /// Nothing that is trained depends on them, but numbers before and after do not compare.
  @Test func otherValidationImagesAreTold() throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data, steps: 6)
    run.data.validation = small.folder("validation")
    try FileManager.default.createDirectory(
      atPath: small.folder("validation"), withIntermediateDirectories: false)
    for index in 0..<4 { try SmallRun.draw(index, in: small.folder("validation")) }
    let folder = small.folder("run")
    try SmallRun.train(run, in: folder, stoppingAfter: 2)
    let unchanged = Recorder()
    try SmallRun.train(
      run, in: folder, isResuming: true, recorder: unchanged, stoppingAfter: 3)
    #expect(unchanged.notes.isEmpty)
    try SmallRun.draw(4, in: small.folder("validation"))
    let changed = Recorder()
    try SmallRun.train(run, in: folder, isResuming: true, recorder: changed, stoppingAfter: 4)
    #expect(changed.notes.count == 1)
    #expect(changed.notes.first?.contains("(5 now, 4 before)") == true)
    // The change is reported once.
    let again = Recorder()
    try SmallRun.train(run, in: folder, isResuming: true, recorder: again)
    #expect(again.notes.isEmpty)
  }

  @Test func aChangedFolderIsNamedAndMayBeAllowed() throws {
    let small = try SmallRun()
    let (run, files, _) = try Self.begin(small)
    let folder = small.folder("run")
    try SmallRun.train(run, in: folder, stoppingAfter: 5)
    let names = ["zz 1.png", "zz 2.png", "zz 3.png", "zz 4.png", "zz 5.png", "zz 6.png"]
    for name in names {
      try FileManager.default.copyItem(
        atPath: small.data + "/" + files[1], toPath: small.data + "/" + name)
    }
    try FileManager.default.removeItem(atPath: small.data + "/" + files[2])
    let error = #expect(throws: TrainingError.self) {
      try SmallRun.train(run, in: folder, isResuming: true)
    }
    guard case .otherImages(_, let change?)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(change.missing == [files[2]])
    #expect(!change.new.isEmpty && Set(change.new).isSubset(of: names))
    #expect(String(describing: error!).contains(files[2]))
    #expect(String(describing: error!).contains("--allow-changed-data"))
    #expect(
      try SmallRun.train(run, in: folder, isResuming: true, allowed: .images) == .finished)
    let line = try #require(Journal.lines(folder: folder).last { $0["kind"] == .string("run") })
    guard case .object(let told)? = line["changedImages"] else {
      Issue.record("no images in \(line)")
      return
    }
    #expect(told["missing"] == .integer(1) && told["new"] == .integer(change.new.count))
    // From here on these are its images.
    var longer = run
    longer.training.steps = 14
    #expect(try SmallRun.train(longer, in: folder, isResuming: true) == .finished)
  }

  /// More than half of the images gone: the run ends, but not before it saved.
  @Test func hardlyAnyImageLeftEndsTheRunSaved() throws {
    let small = try SmallRun()
    var (run, files, _) = try Self.begin(small)
    run.monitor.checkpointEvery = 100
    let (folder, recorder) = (small.folder("run"), Recorder())
    recorder.afterStep = { report in
      guard report.step == 3 else { return }
      for file in files.dropLast() {
        try? FileManager.default.removeItem(atPath: small.data + "/" + file)
      }
    }
    let error = #expect(throws: DatasetError.self) {
      try SmallRun.train(run, in: folder, recorder: recorder)
    }
    guard case .tooManyDamaged? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    let saved = try #require(recorder.failures.last?.savedStep)
    #expect(saved >= 3 && recorder.saved.last == saved)
    for index in 0..<10 {
      let name = "\(100 + index).png"
      guard files.contains(name) else { continue }
      try? FileManager.default.removeItem(atPath: small.data + "/" + name)
      try SmallRun.draw(index, in: small.data)
    }
    #expect(try SmallRun.train(run, in: folder, isResuming: true) == .finished)
  }

  /// One damaged image more than the limit: the run saves and stops, and resumes with a higher limit.
  @Test func theLimitOfDamageEndsTheRunSaved() throws {
    let small = try SmallRun()
    var (run, files, _) = try Self.begin(small)
    run.monitor.checkpointEvery = 100
    run.data.damagedLimit = 0
    let (folder, recorder) = (small.folder("run"), Recorder())
    func dataset() throws -> Dataset {
      try Dataset(
        train: small.data, validationShare: run.data.validationShare, seed: 11,
        augmentation: run.data.augmentation, cacheMegabytes: 0,
        damagedLimit: run.data.damagedLimit)
    }
    recorder.afterStep = { [cut] report in
      if report.step == 2 { try? cut(small.data + "/" + files[0]) }
    }
    let error = #expect(throws: DatasetError.self) {
      try SmallRun.train(run, on: dataset(), in: folder, recorder: recorder)
    }
    guard case .aboveDamagedLimit(small.data, 1, 0, _)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    let saved = try #require(recorder.failures.last?.savedStep)
    #expect(saved >= 2 && recorder.saved.last == saved)
    #expect(throws: DatasetError.self) {
      try SmallRun.train(run, on: dataset(), in: folder, isResuming: true)
    }
    run.data.damagedLimit = 1
    #expect(try SmallRun.train(run, on: dataset(), in: folder, isResuming: true) == .finished)
    let line = try #require(
      Journal.lines(folder: folder).last { $0["kind"] == .string("replaced") })
    #expect(line["file"] == .string(files[0]) && line["count"] == .integer(1))
  }

  @Test func withoutImagesToEvaluateWithNothingBegins() throws {
    let small = try SmallRun()
    let run = SmallRun.fsq(data: small.data)
    let dataset = try Dataset(
      train: small.data, validationShare: 0, seed: 1, augmentation: run.data.augmentation,
      cacheMegabytes: 1)
    #expect(throws: TrainingError.noEvaluationImages) {
      try SmallRun.train(run, on: dataset, in: small.folder("run"))
    }
    #expect(!FileManager.default.fileExists(atPath: small.folder("run")))
  }

  /// The folder of images is found again from any working directory, and where it was moved it is not.
  @Test func theFolderOfImagesIsRecorded() throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data, steps: 1)
    let checkpoint = Checkpoint(folder: small.folder("run"))
    try SmallRun.train(run, in: checkpoint.folder)
    #expect(try checkpoint.imageFolders(run).train == small.data)
    let path = checkpoint.folder + "/" + Checkpoint.dataFile
    let text = try String(contentsOfFile: path, encoding: .utf8)
    // As if it had been named relative to a folder that is another one now.
    let given = "no such/data"
    try text.replacing(#""given": "\#(small.data)""#, with: #""given": "\#(given)""#)
      .write(toFile: path, atomically: true, encoding: .utf8)
    run.data.train = given
    #expect(try checkpoint.imageFolders(run).train == small.data)
    try FileManager.default.moveItem(atPath: small.data, toPath: small.path + "/moved")
    #expect(
      throws: TrainingError.imagesMoved(key: "data.train", given: given, recorded: small.data)
    ) { try checkpoint.imageFolders(run) }
    // Another folder that was named since is taken as it is named.
    run.data.train = "elsewhere"
    #expect(try checkpoint.imageFolders(run).train == "elsewhere")
  }
}
