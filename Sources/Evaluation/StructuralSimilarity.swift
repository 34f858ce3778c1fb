import Foundation

/// The structural similarity index (SSIM) of 8-bit RGB images, and its mean over a set.
///
/// Per channel and position, over a Gaussian window (11x11, sigma 1.5):
///
///     SSIM = (2 mx my + C1)(2 sxy + C2) / ((mx^2 + my^2 + C1)(sx^2 + sy^2 + C2))
///
/// with `C1 = (0.01 * 255)^2`, `C2 = (0.03 * 255)^2`, means `m`, and population (co)variances `s`.
/// An image's index is the mean over all positions where the window lies inside the image, then
/// over the three channels. Images with a side below 11 get the largest odd window that fits, the
/// same Gaussian cut off earlier and normalised again.
///
/// Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to
/// structural similarity", 2004.
public struct StructuralSimilarity: Sendable, Equatable {
  /// How many images were added.
  public private(set) var count = 0
  private var sum = 0.0

  /// An empty set.
  public init() {}

  /// Adds one image; both hold `width * height * 3` bytes, interleaved, row by row.
  public mutating func add(
    _ original: [UInt8], _ reconstruction: [UInt8], width: Int, height: Int
  ) {
    add(index: Self.index(original, reconstruction, width: width, height: height))
  }

  /// Adds one image's index.
  public mutating func add(index: Double) {
    sum += index
    count += 1
  }

  /// Adds another set's images.
  ///
  /// Merging in a fixed order gives a fixed result.
  public mutating func merge(_ other: StructuralSimilarity) {
    sum += other.sum
    count += other.count
  }

  /// The mean of the images' indices, each image counting once; nil for an empty set.
  public var mean: Double? { count == 0 ? nil : sum / Double(count) }

  /// The index of one image: 1 for equal images, at least -1.
  public static func index(
    _ original: [UInt8], _ reconstruction: [UInt8], width: Int, height: Int
  ) -> Double {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    precondition(
      original.count == width * height * 3 && reconstruction.count == original.count,
      "two RGB images of the given size")
    let window = gaussian(size: min(11, oddAtMost(width), oddAtMost(height)))
    var sum = 0.0
    for channel in 0..<3 {
      sum += index(
        plane(original, channel), plane(reconstruction, channel), width: width, window: window)
    }
    return sum / 3
  }

  private static func oddAtMost(_ side: Int) -> Int { side - (side + 1) % 2 }

  private static func gaussian(size: Int) -> [Double] {
    let weights = (0..<size).map { index in
      let distance = Double(index - size / 2) / 1.5
      return exp(-0.5 * distance * distance)
    }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }

  private static func plane(_ pixels: [UInt8], _ channel: Int) -> [Double] {
    stride(from: channel, to: pixels.count, by: 3).map { Double(pixels[$0]) }
  }

  /// One channel's index, one row of windows at a time.
  private static func index(
    _ x: [Double], _ y: [Double], width: Int, window: [Double]
  ) -> Double {
    let height = x.count / width
    let rows = height - window.count + 1
    let columns = width - window.count + 1
    let c1 = (0.01 * 255) * (0.01 * 255)
    let c2 = (0.03 * 255) * (0.03 * 255)
    // Weighted column sums of x, y, x^2, y^2 and xy over the window's rows.
    var sums = [[Double]](repeating: [Double](repeating: 0, count: width), count: 5)
    var total = 0.0
    for row in 0..<rows {
      for column in 0..<width {
        var (mx, my, mxx, myy, mxy) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for (offset, weight) in window.enumerated() {
          let index = (row + offset) * width + column
          let (a, b) = (x[index], y[index])
          mx += weight * a
          my += weight * b
          mxx += weight * a * a
          myy += weight * b * b
          mxy += weight * a * b
        }
        sums[0][column] = mx
        sums[1][column] = my
        sums[2][column] = mxx
        sums[3][column] = myy
        sums[4][column] = mxy
      }
      for column in 0..<columns {
        var (mx, my, mxx, myy, mxy) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for (offset, weight) in window.enumerated() {
          mx += weight * sums[0][column + offset]
          my += weight * sums[1][column + offset]
          mxx += weight * sums[2][column + offset]
          myy += weight * sums[3][column + offset]
          mxy += weight * sums[4][column + offset]
        }
        let luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
        let structure =
          (2 * (mxy - mx * my) + c2) / ((mxx - mx * mx) + (myy - my * my) + c2)
        total += luminance * structure
      }
    }
    return total / Double(rows * columns)
  }
}
