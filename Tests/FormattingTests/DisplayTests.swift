import Formatting
import Testing

@Suite struct DisplayTests {
  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (-999, "-999"), (-1000, "-1,000"),
    (1_234_567, "1,234,567"),
  ])
  func countsHaveTheirThousandsApart(_ value: Int, _ text: String) {
    #expect(Display.count(value) == text)
  }

  @Test func aCountAgreesWithItsNoun() {
    #expect(Display.count(1, "image") == "1 image" && Display.count(0, "image") == "0 images")
    #expect(Display.count(1200, "image") == "1,200 images")
  }

  @Test func decimalsAreNotGrouped() {
    #expect(
      Display.grouped("-1234.5678") == "-1,234.5678" && Display.grouped("12.3456") == "12.3456")
  }

  @Test func bytesAreMegabytesOfAMillion() {
    #expect(Display.megabytes(1_499_999) == "1 MB" && Display.megabytes(0) == "0 MB")
    #expect(
      Display.megabytes(2_500_000_000) == "2,500 MB" && Display.megabytes(1e30) == "1.0e+24 MB")
  }

  @Test func smallSharesHaveADecimal() {
    #expect(Display.percent(0.0123) == "1.2%" && Display.percent(0.123) == "12%")
    #expect(Display.percent(1) == "100%" && Display.percent(.nan) == "nan%")
  }

  @Test func slowRatesAreSecondsOfAnImage() {
    #expect(Display.rate(12.46) == "12.5 images/s" && Display.rate(1) == "1.0 images/s")
    #expect(Display.rate(0.4) == "2.5 s an image" && Display.rate(1 / 122.4) == "122 s an image")
    #expect(Display.rate(0) == "0.0 images/s")
  }

  @Test func durationsAreClocks() {
    #expect(Display.duration(123) == "2:03" && Display.duration(3723) == "1:02:03")
    #expect(Display.duration(.infinity) == "?")
  }
}
