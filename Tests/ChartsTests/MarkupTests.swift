import Charts
import Testing

@Suite("Markup and numbers")
struct MarkupTests {
  @Test("names cannot end an element or an attribute")
  func escaping() {
    #expect(Markup.escaped("<a&b> \"c\" 'd'") == "&lt;a&amp;b&gt; &quot;c&quot; &#39;d&#39;")
    #expect(Markup.escaped("a\u{0}b\nc\u{9B}d é 日本") == "a b c d é 日本")
  }

  @Test(
    "numbers have four significant digits, no zeros behind, and powers of ten where zeros were many",
    arguments: [
      (0.0, "0"), (27.03, "27.03"), (0.0964999, "0.0965"), (0.0001, "0.0001"),
      (0.0000123456, "1.23e-5"), (12345.678, "12,350"), (942.0, "942"), (1234.5, "1,235"),
      (-0.5, "-0.5"), (123_456_789, "1.23e8"), (.infinity, "∞"), (-.infinity, "-∞"), (.nan, "–"),
    ])
  func values(value: Double, text: String) {
    #expect(NumberLabel.value(value) == text)
  }

  @Test("counts and fixed decimals have thousands apart")
  func counts() {
    #expect(NumberLabel.count(1_234_567) == "1,234,567" && NumberLabel.count(-999) == "-999")
    #expect(NumberLabel.fixed(1234.567, decimals: 2) == "1,234.57")
    #expect(NumberLabel.fixed(0.5, decimals: 2) == "0.50")
  }
}
