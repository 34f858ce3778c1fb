import Files
import Testing
import TokenFiles

@Suite struct ChecksumTests {
  /// Vectors from the authors of FNV.
  @Test(arguments: [
    ("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8"),
  ])
  func agreesWithItsAuthors(_ text: String, _ expected: String) {
    var whole = Checksum()
    Array(text.utf8).withUnsafeBytes { whole.add($0) }
    #expect(whole.hexadecimal == expected)
    var pieces = Checksum()
    for byte in text.utf8 { [byte].withUnsafeBytes { pieces.add($0) } }
    #expect(pieces == whole)
  }
}
