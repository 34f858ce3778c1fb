import Evaluation
import Foundation
import Testing

/// SSIM against scikit-image, its definition for small images, and its bounds.
struct StructuralSimilarityTests {
  @Test(arguments: Golden.all)
  func `the index is scikit-image's`(golden: Golden) {
    let found = StructuralSimilarity.index(
      golden.original, golden.reconstruction, width: golden.width, height: golden.height)
    #expect(abs(found - golden.ssim) < 1e-9)
  }

  @Test(arguments: [(1, 1), (2, 9), (10, 10), (11, 30), (40, 25)])
  func `equal images have index 1`(size: (Int, Int)) {
    let pixels = Golden.original(size.0, size.1)
    let found = StructuralSimilarity.index(pixels, pixels, width: size.0, height: size.1)
    #expect(abs(found - 1) < 1e-12)
  }

  @Test func `an inverted image has a negative index`() {
    let pixels = Golden.original(32, 32)
    let inverted = pixels.map { 255 - $0 }
    let found = StructuralSimilarity.index(pixels, inverted, width: 32, height: 32)
    #expect(found < 0 && found >= -1)
  }

  // One pixel has no variance: only the luminance term is left.
  @Test func `a single pixel compares its brightness`() {
    let found = StructuralSimilarity.index([100, 100, 100], [50, 50, 50], width: 1, height: 1)
    let c1 = 2.55 * 2.55
    #expect(abs(found - (2 * 100 * 50 + c1) / (100 * 100 + 50 * 50 + c1)) < 1e-12)
  }

  // A side of 4 leaves a window of 3x3: the Gaussian at distances 0 and 1, normalised.
  @Test func `small images get the largest odd window`() {
    let golden = Golden(width: 4, height: 3, strength: 20, ssim: 0, psnr: 0)
    let side = exp(-0.5 / (1.5 * 1.5))
    let weights = [side, 1, side].map { $0 / (1 + 2 * side) }
    var expected = 0.0
    for channel in 0..<3 {
      for left in 0..<2 {
        var (mx, my, mxx, myy, mxy) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for row in 0..<3 {
          for column in 0..<3 {
            let index = (row * 4 + left + column) * 3 + channel
            let (x, y) = (Double(golden.original[index]), Double(golden.reconstruction[index]))
            let weight = weights[row] * weights[column]
            mx += weight * x
            my += weight * y
            mxx += weight * x * x
            myy += weight * y * y
            mxy += weight * x * y
          }
        }
        let (c1, c2) = (6.5025, 58.5225)
        expected +=
          (2 * mx * my + c1) * (2 * (mxy - mx * my) + c2)
          / ((mx * mx + my * my + c1) * (mxx - mx * mx + myy - my * my + c2)) / 6
      }
    }
    let found = StructuralSimilarity.index(
      golden.original, golden.reconstruction, width: 4, height: 3)
    #expect(abs(found - expected) < 1e-9)
  }

  @Test func `a set's index is the mean, however merged`() {
    var a = StructuralSimilarity()
    var b = StructuralSimilarity()
    #expect(a.mean == nil)
    a.add(index: 1)
    b.add(index: 0.5)
    b.add(index: 0.75)
    a.merge(b)
    #expect(a.count == 3 && a.mean == 0.75)
  }
}
