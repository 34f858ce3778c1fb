/// The Fréchet distance of two sets of features: that of the normal distributions with their means and
/// covariances.
///
///     d^2 = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))
///
/// With `C1 = L L^T`, the eigenvalues of `C1 C2` are those of the symmetric `L^T C2 L`, and zeros: the
/// trace of the root is the sum of their roots. Covariances may be singular.
///
/// A covariance estimated from n vectors is off by some `d / n`, so that the distance of finite sets is
/// too large even between halves of one set, by an amount that falls with n: compare only distances at
/// the same n, and beside that of two halves. With n at most the dimension d a covariance is singular,
/// and the distance says little.
///
/// Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982; in the
/// features of a classifier, Heusel et al., "GANs trained by a two time-scale update rule converge to a
/// local Nash equilibrium", 2017.
public struct FrechetDistance: Sendable {
  /// The mean of a set, and its covariance.
  public struct Moments: Sendable {
    /// The mean.
    public let mean: [Double]
    /// The covariance.
    public let covariance: SymmetricMatrix

    /// Given ones, of the same dimension.
    public init(mean: [Double], covariance: SymmetricMatrix) {
      precondition(mean.count == covariance.size, "a mean has the dimension of the covariance")
      (self.mean, self.covariance) = (mean, covariance)
    }

    /// Those of two vectors at least.
    public init(_ set: VectorSet, threads: Int) {
      self.init(mean: set.mean, covariance: set.covariance(threads: threads))
    }
  }

  private let reference: Moments
  /// `L` with `L L^T` equal to the reference's covariance, a column after the other.
  private let factor: VectorSet?
  private let threads: Int

  /// Distances from a set.
  public init(from reference: Moments, threads: Int) {
    (self.reference, self.threads) = (reference, threads)
    let isFinite = reference.covariance.elements.allSatisfy(\.isFinite)
    let columns = isFinite ? reference.covariance.factor : []
    factor =
      columns.isEmpty
      ? nil : VectorSet(dimension: reference.mean.count, values: columns.flatMap { $0 })
  }

  /// The squared distance to a set, which is what is reported as FID.
  ///
  /// It is never below 0; NaN where the numbers are too large to be squared.
  public func squared(to other: Moments) -> Double {
    let size = reference.mean.count
    precondition(size == other.mean.count, "features of one dimension")
    let between = zip(reference.mean, other.mean).reduce(0) {
      $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
    }
    let whole = between + reference.covariance.trace + other.covariance.trace
    guard whole.isFinite, other.covariance.elements.allSatisfy(\.isFinite) else { return .nan }
    guard let factor else { return whole }
    let covariance = VectorSet(dimension: size, values: other.covariance.elements)
    let middle = VectorSet(
      dimension: size, values: factor.products(covariance, threads: threads))
    let product = SymmetricMatrix(
      size: factor.count, elements: middle.products(factor, threads: threads))
    let roots = product.eigenvalues.reduce(0) { $1 > 0 ? $0 + $1.squareRoot() : $0 }
    return max(0, whole - 2 * roots)
  }
}

/// How much of what is drawn is like real images, and how much of what is real can be drawn.
///
/// Around each vector of a set lies a ball that reaches its k-th nearest neighbour in the set. The
/// precision is the share of drawn vectors that lie in a ball of the real set, the recall the share of
/// real vectors that lie in a ball of the drawn set: 1 for both where the sets are equal.
///
/// Brute force over all pairs. Both depend on n, as balls shrink with it: compare at the same n, and
/// beside two halves of the real set.
///
/// Kynkäänniemi, Karras, Laine, Lehtinen and Aila, "Improved precision and recall metric for assessing
/// generative models", 2019.
public struct PrecisionRecall: Sendable, Equatable {
  /// The neighbour that a ball reaches, 3 as in the paper.
  public static let neighbours = 3

  /// The share of drawn vectors within a ball of the real ones, 0...1.
  public let precision: Double
  /// The share of real vectors within a ball of the drawn ones, 0...1.
  public let recall: Double

  /// Of two sets in one space.
  ///
  /// - Parameter neighbours: which neighbour a ball reaches; each set has more vectors than that.
  public init(
    real: VectorSet, drawn: VectorSet, neighbours: Int = Self.neighbours, threads: Int
  ) {
    precondition(
      neighbours > 0 && min(real.count, drawn.count) > neighbours, "each vector has its neighbours")
    func share(of points: VectorSet, within set: VectorSet) -> Double {
      let radii = Self.radii(set, neighbours, threads: threads)
      let isInside = ResultBuffer(points.count, false)
      points.forEachPair(.squaredDifferences, with: set, threads: threads) { point, distances in
        isInside[point] = zip(distances, radii).contains { $0 <= $1 }
      }
      return Double(isInside.all.count { $0 }) / Double(points.count)
    }
    precision = share(of: drawn, within: real)
    recall = share(of: real, within: drawn)
  }

  /// The squared distance of each vector to its k-th nearest neighbour among the others.
  static func radii(_ set: VectorSet, _ neighbours: Int, threads: Int) -> [Double] {
    let radii = ResultBuffer(set.count, 0.0)
    set.forEachPair(.squaredDifferences, with: set, threads: threads) { vector, distances in
      // The least ones so far, the greatest last.
      var least = [Double](repeating: .infinity, count: neighbours)
      for (other, distance) in distances.enumerated()
      where other != vector && distance < least[neighbours - 1] {
        var place = neighbours - 1
        while place > 0, least[place - 1] > distance {
          least[place] = least[place - 1]
          place -= 1
        }
        least[place] = distance
      }
      radii[vector] = least[neighbours - 1]
    }
    return radii.all
  }
}

/// A vector of moderate length that describes an image: mean and standard deviation of each channel of
/// its latents over a grid of cells.
///
/// The means keep what is where, at the coarsest scale, the deviations how much is going on there; so
/// few numbers that their covariance can be estimated from a thousand images.
public struct GridMoments: Sendable, Equatable {
  /// The most features, unless a single cell has more.
  public static let mostFeatures = 128

  /// Rows and columns of cells.
  public let cells: Int
  /// Channels of a latent.
  public let channels: Int

  /// As many cells as fit: 4x4, 2x2 or a single one, with at most ``mostFeatures`` features and at least
  /// two rows and columns of latents in a cell.
  ///
  /// - Parameters:
  ///   - channels: numbers of a latent.
  ///   - height: rows of the grid of latents.
  ///   - width: columns of the grid.
  public init(channels: Int, height: Int, width: Int) {
    self.channels = channels
    cells =
      [4, 2].first {
        2 * $0 * $0 * channels <= Self.mostFeatures && 2 * $0 <= min(height, width)
      } ?? 1
  }

  /// Features of an image.
  public var dimension: Int { 2 * cells * cells * channels }

  /// The features `[cells, cells, 2, channels]` of latents `[height, width, channels]`: of each cell the
  /// means, then the deviations.
  ///
  /// Cell i of g covers rows `i h / g` up to `(i + 1) h / g`, whole ones: down from the first, up to
  /// the last, so that each row lies in a cell, and one between two cells in both.
  public func features(of latents: [Float], height: Int, width: Int) -> [Double] {
    precondition(latents.count == height * width * channels, "a latent for each place")
    func span(_ cell: Int, _ length: Int) -> Range<Int> {
      cell * length / cells..<((cell + 1) * length + cells - 1) / cells
    }
    var features = [Double](repeating: 0, count: dimension)
    for row in 0..<cells {
      for column in 0..<cells {
        let (rows, columns) = (span(row, height), span(column, width))
        let count = Double(rows.count * columns.count)
        let means = 2 * (row * cells + column) * channels
        let deviations = means + channels
        func forEachLatent(_ body: (_ place: Int) -> Void) {
          for y in rows { for x in columns { body((y * width + x) * channels) } }
        }
        forEachLatent { place in
          for channel in 0..<channels {
            features[means + channel] += Double(latents[place + channel]) / count
          }
        }
        forEachLatent { place in
          for channel in 0..<channels {
            let difference = Double(latents[place + channel]) - features[means + channel]
            features[deviations + channel] += difference * difference / count
          }
        }
        for channel in 0..<channels {
          features[deviations + channel] = features[deviations + channel].squareRoot()
        }
      }
    }
    return features
  }
}
