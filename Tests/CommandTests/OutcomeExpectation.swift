import FileTestSupport
import Testing

/// Expects a command to end with a code and to print some words, and one error where it failed.
///
/// Where lines end is not what is tested.
func expect(
  _ outcome: CommandRunner.Outcome, _ code: Int32, _ words: String...,
  location: SourceLocation = #_sourceLocation
) {
  #expect(outcome.code == code && !outcome.isKilled, "\(outcome)", sourceLocation: location)
  let text = (outcome.output + outcome.errors).split(whereSeparator: \.isWhitespace)
    .joined(separator: " ")
  for word in words {
    #expect(text.contains(word), "\(word) in \(outcome)", sourceLocation: location)
  }
  let errors = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("error:") }
  #expect(code == 0 || errors.count == 1, "\(outcome)", sourceLocation: location)
}
