import Foundation
import Imaging
import Testing

/// Resizing against its definition: for each output pixel, a weighted mean over all input pixels.
struct ResizeTests {
  /// The slow twin, in two dimensions at once and not rounded.
  static func definition(_ image: Image, _ width: Int, _ height: Int, _ filter: ResizeFilter)
    -> [Double]
  {
    var values: [Double] = []
    for y in 0..<height {
      let rows = (0..<image.height).map { weight($0, y, image.height, height, filter) }
      for x in 0..<width {
        let columns = (0..<image.width).map { weight($0, x, image.width, width, filter) }
        let total = rows.reduce(0, +) * columns.reduce(0, +)
        for channel in 0..<3 {
          var sum = 0.0
          for (row, a) in rows.enumerated() {
            for (column, b) in columns.enumerated() where a * b != 0 {
              sum += a * b * Double(image.pixels[(row * image.width + column) * 3 + channel])
            }
          }
          values.append(min(max(sum / total, 0), 255))
        }
      }
    }
    return values
  }

  /// The weight of input `i` of `n` in output `o` of `m`.
  static func weight(_ i: Int, _ o: Int, _ n: Int, _ m: Int, _ filter: ResizeFilter) -> Double {
    let scale = Double(n) / Double(m)
    if filter == .area {
      return max(0, min(Double(i + 1), Double(o + 1) * scale) - max(Double(i), Double(o) * scale))
    }
    let t = abs(Double(i) + 0.5 - (Double(o) + 0.5) * scale) / max(1, scale)
    if filter == .bilinear { return max(0, 1 - t) }
    let a = -0.5
    if t < 1 { return (a + 2) * pow(t, 3) - (a + 3) * pow(t, 2) + 1 }
    if t < 2 { return a * pow(t, 3) - 5 * a * pow(t, 2) + 8 * a * t - 4 * a }
    return 0
  }

  static let cases: [(Int, Int, Int, Int)] = [
    (1, 1, 3, 2), (5, 4, 1, 1), (16, 12, 8, 6), (13, 17, 5, 9), (7, 5, 14, 10), (9, 3, 4, 11),
    (31, 29, 30, 28), (64, 3, 7, 3),
  ]

  @Test(arguments: ResizeFilter.allCases, cases)
  func `resizing is its definition, rounded once`(
    filter: ResizeFilter, size: (Int, Int, Int, Int)
  ) {
    let image = Pattern.noise(size.0, size.1)
    let resized = image.resized(to: size.2, size.3, filter: filter)
    #expect(resized.width == size.2 && resized.height == size.3)
    let values = Self.definition(image, size.2, size.3, filter)
    for (byte, value) in zip(resized.pixels, values) {
      #expect(abs(Double(byte) - value) <= 0.5 + 1e-3)
    }
  }

  @Test(arguments: ResizeFilter.allCases)
  func `a constant image stays constant`(filter: ResizeFilter) {
    for value: UInt8 in [0, 1, 127, 254, 255] {
      let color = PixelColor(value, 255 - value, 77)
      for (width, height) in [(1, 1), (3, 50), (100, 7), (40, 41)] {
        #expect(
          Image(width: 33, height: 21, filledWith: color).resized(to: width, height, filter: filter)
            == Image(width: width, height: height, filledWith: color))
      }
    }
  }

  @Test(arguments: ResizeFilter.allCases)
  func `the same size is the same image`(filter: ResizeFilter) {
    let image = Pattern.noise(9, 8)
    #expect(image.resized(to: 9, 8, filter: filter) == image)
  }

  @Test(arguments: ResizeFilter.allCases)
  func `mirroring and resizing commute`(filter: ResizeFilter) {
    let image = Pattern.smooth(37, 20)
    let a = image.resized(to: 12, 9, filter: filter).flippedHorizontally()
    let b = image.flippedHorizontally().resized(to: 12, 9, filter: filter)
    // The sums run in opposite order, so halves may round apart.
    #expect(zip(a.pixels, b.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
  }

  @Test func `halving by area is the mean of four`() {
    let image = Image(width: 2, height: 2, pixels: [0, 0, 10, 4, 0, 10, 8, 0, 10, 12, 4, 11])
    #expect(image.resized(to: 1, 1, filter: .area).pixels == [6, 1, 10])
  }

  @Test(arguments: [(40, 20), (20, 40), (33, 100), (10, 10), (7, 9), (481, 321)])
  func `filling covers the size and crops the middle`(size: (Int, Int)) {
    let image = Pattern.smooth(size.0, size.1)
    for (width, height) in [(16, 16), (8, 24), (1, 1)] {
      let filled = image.resizedToFill(width: width, height: height)
      #expect(filled.width == width && filled.height == height)
    }
  }

  @Test func `filling cuts as much at one end as at the other`() {
    // Black and white columns around a gray middle square.
    var image = Image(width: 40, height: 20, filledWith: PixelColor(128, 128, 128))
    for y in 0..<20 {
      for x in 0..<10 {
        image[x, y] = .black
        image[39 - x, y] = .white
      }
    }
    let gray = Image(width: 20, height: 20, filledWith: PixelColor(128, 128, 128))
    #expect(image.resizedToFill(width: 20, height: 20) == gray)
    #expect(
      image.resizedToFill(width: 10, height: 10, filter: .area)
        == gray.resized(to: 10, 10, filter: .area))
  }
}
