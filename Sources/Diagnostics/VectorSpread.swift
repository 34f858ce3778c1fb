import Evaluation
import Foundation

/// How far vectors lie apart: the latents before quantization, or the entries of a codebook.
public struct VectorSpread: Sendable, Equatable {
  /// Root of the mean squared length, `sqrt(mean |v|^2)`.
  public let length: Double
  /// Root of the mean squared distance from the mean vector, over all channels together.
  public let deviation: Double
  /// Mean squared deviation from the mean, per channel.
  public let variances: [Double]
  /// ``EffectiveRank`` of the covariance; nil where there are too many channels to know.
  public let effectiveRank: Double?
  /// The stable rank of the covariance, see ``EffectiveRank``; nil where there are too many channels.
  public let stableRank: Double?

  /// Given numbers.
  public init(
    length: Double, deviation: Double, variances: [Double], effectiveRank: Double?,
    stableRank: Double? = nil
  ) {
    self.length = length
    self.deviation = deviation
    self.variances = variances
    self.effectiveRank = effectiveRank
    self.stableRank = stableRank
  }

  /// The spread of the vectors that were added up.
  public init(_ moments: VectorMoments) {
    let variances = moments.variances
    let total = variances.reduce(0, +)
    let eigenvalues = moments.covariance?.eigenvalues
    self.init(
      length: (total + moments.means.reduce(0) { $0 + $1 * $1 }).squareRoot(),
      deviation: total.squareRoot(), variances: variances,
      effectiveRank: eigenvalues.map(EffectiveRank.of),
      stableRank: eigenvalues.map(EffectiveRank.stable))
  }

  /// The spread of vectors that lie one after another.
  public init(_ vectors: [Float], dimension: Int) {
    var moments = VectorMoments(dimension: dimension)
    moments.add(vectors)
    self.init(moments)
  }

  /// Numbers in a vector.
  public var dimension: Int { variances.count }

  /// The standard deviation relative to the RMS norm, 0...1: near 0 all vectors are nearly equal.
  ///
  /// It does not change when all vectors are scaled, as a following convolution might.
  public var relative: Double { length > 0 ? deviation / length : 0 }
}

/// Sums over many vectors: their mean and how they vary about it.
public struct VectorMoments: Sendable {
  /// Covariances are only kept up to this many channels: their work grows with the square.
  public static let largestCovariance = 128

  /// Numbers in a vector.
  public let dimension: Int
  /// How many vectors were added.
  public private(set) var count = 0

  private let keepsCovariance: Bool
  // Sums of differences from the first vector: a common offset costs no digits then.
  private var origin: [Double] = []
  private var sums: [Double]
  private var products: [Double]

  /// No vectors yet, of so many numbers each.
  public init(dimension: Int) {
    precondition(dimension > 0, "a vector has a number")
    self.dimension = dimension
    keepsCovariance = dimension <= Self.largestCovariance
    sums = Array(repeating: 0, count: dimension)
    products = Array(repeating: 0, count: keepsCovariance ? dimension * dimension : dimension)
  }

  /// Adds vectors that lie one after another.
  public mutating func add(_ vectors: [Float]) {
    precondition(vectors.count % dimension == 0, "whole vectors of \(dimension) numbers")
    if origin.isEmpty { origin = vectors.prefix(dimension).map(Double.init) }
    count += vectors.count / dimension
    var difference = [Double](repeating: 0, count: dimension)
    products.withUnsafeMutableBufferPointer { products in
      for start in stride(from: 0, to: vectors.count, by: dimension) {
        for channel in 0..<dimension {
          let value = Double(vectors[start + channel]) - origin[channel]
          difference[channel] = value
          sums[channel] += value
          if keepsCovariance {
            let row = channel * dimension
            for other in 0...channel { products[row + other] += value * difference[other] }
          } else {
            products[channel] += value * value
          }
        }
      }
    }
  }

  /// The mean of each channel; zero where nothing was added.
  public var means: [Double] {
    guard count > 0 else { return sums }
    return (0..<dimension).map { origin[$0] + sums[$0] / Double(count) }
  }

  /// The mean squared deviation from the mean, per channel.
  public var variances: [Double] {
    (0..<dimension).map {
      max(0, covariance($0, $0, at: keepsCovariance ? $0 * dimension + $0 : $0))
    }
  }

  /// The covariance of all pairs of channels; nil beyond ``largestCovariance``.
  public var covariance: SymmetricMatrix? {
    guard keepsCovariance else { return nil }
    var elements = [Double](repeating: 0, count: dimension * dimension)
    for row in 0..<dimension {
      for column in 0...row {
        let place = row * dimension + column
        elements[place] = covariance(row, column, at: place)
      }
    }
    return SymmetricMatrix(size: dimension, elements: elements)
  }

  /// The mean of `v v^T`: the covariance about zero in place of the mean; nil beyond
  /// ``largestCovariance``.
  public var secondMoments: SymmetricMatrix? {
    guard let covariance else { return nil }
    let means = means
    let elements = covariance.elements.enumerated().map { place, element in
      element + means[place / dimension] * means[place % dimension]
    }
    return SymmetricMatrix(size: dimension, elements: elements)
  }

  private func covariance(_ row: Int, _ column: Int, at place: Int) -> Double {
    guard count > 0 else { return 0 }
    let n = Double(count)
    return products[place] / n - (sums[row] / n) * (sums[column] / n)
  }
}

/// In how many directions vectors vary.
public enum EffectiveRank {
  /// `exp(H)` of the eigenvalues' shares, `H = -sum s ln s`: 1 if all vectors lie on one line,
  /// `d` if they vary alike in `d` directions.
  ///
  /// Rounding may leave eigenvalues of a covariance just below zero; those count as zero. Where
  /// nothing varies at all the rank is 0. Roy and Vetterli, "The effective rank: a measure of
  /// effective dimensionality", 2007.
  public static func of(eigenvalues: [Double]) -> Double {
    let positive = eigenvalues.filter { $0 > 0 }
    let total = positive.reduce(0, +)
    guard total > 0 else { return 0 }
    return exp(
      positive.reduce(0) { sum, value in
        let share = value / total
        return share > 0 ? sum - share * log(share) : sum
      })
  }

  /// The stable rank `|M|_F^2 / |M|_2^2` of a matrix, from the eigenvalues of `M^T M`: their sum over
  /// the largest.
  ///
  /// It is at most the rank, and hardly moves with small eigenvalues. Where nothing varies it is 0.
  /// Rudelson and Vershynin, "Sampling from large matrices", 2007.
  public static func stable(eigenvalues: [Double]) -> Double {
    let positive = eigenvalues.filter { $0 > 0 }
    guard let largest = positive.max() else { return 0 }
    return positive.reduce(0, +) / largest
  }
}
