import Configuration
import Testing

@Suite("Visible text")
struct VisibleTextTests {
  @Test(
    "control characters and marks of direction are escaped",
    arguments: [
      ("a\u{1b}[31mb", #"a\u{1b}[31mb"#), ("\u{1b}]0;title\u{7}", #"\u{1b}]0;title\u{7}"#),
      ("a\r\nb", #"a\r\nb"#), ("a\tb", #"a\tb"#), ("\u{9b}1m\u{7f}\u{0}", #"\u{9b}1m\u{7f}\u{0}"#),
      ("gnp.\u{202e}x", #"gnp.\u{202e}x"#), ("\u{2066}a\u{2069}", #"\u{2066}a\u{2069}"#),
      ("a\u{2028}b\u{2029}c", #"a\u{2028}b\u{2029}c"#), ("\u{feff}\u{200b}", #"\u{feff}\u{200b}"#),
      ("\u{e0041}", #"\u{e0041}"#),
    ])
  func escapes(text: String, expected: String) {
    #expect(VisibleText.line(text) == expected)
  }

  @Test(
    "letters of all scripts and emoji stay",
    arguments: ["", "plain ~", "é ü ß", "日本語", "👩‍🚀", "עברית", "\u{301}"])
  func keeps(text: String) {
    #expect(VisibleText.line(text) == text)
    #expect(VisibleText.lines(text) == text)
  }

  @Test("lines keep their line feeds and nothing else")
  func lines() {
    #expect(VisibleText.lines("a\nb\r\nc\u{1b}") == "a\nb\\r\nc\\u{1b}")
  }

  @Test("what is escaped once stays as it is")
  func isStable() {
    let once = VisibleText.line("a\nb\u{7}")
    #expect(VisibleText.line(once) == once)
  }
}
