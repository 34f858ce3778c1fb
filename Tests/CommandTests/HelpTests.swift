import FileTestSupport
import Testing

@Suite("Help")
struct HelpTests {
  @Test(
    "every command explains itself with an example",
    arguments: ["train", "encode", "decode", "compare", "scenes"])
  func help(command: String) throws {
    let outcome = try CommandRunner.run(command, ["--help"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("EXAMPLE"), "\(outcome)")
    #expect(outcome.output.contains("USAGE: \(command)"), "\(outcome)")
    #expect(outcome.errors.isEmpty, "\(outcome)")
  }

  @Test(
    "an unknown flag is wrong usage",
    arguments: [
      ("train", []), ("scenes", []), ("encode", ["--checkpoint", "c", "--output", "t", "a.png"]),
      ("decode", ["--checkpoint", "c", "--output", "d", "t"]),
    ])
  func unknownFlag(command: String, complete: [String]) throws {
    let outcome = try CommandRunner.run(command, complete + ["--unheard-of"])
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.contains("--unheard-of"), "\(outcome)")
  }

  @Test(
    "a missing flag is wrong usage",
    arguments: [
      ("encode", ["--output", "t", "a.png"], "--checkpoint"),
      ("encode", ["--checkpoint", "c", "a.png"], "--output"),
      ("encode", ["--checkpoint", "c", "--output", "t"], "<path>"),
      ("decode", ["--checkpoint", "c", "--output", "d"], "<tokens>"),
    ])
  func missingFlag(command: String, arguments: [String], missing: String) throws {
    let outcome = try CommandRunner.run(command, arguments)
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.contains(missing), "\(outcome)")
  }
}
