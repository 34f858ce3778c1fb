import FileTestSupport
import Foundation
import Testing

/// Standard output and standard error that are closed, full, or pipes that nobody reads.
@Suite("Standard streams")
struct StandardStreamTests {
  /// What is wrong with a stream, as a redirection of bash.
  enum Fault: String, CaseIterable, Sendable {
    case closedOutput = ">&-"
    case fullOutput = "> /dev/full"
    case closedErrors = "2>&-"
    case fullErrors = "2> /dev/full"
    case bothClosed = "<&- >&- 2>&-"
    case bothFull = "> /dev/full 2>&1"
    // The reader is gone before the command begins.
    case unreadOutput = "> >(true)"
    case unreadErrors = "2> >(true)"

    /// Whether results are lost.
    var losesResults: Bool {
      switch self {
      case .closedErrors, .fullErrors, .unreadErrors: false
      default: true
      }
    }

    /// Whether everything on standard error is lost.
    var losesErrors: Bool { !losesResults || self == .bothClosed || self == .bothFull }
  }

  private let folder: ScratchFolder

  init() throws { folder = try .forTraining(steps: 3) }

  private func run(
    _ command: String, _ arguments: [String], _ fault: Fault
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      line: "exec \(fault.rawValue); sleep 0.1; exec \"$0\" \"$@\"", command, arguments,
      in: folder.path)
  }

  /// Runs a command, and expects 74 where a result is lost, and 0 where only progress is.
  private func expectResult(
    _ command: String, _ arguments: [String], _ fault: Fault,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try run(command, arguments, fault)
    #expect(
      outcome.code == (fault.losesResults ? 74 : 0), "\(outcome)", sourceLocation: location)
    if fault == .closedOutput || fault == .fullOutput {
      #expect(
        outcome.errors.contains("error: standard output: the result cannot be written: "),
        "\(outcome)", sourceLocation: location)
    }
    if fault == .unreadOutput {
      #expect(!outcome.errors.contains("error"), "\(outcome)", sourceLocation: location)
    }
  }

  @Test("train saves all that it trained", arguments: Fault.allCases)
  func train(fault: Fault) throws {
    try expectResult("train", ["--config", "c.json", "--output", "run"], fault)
    let resumed = try CommandRunner.run(
      "train", ["--resume", "--output", "run", "--steps", "4"], in: folder.path)
    #expect(resumed.code == 0 && resumed.errors.contains("resuming from step 3"), "\(resumed)")
    for option in ["--print-plan", "--trace", "--print-schema"] {
      try expectResult("train", ["--config", "c.json", "--output", "other", option], fault)
    }
  }

  @Test("encode and decode write their files", arguments: Fault.allCases)
  func encodeAndDecode(fault: Fault) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq).path
    try expectResult(
      "encode", ["--checkpoint", checkpoint, "--output", "t.npy", "--verify", "in"], fault)
    try expectResult("decode", ["--checkpoint", checkpoint, "--output", "out", "t.npy"], fault)
    #expect(folder.files().filter { $0.hasPrefix("out/") }.count == 8)
  }

  @Test("a warning that nobody sees ends with the code of what it is about")
  func leftOut() throws {
    try folder.write("no image", to: "in/bad.png")
    let checkpoint = try TinyCheckpoint.of(.fsq).path
    for fault in Fault.allCases {
      let outcome = try run(
        "encode", ["--checkpoint", checkpoint, "--force", "--output", "t.npy", "in"], fault)
      #expect(outcome.code == 65, "\(fault): \(outcome)")
    }
  }

  @Test("compare writes its page, its data and its sheet", arguments: Fault.allCases)
  func compare(fault: Fault) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq).path
    try expectResult(
      "compare",
      [checkpoint, "--data", "in", "--html", "r.html", "--json", "r.json", "--samples", "r.png"],
      fault)
    #expect(folder.files().filter { $0.hasPrefix("r.") } == ["r.html", "r.json", "r.png"])
    try expectResult("compare", [checkpoint, "--data", "in", "--json", "-"], fault)
  }

  @Test("scenes draws", arguments: Fault.allCases)
  func scenes(fault: Fault) throws {
    try expectResult(
      "scenes", ["--output", "s", "--count", "2", "--validation", "1", "--size", "16"], fault)
    #expect(folder.files().contains("s/factors.jsonl"))
  }

  @Test("help, and what the parser has to say", arguments: Fault.allCases)
  func parser(fault: Fault) throws {
    for command in ["train", "encode", "decode", "compare", "scenes"] {
      try expectResult(command, ["--help"], fault)
      let wrong = try run(command, ["--unheard-of"], fault)
      #expect(wrong.code == 64, "\(wrong)")
      #expect(fault.losesErrors || wrong.errors.hasPrefix("error: "), "\(wrong)")
    }
  }

  @Test("no file gets the number of a stream that is closed")
  func descriptors() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq).path
    let whole = try run(
      "encode", ["--checkpoint", checkpoint, "--output", "whole.npy", "in"], .unreadErrors)
    #expect(whole.code == 0, "\(whole)")
    let closed = try run(
      "encode", ["--checkpoint", checkpoint, "--output", "closed.npy", "in"], .bothClosed)
    #expect(closed.code == 74, "\(closed)")
    #expect(
      try ScratchFolder.read(folder.file("whole.npy"))
        == ScratchFolder.read(folder.file("closed.npy")))
  }

  @Test("who reads only the first lines does not stop training")
  func head() throws {
    let outcome = try CommandRunner.run(
      line: "\"$0\" \"$@\" 2>&1 | head -n 1", "train",
      ["--config", "c.json", "--output", "run", "--steps", "40"], in: folder.path)
    #expect(outcome.output.contains("bits/pixel"), "\(outcome)")
    let resumed = try CommandRunner.run(
      "train", ["--resume", "--output", "run", "--steps", "41"], in: folder.path)
    #expect(resumed.code == 0 && resumed.errors.contains("resuming from step 40"), "\(resumed)")
  }
}
