import CPUBackend
import FileTestSupport
import Foundation
import Testing
import Training

/// The commands as subcommands of `tessera`: the same work, codes and streams, under its name.
@Suite struct TesseraCommandTests {
  private static let commands = ["train", "encode", "decode", "compare", "scenes", "sweep"]

  private func tessera(
    _ arguments: String..., in folder: String? = nil
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run("tessera", arguments, in: folder)
  }

  @Test func helpListsTheCommands() throws {
    for arguments in [[], ["--help"], ["help"], ["-h"]] {
      let outcome = try CommandRunner.run("tessera", arguments)
      #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome)")
      #expect(outcome.output.contains("USAGE: tessera <subcommand>"), "\(outcome)")
      for command in Self.commands {
        #expect(outcome.output.contains("\n  \(command) "), "\(outcome)")
      }
    }
    let version = try tessera("--version")
    #expect(version.output == "tessera \(Release.version) (\(CPUBackend.level))\n")
    let training = try tessera("train", "--version")
    #expect(training.output == "tessera train \(Release.version) (Tessera, \(CPUBackend.level))\n")
  }

  /// A command explains itself in all the ways that it is asked to, under the name that was typed.
  @Test(arguments: commands)
  func everyCommandExplainsItself(_ command: String) throws {
    let outcome = try tessera(command, "--help")
    #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome)")
    #expect(outcome.output.contains("USAGE: tessera \(command) "), "\(outcome)")
    #expect(try tessera("help", command).output == outcome.output)
    #expect(try tessera(command, "help").output == outcome.output)
    let lines = outcome.output.split(separator: "\n").map(String.init)
    let heading = try #require(
      lines.firstIndex(of: "  EXAMPLES") ?? lines.firstIndex(of: "EXAMPLES"))
    let examples = lines[(heading + 1)...].prefix { $0.hasPrefix("  ") }
    #expect(examples.contains { $0.contains("tessera \(command) ") }, "\(outcome)")
    for (before, line) in zip([""] + examples, examples) {
      // Each line is one that a shell takes: the command, or what the line before leaves open.
      let isContinued = before.hasSuffix(" \\")
      #expect(isContinued != line.contains("tessera \(command)"), "\(line)")
      #expect(line.count <= 60, "\(line)")
    }
  }

  @Test func imagesBecomeTokensAndImagesAgain() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(32, 32), to: "a.png")
    let one = try checkpoint.encode([folder.file("a.png")], to: folder.file("one.safetensors"))
    #expect(one.code == 0, "\(one)")
    let encoded = try tessera(
      "encode", "--checkpoint", checkpoint.path, "--output", "two.safetensors", "a.png",
      in: folder.path)
    #expect(encoded.code == 0, "\(encoded)")
    #expect(encoded.output.contains("two.safetensors: 1 image"), "\(encoded)")
    #expect(
      try ScratchFolder.read(folder.file("one.safetensors"))
        == ScratchFolder.read(folder.file("two.safetensors")))
    let decoded = try tessera(
      "decode", "--checkpoint", checkpoint.path, "--output", "out", "two.safetensors",
      in: folder.path)
    #expect(decoded.code == 0, "\(decoded)")
    #expect(folder.files().contains("out/a.png"))
    let compared = try tessera("compare", checkpoint.path, "--quiet")
    #expect(compared.code == 0, "\(compared)")
  }

  @Test(arguments: [
    (["train"], 64, "expected a configuration"),
    (
      ["train", "--stpes", "3"], 64,
      "--stpes is not an option of tessera train. Did you mean --steps?"
    ),
    (["encode", "--chekpoint", "c"], 64, "--chekpoint is not an option of tessera encode."),
    (["train", "--lr", "3e-4"], 64, "Write --set training.optimizer.learningRate=3e-4."),
    (["trian", "fsq"], 64, "trian is not a command of tessera. Did you mean tessera train?"),
    (["zzzzzzzz"], 64, "Its commands: train, encode,"),
    (["--frobnicate"], 64, "--frobnicate"),
    (["train", "--config", "nowhere.json"], 66, "nowhere.json"),
    (["decode", "--checkpoint", "c", "--output", "o"], 64, "<tokens>"),
    (["scenes", "--count=-1"], 64, "--count"),
    (["encode", "--checkpoint", "nowhere", "--output", "t", "a.png"], 66, "a.png"),
  ])
  func faultsKeepTheirCodesAndWords(_ arguments: [String], _ code: Int32, _ words: String) throws {
    let folder = try ScratchFolder()
    let outcome = try CommandRunner.run("tessera", arguments, in: folder.path)
    #expect(outcome.code == code && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errors.hasPrefix("error: "), "\(outcome)")
    #expect(outcome.errors.split(separator: "\n").count { $0.hasPrefix("error: ") } == 1)
    #expect(outcome.errors.contains(words), "\(outcome)")
    if code == 64 { #expect(outcome.errors.contains("See 'tessera"), "\(outcome)") }
    #expect(folder.files().isEmpty)
  }

  @Test func whoTypesTheBareCommandGetsExamples() throws {
    let outcome = try tessera("encode")
    #expect(outcome.code == 64 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errors.contains("EXAMPLES\n  tessera encode --checkpoint"), "\(outcome)")
  }

  /// Ctrl-C saves, and the hint names the command as it was called.
  @Test func aStoppedRunSaysHowItGoesOn() throws {
    let folder = try ScratchFolder.forTraining(steps: 1_000_000)
    let outcome = try CommandRunner.run(
      program: CommandRunner.path(of: "tessera"),
      ["train", "--config", "c.json", "--output", "run"], in: folder.path, sending: [SIGINT],
      after: "step 1/")
    #expect(outcome.code == 130 && !outcome.isKilled, "\(outcome)")
    #expect(
      outcome.errors.contains("Resume with: tessera train --resume --output run"), "\(outcome)")
  }

  /// A sweep runs the commands that are in the program itself: nothing else need be installed.
  @Test func aSweepNeedsNoOtherProgram() throws {
    let folder = try ScratchFolder()
    try folder.folder("bin")
    let program = folder.file("bin/tessera")
    try FileManager.default.copyItem(
      atPath: CommandRunner.path(of: "tessera"), toPath: program)
    func run(_ arguments: String...) throws -> CommandRunner.Outcome {
      try CommandRunner.run(program: program, arguments, in: folder.path)
    }
    _ = try run("scenes", "--count", "8", "--validation", "4", "--output", "scenes", "--size", "32")
    let plan = """
      {
        "config": "fsq", "seeds": [0],
        "variants": [{"name": "small", "set": ["training.batchSize=4"]}]
      }
      """
    try folder.write(plan, to: "plan.json")
    let outcome = try run(
      "sweep", "plan.json", "--output", "runs", "--data", "scenes/train", "--validation",
      "scenes/validation", "--steps", "2")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(folder.files().contains("runs/report.html"), "\(outcome)")
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func shellsGetCompletionsThatTheyCanRead(_ shell: String) throws {
    let outcome = try tessera("--generate-completion-script", shell)
    #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome)")
    for word in ["tessera", "--checkpoint", "--find-rate"] {
      #expect(outcome.output.contains(shell == "fish" ? String(word.drop { $0 == "-" }) : word))
    }
    let folder = try ScratchFolder()
    try folder.write(outcome.output, to: "script")
    guard shell == "bash" else { return }
    let checked = try CommandRunner.run(program: "/bin/bash", ["-n", folder.file("script")])
    #expect(checked.code == 0, "\(checked)")
  }
}
