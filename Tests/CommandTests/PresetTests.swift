import FileTestSupport
import Foundation
import Testing

/// Configurations by name, from any folder.
@Suite struct PresetTests {
  private let scratch: ScratchFolder
  private let images: String

  init() throws {
    scratch = try ScratchFolder()
    images = scratch.file("drawn/train")
    let drawn = try CommandRunner.run(
      "scenes",
      ["--output", scratch.file("drawn"), "--count", "6", "--validation", "1", "--size", "64"])
    try #require(drawn.code == 0, "\(drawn)")
  }

  /// The plan of a run that is never made: enough to see which configuration was read.
  private func plan(_ arguments: [String], in folder: String? = nil) throws -> CommandRunner.Outcome
  {
    try CommandRunner.run(
      "train", arguments + ["--data", images, "--print-plan"], in: folder ?? scratch.path)
  }

  @Test(arguments: [
    ["fsq"], ["--config", "fsq"], ["fsq.json"], ["configs/fsq.json"], ["--config", "vq"],
    ["photos-64"], ["photos-fsq"], ["configs/photos-fsq.json"],
  ])
  func aNameIsEnoughFromAnyFolder(_ arguments: [String]) throws {
    let outcome = try plan(arguments)
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("encoder.conv_in"))
  }

  /// Away from the repository, only what is built in is there.
  @Test func presetsAreBuiltIn() throws {
    let program = scratch.file("bin/train")
    try FileManager.default.createDirectory(
      atPath: scratch.file("bin"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: CommandRunner.path(of: "train"), toPath: program)
    for name in ["photos-128", "photos-256", "cifar10-vq", "scenes-vq"] {
      let outcome = try CommandRunner.run(
        program: program, [name, "--data", images, "--print-plan"], in: scratch.path)
      #expect(outcome.code == 0, "\(outcome)")
    }
    let lost = try CommandRunner.run(
      program: program, ["bench-tiny", "--data", images, "--print-plan"], in: scratch.path)
    #expect(lost.code == 66, "\(lost)")
  }

  @Test func aFileOfTheWorkingFolderGoesFirst() throws {
    try scratch.write(
      Array(TrainCommandTests.configuration(train: images).utf8), to: "configs/fsq.json")
    for argument in ["fsq", "configs/fsq.json"] {
      let outcome = try plan([argument, "--set", "data.validation=null"])
      #expect(outcome.output.contains("[2, 16, 16, 8]"), "\(outcome)")
    }
  }

  @Test func theRunIsNamedAfterThePreset() throws {
    let outcome = try CommandRunner.run(
      "train",
      [
        "fsq", "--data", images, "--steps", "1", "--set", "training.batchSize=2", "--set",
        "data.validationShare=0.3",
      ], in: scratch.path)
    #expect(outcome.code == 0, "\(outcome)")
    #expect(FileManager.default.fileExists(atPath: scratch.file("checkpoints/fsq/config.json")))
  }

  @Test(arguments: [
    ("photo-256", "Did you mean \"photos-256\"?"), ("fsqq", "Did you mean \"fsq\"?"),
    ("zzzzz", "There are: fsq, vq"), ("nowhere/fsq.json", "no such file"),
  ])
  func aWrongNameListsTheRightOnes(_ name: String, _ answer: String) throws {
    let outcome = try plan([name])
    #expect(outcome.code == 66, "\(outcome)")
    #expect(outcome.errors.contains(answer), "\(outcome)")
  }

  @Test func twoConfigurationsAreTooMany() throws {
    let outcome = try plan(["fsq", "--config", "vq"])
    #expect(outcome.code == 64)
    #expect(outcome.errors.contains("expected one configuration"))
  }

  @Test func aTypeIsChangedOverAPreset() throws {
    let outcome = try plan(["fsq", "--set", "quantizer.type=vq"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.errors.contains("quantizer.levels belongs to type \"fsq\""), "\(outcome)")
  }

  @Test func theHomeFolderIsExpandedInFlags() throws {
    let executable = CommandRunner.path(of: "train")
    for arguments in [
      ["--data", "~/drawn/train"], ["--data=~/drawn/train"], ["--set", "data.train=~/drawn/train"],
    ] {
      let outcome = try CommandRunner.run(
        program: "/usr/bin/env",
        ["HOME=\(scratch.path)", executable, "fsq", "--print-plan"] + arguments
          + ["--set", "data.validation=null"], in: "/")
      #expect(outcome.code == 0, "\(outcome)")
    }
  }

  @Test func keysAreListed() throws {
    let all = try CommandRunner.run("train", ["--list-keys"])
    #expect(all.code == 0)
    #expect(all.output.contains("training.optimizer.learningRate  number > 0"))
    let some = try CommandRunner.run("train", ["--list-keys", "quantizer"])
    #expect(some.code == 0)
    #expect(some.output.hasPrefix("quantizer.type  "))
    #expect(!some.output.contains("training."))
    let none = try CommandRunner.run("train", ["--list-keys", "lr"])
    #expect(none.code == 64)
    #expect(none.errors.contains("training.optimizer.learningRate"), "\(none)")
    let page = try CommandRunner.run("train", ["--list-keys", "--markdown"])
    let file = CommandRunner.repository.appendingPathComponent("docs/configuration.md")
    #expect(
      try page.output == String(contentsOf: file, encoding: .utf8),
      "regenerate: train --list-keys --markdown > docs/configuration.md")
  }
}
