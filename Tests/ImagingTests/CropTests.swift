import Imaging
import Testing

/// Cropping, padding, mirroring and the conversion to numbers.
struct CropTests {
  @Test func `a crop holds the pixels of its rectangle`() {
    let image = Pattern.noise(7, 5)
    let part = image.cropped(x: 2, y: 1, width: 4, height: 3)
    for y in 0..<3 { for x in 0..<4 { #expect(part[x, y] == image[x + 2, y + 1]) } }
    #expect(image.cropped(x: 0, y: 0, width: 7, height: 5) == image)
  }

  @Test func `the centre crop leaves an odd remainder right and below`() {
    let image = Pattern.noise(7, 6)
    #expect(
      image.centreCropped(width: 4, height: 3) == image.cropped(x: 1, y: 1, width: 4, height: 3))
  }

  @Test func `padding repeats the last column and row`() {
    let image = Pattern.noise(3, 2)
    let padded = image.padded(width: 6, height: 4)
    for y in 0..<4 {
      for x in 0..<6 { #expect(padded[x, y] == image[min(x, 2), min(y, 1)]) }
    }
    #expect(padded.cropped(x: 0, y: 0, width: 3, height: 2) == image)
  }

  @Test(arguments: [(1, 1), (8, 8), (9, 16), (17, 3)])
  func `padding to a multiple adds the least`(size: (Int, Int)) {
    let padded = Pattern.noise(size.0, size.1).padded(toMultipleOf: 8)
    #expect(padded.width % 8 == 0 && padded.height % 8 == 0)
    #expect(padded.width - size.0 < 8 && padded.height - size.1 < 8)
  }

  @Test func `mirroring exchanges left and right, and twice does nothing`() {
    let image = Pattern.noise(5, 3)
    let mirrored = image.flippedHorizontally()
    for y in 0..<3 { for x in 0..<5 { #expect(mirrored[x, y] == image[4 - x, y]) } }
    #expect(mirrored.flippedHorizontally() == image)
  }

  @Test func `all bytes survive the way to numbers and back`() {
    let image = Pattern.make(16, 16) { x, y, channel in
      UInt8((y * 16 + x + channel * 85) & 255)
    }
    var numbers = [Float](repeating: .nan, count: image.pixels.count)
    image.write(normalizedTo: &numbers)
    #expect(numbers.allSatisfy { $0 >= -1 && $0 <= 1 })
    #expect(numbers[0] == -1)
    #expect(image.pixels.firstIndex(of: 255).map { numbers[$0] } == 1)
    #expect(Image(width: 16, height: 16, normalized: numbers) == image)
  }

  @Test func `numbers are clamped and rounded to even, and NaN is black`() {
    let numbers: [Float] = [-7, .nan, .infinity, -.infinity, 0, 1 / 127.5, 0.999, -1.0001, 1.5]
    // 0 is 127.5 exactly, which rounds to the even 128.
    #expect(
      Image(width: 3, height: 1, normalized: numbers).pixels == [
        0, 0, 255, 0, 128, 128, 255, 0, 255,
      ])
  }
}
