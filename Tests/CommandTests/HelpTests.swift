import Testing

@Suite("Help")
struct HelpTests {
  @Test(
    "every command explains itself with an example",
    arguments: ["train", "encode", "decode", "scenes"])
  func help(command: String) throws {
    let outcome = try CommandRunner.run(command, ["--help"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("EXAMPLE"), "\(outcome)")
    #expect(outcome.output.contains("USAGE: \(command)"), "\(outcome)")
    #expect(outcome.errors.isEmpty, "\(outcome)")
  }

  @Test("an unknown flag is wrong usage", arguments: ["train", "encode", "decode", "scenes"])
  func unknownFlag(command: String) throws {
    let outcome = try CommandRunner.run(command, ["--unheard-of"])
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.contains("--unheard-of"), "\(outcome)")
  }
}
