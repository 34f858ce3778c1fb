import FileTestSupport
import Foundation
import Testing

/// What `train` shows while it works: on terminals of several widths, and into a pipe.
@Suite struct TrainingProgressTests {
  private let scratch: ScratchFolder
  private let config: String

  init() throws {
    scratch = try ScratchFolder()
    let drawn = try CommandRunner.run(
      "scenes",
      ["--output", scratch.file("drawn"), "--count", "12", "--validation", "2", "--size", "16"])
    try #require(drawn.code == 0, "\(drawn)")
    config = scratch.file("run.json")
    try TrainCommandTests.configuration(train: scratch.file("drawn/train"))
      .replacingOccurrences(of: "\"evaluateEvery\": 3", with: "\"evaluateEvery\": 200")
      .replacingOccurrences(of: "\"checkpointEvery\": 2", with: "\"checkpointEvery\": 300")
      .write(toFile: config, atomically: true, encoding: .utf8)
  }

  private var arguments: [String] {
    ["--config", config, "--output", scratch.file("run 图像 🖼"), "--steps", "600"]
  }

  private func steps(_ lines: [String]) -> [String] {
    // Before the first step no time is known; a slow machine shows that line too.
    lines.filter { $0.hasPrefix("step ") && $0.contains("/600") && !$0.hasPrefix("step 0/") }
  }

  @Test(arguments: [120, 80, 60, 40, 24])
  func theTimeLeftIsWholeAtAnyWidth(columns: Int) throws {
    let terminal = try PseudoTerminal.run("train", arguments, columns: columns)
    #expect(terminal.code == 0, "\(terminal.output)")
    let drawn = steps(terminal.drawn)
    #expect(!drawn.isEmpty)
    let pattern = #"^step \d+/600?  \d+:\d\d(:\d\d)? left($|  PSNR -?\d+\.\d\d dB)"#
    for line in drawn where columns > 24 {
      #expect(line.count < columns, "\(line)")
      #expect(line.range(of: pattern, options: .regularExpression) != nil, "\(line)")
    }
    for line in drawn {
      #expect(line.count < columns, "\(line)")
      #expect(line.hasSuffix(" left") || line.contains(" left  "), "\(line)")
    }
    // The order of what is told, as far as there is room.
    if columns == 120 {
      let order = [" left", "PSNR ", "codes ", "loss ", " images/s"]
      let places = order.map { drawn[0].range(of: $0)?.lowerBound }
      #expect(places.allSatisfy { $0 != nil }, "\(drawn[0])")
      #expect(places.compactMap(\.self) == places.compactMap(\.self).sorted())
    }
  }

  @Test func nothingIsLeftOfWhatWasDrawnOver() throws {
    let terminal = try PseudoTerminal.run("train", arguments, columns: 80, narrowing: 40)
    #expect(terminal.code == 0)
    let screen = terminal.screen
    #expect(steps(screen).isEmpty, "\(screen)")
    #expect(screen.contains { $0.hasPrefix("step 200: PSNR ") }, "\(screen)")
    #expect(screen.last == "")
    #expect(!screen.contains { $0.contains("reading images") })
    // After the window has become narrower, lines fit it.
    let drawn = steps(terminal.drawn)
    #expect(drawn.last.map { $0.count < 40 } == true)
  }

  /// A terminal that breaks long lines anew has the rows above cleared too.
  @Test func aNarrowerWindowIsClearedRowByRow() throws {
    let terminal = try PseudoTerminal.run(
      "train", arguments, columns: 80, narrowing: 30,
      environment: ["TERM": "screen", "TMUX": "/tmp/tmux"])
    #expect(terminal.output.contains("\r\u{1b}[2A\u{1b}[J"))
    let plain = try PseudoTerminal.run(
      "train", arguments.map { $0.replacingOccurrences(of: "run ", with: "plain ") }, columns: 80,
      narrowing: 30)
    #expect(!plain.output.contains("A\u{1b}[J"))
  }

  @Test func aDumbTerminalGetsPlainLines() throws {
    let terminal = try PseudoTerminal.run(
      "train", arguments, columns: 80, environment: ["TERM": "dumb", "NO_COLOR": "1"])
    #expect(terminal.code == 0)
    #expect(!terminal.output.contains("\u{1b}"))
    #expect(!terminal.output.replacingOccurrences(of: "\r\n", with: "").contains("\r"))
    #expect(steps(terminal.drawn).count > 100)
  }

  @Test func nothingIsColoured() throws {
    let terminal = try PseudoTerminal.run("train", arguments + ["--steps", "20"], columns: 80)
    #expect(
      terminal.output.range(of: "\u{1b}\\[[0-9;]*m", options: .regularExpression) == nil)
  }

  @Test func theRunIsDescribedBeforeTheFirstStep() throws {
    let terminal = try PseudoTerminal.run("train", arguments, columns: 80)
    let lines = terminal.screen
    #expect(lines[0].hasPrefix("fsq 4,3: 16x16 pixels -> 8x8 tokens of 12 codes, "), "\(lines)")
    #expect(lines[0].contains("bits/pixel; ") && lines[0].hasSuffix(" parameters"))
    let work = try #require(lines.first { $0.contains("epochs;") })
    #expect(work.contains("600 steps of 4 = "), "\(work)")
    #expect(work.contains("for evaluation"), "\(work)")
    #expect(work.range(of: #"\d+ of \d+ cores?, \d+ MB; "#, options: .regularExpression) != nil)
    #expect(work.hasSuffix("run 图像 🖼"), "\(work)")
  }

  @Test func theFirstLineOfAPipeComesAfterTheFirstStep() throws {
    let outcome = try CommandRunner.run(
      "train", arguments + ["--set", "monitor.logEvery=100"])
    #expect(outcome.code == 0)
    let lines = outcome.errors.split(separator: "\n").map(String.init)
    let told = steps(lines)
    #expect(told.first?.hasPrefix("step 1/600  ") == true, "\(outcome)")
    #expect(told.count >= 7)
    #expect(told.last?.hasPrefix("step 600/600  0:00 left") == true, "\(told)")
  }

  /// The last evaluation is told once, by the result.
  @Test func noEvaluationIsToldTwice() throws {
    let outcome = try CommandRunner.run(
      "train",
      arguments + [
        "--set", "training.averaging.ema=true", "--set", "training.averaging.evaluationImages=2",
      ])
    #expect(outcome.code == 0)
    let evaluations = outcome.errors.split(separator: "\n").filter {
      $0.hasPrefix("step ") && $0.contains(": PSNR ")
    }
    #expect(evaluations.count == 2, "\(outcome)")
    #expect(evaluations.allSatisfy { $0.contains("; PSNR on 2 images: last ") })
    #expect(outcome.output.split(separator: "\n").count == 1)
    #expect(outcome.output.contains("600 steps, PSNR "))
    #expect(outcome.output.contains("; PSNR on 2 images: last "))
  }

  @Test func aResumedRunCountsItsOwnTime() throws {
    #expect(try CommandRunner.run("train", arguments + ["--steps", "598"]).code == 0)
    let outcome = try CommandRunner.run(
      "train", ["--resume", "--output", scratch.file("run 图像 🖼"), "--steps", "600"])
    #expect(outcome.code == 0)
    #expect(outcome.errors.contains("resuming from step 598"), "\(outcome)")
    // One step of a small network is left: never more than a few seconds.
    let first = try #require(steps(outcome.errors.split(separator: "\n").map(String.init)).first)
    #expect(first.hasPrefix("step 599/600  0:0"), "\(first)")
  }

  /// A collapse is told on a line of its own, once, and does not push the time left away.
  @Test func aWarningHasALineOfItsOwn() throws {
    let collapsing = [
      "--set", #"quantizer={"type": "vq", "codebookSize": 512, "codeDimension": 4}"#,
      "--set", "training.optimizer.learningRate=0.1", "--set", "monitor.checkpointEvery=5000",
    ]
    let terminal = try PseudoTerminal.run("train", arguments + collapsing, columns: 80)
    #expect(terminal.code == 0, "\(terminal.output)")
    let warnings = terminal.screen.filter { $0.hasPrefix("warning: step ") }
    #expect(warnings.count >= 1 && warnings.count <= 4, "\(terminal.screen)")
    #expect(warnings.allSatisfy { $0.contains("codebook collaps") }, "\(warnings)")
    for line in steps(terminal.drawn) {
      #expect(line.contains(" left") && line.count < 80, "\(line)")
      #expect(!line.contains("collaps"))
    }
  }

  @Test func anEstimateTellsTimeMemoryAndDiskAndSavesNothing() throws {
    let outcome = try CommandRunner.run(
      "train", arguments + ["--estimate", "--measured-steps", "3"])
    #expect(outcome.code == 0, "\(outcome)")
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(lines[0].hasPrefix("fsq 4,3: 16x16 pixels"))
    #expect(lines.contains { $0.hasPrefix("length    600 steps of 4 images, ") }, "\(outcome)")
    #expect(lines.contains { $0.hasPrefix("speed ") && $0.contains("the mean of 3") })
    #expect(lines.contains { $0.hasPrefix("time ") && $0.contains("for 3 evaluations of ") })
    #expect(lines.contains { $0.hasPrefix("memory ") && $0.contains("gradients") })
    #expect(lines.contains { $0.hasPrefix("disk ") && $0.contains("to resume from") })
    #expect(lines.contains { $0.contains("no similar run is known") })
    #expect(!scratch.files().contains { $0.hasPrefix("run ") })
    #expect(!FileManager.default.fileExists(atPath: scratch.file("run 图像 🖼")))

    // A run beside it that is like it is told, and what is left of one that is resumed.
    #expect(try CommandRunner.run("train", arguments + ["--steps", "400"]).code == 0)
    let beside = try CommandRunner.run(
      "train",
      [
        "--config", config, "--output", scratch.file("other"), "--estimate", "--measured-steps",
        "1",
      ])
    #expect(beside.output.contains(" dB after 400 steps of 4: "), "\(beside)")
    let state = FileManager.default.contents(
      atPath: scratch.file("run 图像 🖼/state.safetensors"))
    let resumed = try CommandRunner.run(
      "train", arguments + ["--resume", "--estimate", "--measured-steps", "1"])
    #expect(resumed.code == 0, "\(resumed)")
    #expect(resumed.output.contains("200 steps of 4 images from step 400"), "\(resumed)")
    #expect(
      FileManager.default.contents(atPath: scratch.file("run 图像 🖼/state.safetensors")) == state)
  }

  @Test(arguments: [
    (["--estimate", "--trace"], "choose one"), (["--measured-steps", "2"], "--estimate"),
    (["--estimate", "--measured-steps", "0"], "at least 1"),
  ])
  func flagsThatDoNotGoTogetherAreRefused(_ flags: [String], _ words: String) throws {
    let outcome = try CommandRunner.run("train", arguments + flags)
    #expect(outcome.code == 64)
    #expect(outcome.errors.contains(words), "\(outcome)")
  }
}
