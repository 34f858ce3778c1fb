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
