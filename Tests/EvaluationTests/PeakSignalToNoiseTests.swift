import Evaluation
import Foundation
import Testing

/// PSNR against scikit-image, and its behaviour over a set.
struct PeakSignalToNoiseTests {
  @Test(arguments: Golden.all)
  func `one image's PSNR is scikit-image's`(golden: Golden) {
    let found = PeakSignalToNoise.decibels(golden.original, golden.reconstruction)
    #expect(abs(found - golden.psnr) < 1e-9)
  }

  @Test func `equal images are infinitely good, black on white is 0`() {
    #expect(PeakSignalToNoise.decibels([1, 2, 3], [1, 2, 3]) == .infinity)
    #expect(PeakSignalToNoise.decibels([0, 0], [255, 255]) == 0)
  }

  @Test func `a set's PSNR is that of its mean error`() {
    var set = PeakSignalToNoise()
    #expect(set.decibels == nil && set.meanSquaredError == nil)
    set.add([0, 0, 0], [0, 0, 0])
    #expect(set.decibels == .infinity)
    // Errors 0 and 100; a second image of another size counts as much as the first.
    set.add([0, 0], [10, 10])
    #expect(set.meanSquaredError == 50)
    #expect(abs(set.decibels! - 10 * log10(255 * 255 / 50)) < 1e-12)
  }

  @Test func `merging adds the images of both`() {
    var a = PeakSignalToNoise()
    var b = PeakSignalToNoise()
    a.add(meanSquaredError: 3)
    b.add(meanSquaredError: 5)
    b.add(meanSquaredError: 10)
    a.merge(b)
    #expect(a.count == 3 && a.meanSquaredError == 6)
  }
}
