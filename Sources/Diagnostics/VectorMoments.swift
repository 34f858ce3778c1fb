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
