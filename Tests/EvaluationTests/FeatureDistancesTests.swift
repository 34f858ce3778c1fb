import Evaluation
import Randomness
import Testing

@Suite("Distances of features")
struct FeatureDistancesTests {
  /// Vectors of independent normal numbers, mixed by a matrix: row i of the result is `mean + m x`.
  private static func normal(
    _ count: Int, _ dimension: Int, seed: UInt64, mean: Double = 0,
    mixedBy mix: ((_ row: Int, _ column: Int) -> Double)? = nil, rank: Int? = nil
  ) -> VectorSet {
    var random = Generator(seed: seed)
    var values: [Double] = []
    for _ in 0..<count {
      let numbers = (0..<(rank ?? dimension)).map { _ in Double(random.normal()) }
      values += (0..<dimension).map { row in
        guard let mix else { return mean + numbers[row] }
        return mean + numbers.indices.reduce(0) { $0 + mix(row, $1) * numbers[$1] }
      }
    }
    return VectorSet(dimension: dimension, values: values)
  }

  private static func squared(_ a: VectorSet, _ b: VectorSet) -> Double {
    FrechetDistance(from: .init(a, threads: 2), threads: 2).squared(to: .init(b, threads: 2))
  }

  private static func moments(_ mean: [Double], _ covariance: [Double]) -> FrechetDistance.Moments {
    .init(mean: mean, covariance: SymmetricMatrix(size: mean.count, elements: covariance))
  }

  // MARK: Moments

  @Test(
    "means, covariances and distances of pairs are those of the definition",
    arguments: [
      [2, 1], [5, 3], [40, 8], [33, 17], [70, 600],
    ])
  func moments(shape: [Int]) {
    let (count, dimension) = (shape[0], shape[1])
    let set = Self.normal(count, dimension, seed: 1, mean: 100)
    let covariance = set.covariance(threads: 3)
    let vectors = (0..<count).map { Array(set[$0]) }
    let mean = (0..<dimension).map { index in
      vectors.reduce(0) { $0 + $1[index] } / Double(count)
    }
    for (a, b) in zip(set.mean, mean) { #expect(abs(a - b) < 1e-11) }
    for row in stride(from: 0, to: dimension, by: max(1, dimension / 20)) {
      for column in stride(from: 0, to: dimension, by: max(1, dimension / 20)) {
        let sum = vectors.reduce(0) { $0 + ($1[row] - mean[row]) * ($1[column] - mean[column]) }
        #expect(abs(covariance[row, column] - sum / Double(count - 1)) < 1e-10)
      }
    }
    let other = Self.normal(7, dimension, seed: 2)
    let sums = ResultBuffer(count * 7, 0.0)
    set.forEachPair(.squaredDifferences, with: other, threads: 2) { vector, distances in
      for (index, distance) in distances.enumerated() { sums[vector * 7 + index] = distance }
    }
    for vector in 0..<count {
      for index in 0..<7 {
        let expected = zip(set[vector], other[index]).reduce(0) {
          $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
        }
        #expect(abs(sums[vector * 7 + index] - expected) < 1e-12 * expected)
      }
    }
  }

  @Test(
    "a factor gives back its matrix, with as many columns as the rank",
    arguments: [
      [1, 1], [6, 6], [20, 20], [20, 3],
    ])
  func factors(shape: [Int]) {
    let (size, rank) = (shape[0], shape[1])
    let set = Self.normal(
      60, size, seed: 4, mixedBy: { Double(($0 * 7 + $1 * 3) % 11) - 5 + ($0 == $1 ? 9 : 0) },
      rank: rank)
    let matrix = set.covariance(threads: 1)
    let columns = matrix.factor
    #expect(columns.count == rank)
    for row in 0..<size {
      for column in 0..<size {
        let sum = columns.reduce(0) { $0 + $1[row] * $1[column] }
        #expect(abs(sum - matrix[row, column]) < 1e-9 * matrix.trace)
      }
    }
    #expect(SymmetricMatrix(size: 2, elements: [0, 0, 0, 0]).factor.isEmpty)
  }

  // MARK: Fréchet distance

  @Test("one dimension: (m1 - m2)^2 + (s1 - s2)^2")
  func oneDimension() {
    let distance = FrechetDistance(from: Self.moments([1], [9]), threads: 1)
    #expect(abs(distance.squared(to: Self.moments([3], [16])) - (4 + 1)) < 1e-12)
  }

  @Test("diagonal covariances: the sum of one dimension each, though one is singular")
  func diagonal() {
    let a = Self.moments([1, 2, 3], [4, 0, 0, 0, 9, 0, 0, 0, 0])
    let b = Self.moments([1, 0, 0], [1, 0, 0, 0, 25, 0, 0, 0, 16])
    let expected = (0 + 1) + (4 + 4) + (9 + 16.0)
    for (one, other) in [(a, b), (b, a)] {
      let found = FrechetDistance(from: one, threads: 1).squared(to: other)
      #expect(abs(found - expected) < 1e-9, "\(found)")
    }
    let point = Self.moments([0, 0, 0], Array(repeating: 0, count: 9))
    #expect(FrechetDistance(from: point, threads: 1).squared(to: a) == 14 + 13)
    #expect(abs(FrechetDistance(from: a, threads: 1).squared(to: point) - 27) < 1e-12)
  }

  @Test("two dimensions: tr (C1 C2)^(1/2) = sqrt(tr C1 C2 + 2 sqrt(det C1 C2))")
  func twoDimensions() {
    let (p, q) = ([4.0, 1, 1, 3], [2.0, -0.5, -0.5, 5])
    let trace = p[0] * q[0] + 2 * p[1] * q[1] + p[3] * q[3]
    let determinant = (p[0] * p[3] - p[1] * p[1]) * (q[0] * q[3] - q[1] * q[1])
    let root = (trace + 2 * determinant.squareRoot()).squareRoot()
    let found = FrechetDistance(from: Self.moments([0, 0], p), threads: 1)
      .squared(to: Self.moments([1, 1], q))
    #expect(abs(found - (2 + 7 + 7 - 2 * root)) < 1e-12)
  }

  @Test("scaled sets of any dimension: |m|^2 (1 - s)^2 + tr C (1 - s)^2", arguments: [3, 40, 130])
  func scaled(dimension: Int) {
    let set = Self.normal(
      300, dimension, seed: 6, mean: 0.5, mixedBy: { 1 / Double(1 + abs($0 - $1)) })
    let scaled = VectorSet(
      dimension: dimension, values: (0..<set.count).flatMap { set[$0].map { 1.5 * $0 } })
    let squares = set.mean.reduce(0) { $0 + $1 * $1 } + set.covariance(threads: 2).trace
    let found = Self.squared(set, scaled)
    #expect(abs(found - 0.25 * squares) < 1e-9 * squares, "\(found)")
    #expect(abs(Self.squared(scaled, set) - found) < 1e-9 * squares)
    #expect(Self.squared(set, set) < 1e-10 * squares)
  }

  @Test("by the root itself: Newton's iteration for (C1 C2)^(1/2)", arguments: [4, 11])
  func twin(dimension: Int) {
    let a = Self.normal(
      200, dimension, seed: 7, mixedBy: { $0 == $1 ? 2 : 1 / Double(1 + $0 + $1) })
    let b = Self.normal(200, dimension, seed: 8, mean: 1)
    let (p, q) = (a.covariance(threads: 1), b.covariance(threads: 1))
    let n = dimension
    func product(_ x: [Double], _ y: [Double]) -> [Double] {
      (0..<n * n).map { index in
        (0..<n).reduce(0) { $0 + x[index / n * n + $1] * y[$1 * n + index % n] }
      }
    }
    func inverse(_ x: [Double]) -> [Double] {
      var x = x
      var y = (0..<n * n).map { $0 / n == $0 % n ? 1.0 : 0 }
      for pivot in 0..<n {
        let row = (pivot..<n).max { abs(x[$0 * n + pivot]) < abs(x[$1 * n + pivot]) }!
        for column in 0..<n {
          x.swapAt(row * n + column, pivot * n + column)
          y.swapAt(row * n + column, pivot * n + column)
        }
        let scale = x[pivot * n + pivot]
        for column in 0..<n {
          x[pivot * n + column] /= scale
          y[pivot * n + column] /= scale
        }
        for other in 0..<n where other != pivot {
          let weight = x[other * n + pivot]
          for column in 0..<n {
            x[other * n + column] -= weight * x[pivot * n + column]
            y[other * n + column] -= weight * y[pivot * n + column]
          }
        }
      }
      return y
    }
    // Denman and Beavers: y goes to the root.
    var y = product(p.elements, q.elements)
    var z = (0..<n * n).map { $0 / n == $0 % n ? 1.0 : 0 }
    for _ in 0..<40 {
      let (u, v) = (inverse(y), inverse(z))
      y = zip(y, v).map { ($0 + $1) / 2 }
      z = zip(z, u).map { ($0 + $1) / 2 }
    }
    let root = (0..<n).reduce(0) { $0 + y[$1 * n + $1] }
    let between = zip(a.mean, b.mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let expected = between + p.trace + q.trace - 2 * root
    let found = Self.squared(a, b)
    #expect(abs(found - expected) < 1e-9 * expected, "\(found), \(expected)")
    #expect(abs(Self.squared(b, a) - expected) < 1e-9 * expected)
  }

  @Test("fewer vectors than numbers: singular on both sides, 0 for equal sets, order is nothing")
  func deficient() {
    let (a, b) = (Self.normal(10, 30, seed: 1), Self.normal(12, 30, seed: 2, mean: 3))
    let trace = a.covariance(threads: 1).trace
    #expect(a.covariance(threads: 1).factor.count == 9)
    #expect(Self.squared(a, a) < 1e-7 * trace)
    let (there, back) = (Self.squared(a, b), Self.squared(b, a))
    #expect(there > 30 * 4 && abs(there - back) < 1e-7 * there, "\(there), \(back)")
    let turned = VectorSet(
      dimension: 30, values: (0..<12).reversed().flatMap { Array(b[$0]) })
    #expect(abs(Self.squared(a, turned) - there) < 1e-7 * there)
  }

  @Test("what cannot be squared is NaN, and ends")
  func tooLarge() {
    let huge = VectorSet(dimension: 2, values: [1e200, 0, -1e200, 1, 0, 1])
    let set = Self.normal(5, 2, seed: 1)
    #expect(Self.squared(huge, set).isNaN && Self.squared(set, huge).isNaN)
  }

  // MARK: Precision and recall

  @Test("on a line, by hand")
  func byHand() {
    // With one neighbour the radii are 1, 1, 4, 4, and the balls cover [-1, 14].
    let real = VectorSet(dimension: 1, values: [0, 1, 6, 10])
    let drawn = VectorSet(dimension: 1, values: [-1, 14, 14.5, -1.5])
    let found = PrecisionRecall(real: real, drawn: drawn, neighbours: 1, threads: 2)
    #expect(found.precision == 0.5)
    // Drawn balls reach 0.5 around each point: to no real one.
    #expect(found.recall == 0)
    // The second neighbour is on the other side.
    let wide = PrecisionRecall(real: real, drawn: drawn, neighbours: 2, threads: 1)
    #expect(wide.recall == 1)
  }

  /// By sorting all distances.
  private static func twin(_ real: VectorSet, _ drawn: VectorSet, _ k: Int) -> [Double] {
    func distance(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double {
      zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    func share(_ points: VectorSet, _ set: VectorSet) -> Double {
      let radii = (0..<set.count).map { index in
        (0..<set.count).filter { $0 != index }.map { distance(set[index], set[$0]) }.sorted()[k - 1]
      }
      let inside = (0..<points.count).count { point in
        (0..<set.count).contains { distance(points[point], set[$0]) <= radii[$0] }
      }
      return Double(inside) / Double(points.count)
    }
    return [share(drawn, real), share(real, drawn)]
  }

  @Test(
    "the shares of the definition, for unlike sizes, any threads, any order", arguments: [1, 3, 5])
  func definition(neighbours: Int) {
    for dimension in [1, 2, 9] {
      let real = Self.normal(70, dimension, seed: 1)
      let drawn = Self.normal(45, dimension, seed: 2, mean: 1)
      let expected = Self.twin(real, drawn, neighbours)
      for threads in [1, 3] {
        let found = PrecisionRecall(
          real: real, drawn: drawn, neighbours: neighbours, threads: threads)
        #expect([found.precision, found.recall] == expected)
      }
      let swapped = PrecisionRecall(real: drawn, drawn: real, neighbours: neighbours, threads: 2)
      #expect([swapped.recall, swapped.precision] == expected)
      let turned = VectorSet(
        dimension: dimension, values: (0..<45).reversed().flatMap { Array(drawn[$0]) })
      let found = PrecisionRecall(real: real, drawn: turned, neighbours: neighbours, threads: 2)
      #expect([found.precision, found.recall] == expected)
    }
  }

  @Test("equal sets, also of one point only: 1 and 1; sets far apart: 0 and 0")
  func ends() {
    let set = Self.normal(50, 4, seed: 3)
    let equal = PrecisionRecall(real: set, drawn: set, threads: 2)
    #expect(equal.precision == 1 && equal.recall == 1)
    let point = VectorSet(dimension: 3, values: Array(repeating: 0.1, count: 3 * 9))
    let same = PrecisionRecall(real: point, drawn: point, threads: 2)
    #expect(same.precision == 1 && same.recall == 1)
    let far = PrecisionRecall(real: set, drawn: Self.normal(50, 4, seed: 4, mean: 100), threads: 2)
    #expect(far.precision == 0 && far.recall == 0)
    // One real point, drawn again and again: precise, and recalls next to nothing.
    let narrow = VectorSet(
      dimension: 4, values: (0..<50).flatMap { _ in Array(set[7]) })
    let found = PrecisionRecall(real: set, drawn: narrow, threads: 2)
    #expect(found.precision == 1 && found.recall == 1.0 / 50)
  }

  // MARK: Cells of latents

  @Test("as many cells as fit")
  func cells() {
    func cells(_ channels: Int, _ height: Int, _ width: Int) -> Int {
      GridMoments(channels: channels, height: height, width: width).cells
    }
    #expect(cells(4, 16, 16) == 4 && cells(5, 8, 8) == 2 && cells(4, 7, 8) == 2)
    #expect(cells(16, 8, 8) == 2 && cells(17, 8, 8) == 1 && cells(4, 3, 9) == 1)
    #expect(GridMoments(channels: 4, height: 8, width: 8).dimension == 128)
    #expect(GridMoments(channels: 200, height: 8, width: 8).dimension == 400)
  }

  @Test("means and deviations of cells; a row between two cells counts in both")
  func gridMoments() {
    // Places of a 4x4 grid in one of 16 channels: 0, 1, 4, 5 in the first of 2x2 cells.
    let even = GridMoments(channels: 16, height: 4, width: 4)
    func latents(_ places: Int, channel: Int) -> [Float] {
      var latents = [Float](repeating: 0, count: places * 16)
      for place in 0..<places { latents[place * 16 + channel] = Float(place) }
      return latents
    }
    let found = even.features(of: latents(16, channel: 0), height: 4, width: 4)
    #expect([found[0], found[32], found[64], found[96]] == [2.5, 4.5, 10.5, 12.5])
    let deviation = ((2.5 * 2.5 + 1.5 * 1.5) / 2).squareRoot()
    for cell in 0..<4 { #expect(abs(found[32 * cell + 16] - deviation) < 1e-12) }
    #expect(found[1] == 0 && found[17] == 0 && found.count == 128)
    // 5x4 places: the third row is in the cells above and below.
    let odd = even.features(of: latents(20, channel: 5), height: 5, width: 4)
    for (found, expected) in zip([odd[5], odd[37], odd[69], odd[101]], [4.5, 6.5, 12.5, 14.5]) {
      #expect(abs(found - expected) < 1e-12)
    }
  }
}
