import FileTestSupport
import Foundation
import Testing

@Suite("Usage")
struct UsageTests {
  @Test(
    "an empty name is wrong usage, and nothing is written",
    arguments: [
      ("train", ["--config", "c", "--output", ""], "--output"),
      ("train", ["--config", "", "--output", "o"], "--config"),
      ("train", ["--config", "c", "--data", ""], "--data"),
      ("train", ["--config", "c", "--validation="], "--validation"),
      ("train", ["--resume", "--output="], "--output"),
      ("encode", ["--checkpoint", "", "--output", "t", "a.png"], "--checkpoint"),
      ("encode", ["--checkpoint", "c", "--output", "", "a.png"], "--output"),
      ("encode", ["--checkpoint", "c", "--output", "t", ""], "<path>"),
      ("decode", ["--checkpoint", "", "--output", "o", "t"], "--checkpoint"),
      ("decode", ["--checkpoint", "c", "--output", "", "t"], "--output"),
      ("decode", ["--checkpoint", "c", "--output", "o", ""], "<tokens>"),
      ("compare", [""], "<checkpoint>"),
      ("compare", ["c", "--data", ""], "--data"),
      ("compare", ["c", "--json", ""], "--json"),
      ("compare", ["c", "--samples", ""], "--samples"),
      ("compare", ["c", "--html", ""], "--html"),
      ("scenes", ["--output", ""], "--output"),
    ])
  func emptyName(command: String, arguments: [String], flag: String) throws {
    let folder = try ScratchFolder()
    let outcome = try CommandRunner.run(command, arguments, in: folder.path)
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.hasPrefix("error: "), "\(outcome)")
    #expect(outcome.errors.contains(flag), "\(outcome)")
    #expect(folder.files().isEmpty)
  }

  @Test(
    "wrong numbers are wrong usage",
    arguments: [
      ("scenes", ["--count", "9223372036854775807"], "--count"),
      ("scenes", ["--count=-1"], "--count"),
      ("scenes", ["--validation", "9223372036854775807"], "--validation"),
      ("scenes", ["--size", "0"], "--size"),
      ("scenes", ["--size", "9223372036854775807"], "--size"),
      ("scenes", ["--count", "0", "--validation", "0"], "--count"),
      ("train", ["--config", "c", "--threads", "9223372036854775807"], "--threads"),
      ("scenes", ["--threads", "0"], "--threads"),
    ])
  func wrongNumber(command: String, arguments: [String], flag: String) throws {
    let folder = try ScratchFolder()
    let outcome = try CommandRunner.run(command, arguments, in: folder.path)
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.hasPrefix("error: \(flag)"), "\(outcome)")
    #expect(folder.files().isEmpty)
  }

  @Test("control characters of names are escaped in every message")
  func controlCharacters() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(32, 32), to: "in/good.png")
    try folder.write("x", to: "in/a\nerror: b.png")
    try folder.write("x", to: "in/esc\u{1b}]0;title\u{7}.png")
    let strange = "o\u{1b}[31m\r"
    let outcomes = [
      try checkpoint.encode([folder.file("in")], to: folder.file("t\u{1b}[1m.npy")),
      try checkpoint.decode(folder.file("t\u{1b}[1m.npy"), to: folder.file(strange)),
      try CommandRunner.run("compare", [folder.file(strange)]),
      try CommandRunner.run("train", ["--config", "c", "--set", "a\u{1b}[31m=1"]),
      try CommandRunner.run("train", ["--\u{1b}[31m\nerror: second"]),
      try CommandRunner.run("scenes", ["--count", "1\u{1b}[31m"]),
    ]
    for outcome in outcomes {
      let all = outcome.errors + outcome.output
      #expect(!all.unicodeScalars.contains { $0.value < 32 && $0 != "\n" }, "\(outcome)")
      #expect(all.split(separator: "\n").count { $0.hasPrefix("error: ") } <= 1, "\(outcome)")
    }
    #expect(outcomes[0].errors.contains(#"a\nerror: b.png"#), "\(outcomes[0])")
  }
}
