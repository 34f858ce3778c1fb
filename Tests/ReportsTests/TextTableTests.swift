import Reports
import Testing

@Suite("Text tables")
struct TextTableTests {
  private static let table: TextTable = {
    var table = TextTable([
      .init("run", isText: true), .init("quantizer", isText: true), .init("PSNR dB"),
    ])
    table.add(["a", "fsq 8,5", "21.05"])
    table.add(["longer", "vq 16x4", "9.50"])
    table.add(["c", "vq 1024x8 rotation", "inf"])
    return table
  }()

  @Test("text to the left, numbers to the right, a run a row")
  func upright() {
    #expect(
      Self.table.text(width: 80) == """
        run     quantizer           PSNR dB
        ------  ------------------  -------
        a       fsq 8,5               21.05
        longer  vq 16x4                9.50
        c       vq 1024x8 rotation      inf
        """)
  }

  @Test("too wide by one: turned over, in pieces as wide as allowed")
  func turned() {
    let upright = Self.table.text(width: 35)
    #expect(upright.hasPrefix("run     quantizer"))
    #expect(
      Self.table.text(width: 34) == """
        run              a   longer
        ---------  -------  -------
        quantizer  fsq 8,5  vq 16x4
        PSNR dB      21.05     9.50

        run                         c
        ---------  ------------------
        quantizer  vq 1024x8 rotation
        PSNR dB                   inf
        """)
  }

  @Test("narrower than any layout: a run a piece, nothing lost")
  func narrow() {
    let text = Self.table.text(width: 1)
    #expect(text.split(separator: "\n\n", omittingEmptySubsequences: true).count == 3)
    for word in ["a", "longer", "rotation", "inf", "9.50"] { #expect(text.contains(word)) }
  }
}
