import Foundation

/// The peak signal-to-noise ratio of 8-bit images over a set, in decibels.
///
/// `PSNR = 10 log10(255^2 / MSE)`, infinite where nothing differs. Over several images it is the
/// PSNR of the mean of the images' mean squared errors, each image counting once whatever its size:
/// one figure for the set, which does not turn infinite because one image is exact, as a mean of
/// PSNRs would.
public struct PeakSignalToNoise: Sendable, Equatable {
  /// How many images were added.
  public private(set) var count = 0
  private var sum = 0.0

  /// An empty set.
  public init() {}

  /// Adds one image's error; both hold the same number of bytes, at least one.
  public mutating func add(_ original: [UInt8], _ reconstruction: [UInt8]) {
    add(meanSquaredError: Self.meanSquaredError(original, reconstruction))
  }

  /// Adds one image's mean squared error.
  public mutating func add(meanSquaredError: Double) {
    sum += meanSquaredError
    count += 1
  }

  /// Adds another set's images.
  ///
  /// Merging in a fixed order gives a fixed result.
  public mutating func merge(_ other: PeakSignalToNoise) {
    sum += other.sum
    count += other.count
  }

  /// The mean of the images' mean squared errors; nil for an empty set.
  public var meanSquaredError: Double? { count == 0 ? nil : sum / Double(count) }

  /// The set's PSNR in decibels; nil for an empty set.
  public var decibels: Double? { meanSquaredError.map(Self.decibels(meanSquaredError:)) }

  /// `10 log10(255^2 / MSE)`; infinite for 0.
  public static func decibels(meanSquaredError: Double) -> Double {
    10 * log10(255 * 255 / meanSquaredError)
  }

  /// The PSNR of one image, in decibels.
  public static func decibels(_ original: [UInt8], _ reconstruction: [UInt8]) -> Double {
    decibels(meanSquaredError: meanSquaredError(original, reconstruction))
  }

  /// The mean of squared differences of bytes, summed exactly in integers.
  public static func meanSquaredError(_ original: [UInt8], _ reconstruction: [UInt8]) -> Double {
    precondition(
      original.count == reconstruction.count && !original.isEmpty, "two images of one size")
    let sum = original.withUnsafeBufferPointer { original in
      reconstruction.withUnsafeBufferPointer { reconstruction in
        var sum: UInt64 = 0
        for index in original.indices {
          let difference = Int32(original[index]) - Int32(reconstruction[index])
          sum &+= UInt64(truncatingIfNeeded: difference &* difference)
        }
        return sum
      }
    }
    return Double(sum) / Double(original.count)
  }
}

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

/// How much of an image's detail is lost at each scale, in brightness.
///
/// Luma `Y = 0.299 R + 0.587 G + 0.114 B` of originals and of their errors is halved again and again
/// by means of 2x2 squares. Such means are orthogonal projections, so that what a halving takes away
/// is the energy of details of that size: of 1 to 2 pixels, 2 to 4, and so on. The fraction of a
/// scale is the error's energy over the image's own: 0 where nothing is lost, 1 where as much is
/// wrong as there was.
public struct OctaveError: Sendable, Equatable {
  private var image: [Double] = []
  private var error: [Double] = []

  /// No images yet.
  public init() {}

  /// Adds an image and its reconstruction, both `width * height * 3` bytes.
  public mutating func add(
    _ original: [UInt8], _ reconstruction: [UInt8], width: Int, height: Int
  ) {
    precondition(
      original.count == width * height * 3 && reconstruction.count == original.count,
      "both images have three bytes a pixel")
    var own = [Float](repeating: 0, count: width * height)
    var wrong = own
    for index in own.indices {
      let (r, g, b) = (3 * index, 3 * index + 1, 3 * index + 2)
      let luma =
        0.299 * Float(original[r]) + 0.587 * Float(original[g]) + 0.114 * Float(original[b])
      let other =
        0.299 * Float(reconstruction[r]) + 0.587 * Float(reconstruction[g])
        + 0.114 * Float(reconstruction[b])
      own[index] = luma
      wrong[index] = luma - other
    }
    Self.add(own, width, height, to: &image)
    Self.add(wrong, width, height, to: &error)
  }

  /// The fraction of each scale that has details, from the finest; `pixels` is the lower end of the
  /// scale.
  public var shares: [(pixels: Int, share: Double)] {
    zip(image, error).enumerated().compactMap { octave, energies in
      energies.0 > 0 ? (1 << octave, max(0, energies.1 / energies.0)) : nil
    }
  }

  private static func add(
    _ values: [Float], _ width: Int, _ height: Int, to energies: inout [Double]
  ) {
    var (values, width, height, octave) = (values, width, height, 0)
    while width > 1, height > 1 {
      let (half, tall) = (width / 2, height / 2)
      var means = [Float](repeating: 0, count: half * tall)
      var detail = 0.0
      for y in 0..<tall {
        for x in 0..<half {
          let place = 2 * y * width + 2 * x
          let four = (
            values[place], values[place + 1], values[place + width], values[place + width + 1]
          )
          let mean = (four.0 + four.1 + four.2 + four.3) / 4
          means[y * half + x] = mean
          for value in [four.0, four.1, four.2, four.3] {
            detail += Double((value - mean) * (value - mean))
          }
        }
      }
      if energies.count <= octave { energies.append(0) }
      energies[octave] += detail / Double(4 * half * tall)
      (values, width, height, octave) = (means, half, tall, octave + 1)
    }
  }
}
