import Imaging
import Testing

/// Where a contact sheet puts its images.
struct ContactSheetTests {
  let red = Image(width: 2, height: 3, filledWith: PixelColor(255, 0, 0))
  let green = Image(width: 2, height: 3, filledWith: PixelColor(0, 255, 0))
  let blue = Image(width: 1, height: 1, filledWith: PixelColor(0, 0, 255))

  @Test func `images stand in reading order between margins`() {
    let sheet = ContactSheet(columns: 2, margin: 1, scale: 2).sheet(of: [red, green, blue])
    // Cells 4 wide; rows 6 and 2 high.
    #expect(sheet.width == 1 + 2 * 5 && sheet.height == 1 + 7 + 3)
    for y in 0..<sheet.height {
      for x in 0..<sheet.width {
        let expected: PixelColor =
          switch (x, y) {
          case (1..<5, 1..<7): PixelColor(255, 0, 0)
          case (6..<10, 1..<7): PixelColor(0, 255, 0)
          case (1..<3, 8..<10): PixelColor(0, 0, 255)
          default: .white
          }
        #expect(sheet[x, y] == expected, "at \(x), \(y)")
      }
    }
  }

  @Test func `each pixel becomes a square`() {
    let image = Pattern.noise(3, 2)
    let sheet = ContactSheet(columns: 1, margin: 0, scale: 5).sheet(of: [image])
    for y in 0..<10 { for x in 0..<15 { #expect(sheet[x, y] == image[x / 5, y / 5]) } }
  }

  @Test func `originals lie over their reconstructions`() {
    let sheet = ContactSheet(columns: 2, margin: 0, background: .black)
      .pairs(originals: [red, red, red], reconstructions: [green, green, green])
    #expect(sheet.width == 4 && sheet.height == 12)
    let column = (0..<12).map { sheet[0, $0].red == 255 }
    #expect(column == [0, 1, 2, 3].flatMap { [Bool](repeating: $0 % 2 == 0, count: 3) })
    #expect(sheet[3, 0] == PixelColor(255, 0, 0) && sheet[3, 6] == .black)
  }

  @Test func `tiny images are enlarged, large ones are not`() {
    #expect(ContactSheet.comfortableScale(for: 32) == 4)
    #expect(ContactSheet.comfortableScale(for: 128) == 1)
    #expect(ContactSheet.comfortableScale(for: 500) == 1)
    let sheet = ContactSheet.pairs(originals: [blue], reconstructions: [blue], columns: 8)
    #expect(sheet.width == 128 + 8 && sheet.height == 2 * 128 + 12)
  }
}
