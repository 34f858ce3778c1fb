import Formatting

/// Vectors and codes in a plane, for looking at.
public struct CodePlane: Sendable {
  /// A place in the plane.
  public struct Place: Sendable, Equatable {
    /// Along the first axis.
    public var x: Double
    /// Along the second axis.
    public var y: Double

    /// A place.
    public init(x: Double, y: Double) {
      self.x = x
      self.y = y
    }
  }

  /// A code.
  public struct Code: Sendable, Equatable {
    /// Where.
    public var place: Place
    /// How many tokens it stood for.
    public var uses: Int
  }

  /// Vectors shown at most.
  public static let vectorLimit = 1500
  /// Used codes shown at most, the most used ones; and as many unused ones.
  public static let codeLimit = 600

  /// Vectors before quantization.
  public let vectors: [Place]
  /// Codes; empty for finite scalar quantization, whose codes are the lattice.
  public let codes: [Code]
  /// Borders between levels along both axes; empty for a trained codebook.
  public let lattice: (x: [Double], y: [Double])
  /// The axes' names.
  public let axes: (x: String, y: String)
  /// What the plane is, in words.
  public let words: String

  /// The plane in which vectors and used codes vary most (principal components).
  ///
  /// - Parameters:
  ///   - vectors: `[n, dimension]`, one after another.
  ///   - codebook: `[K, dimension]`.
  ///   - counts: the tokens of each code.
  public init(vectors: [Float], codebook: [Float], dimension: Int, counts: [Int]) {
    precondition(
      dimension > 0 && codebook.count == counts.count * dimension, "a count for each code")
    let sample = Self.sample(vectors, dimension: dimension)
    let used = counts.indices.filter { counts[$0] > 0 }.sorted { counts[$0] > counts[$1] }
    let dead = counts.indices.filter { counts[$0] == 0 }
    let shownDead = Self.spread(dead, Self.codeLimit)
    let shown = Array(used.prefix(Self.codeLimit)) + shownDead
    let known = used.prefix(Self.codeLimit).flatMap {
      codebook[$0 * dimension..<($0 + 1) * dimension]
    }
    let plane = PrincipalPlane(sample + known, dimension: dimension)
    self.vectors = plane.places(sample)
    let placed = zip(
      plane.places(shown.flatMap { codebook[$0 * dimension..<($0 + 1) * dimension] }), shown
    ).map { Code(place: $0, uses: counts[$1]) }
    let view = View(around: self.vectors + placed.filter { $0.uses > 0 }.map(\.place))
    codes = placed.filter { $0.uses > 0 || view.holds($0.place) }
    let hidden = placed.count - codes.count
    lattice = ([], [])
    axes = ("first component", "second component")
    var words = "Grey: \(Display.count(self.vectors.count)) vectors before quantization. "
    words +=
      shown.count < counts.count
      ? "Discs: the \(Display.count(min(used.count, Self.codeLimit))) most used codes, area by use; "
        + "hollow: \(Display.count(shownDead.count)) of \(Display.count(dead.count)) unused ones. "
      : "Discs: codes, area by use; hollow: unused ones. "
    if hidden > 0 {
      words += "\(Display.count(hidden)) unused codes lie beyond the edges. "
    }
    words += "The plane explains \(NumberText.percent(plane.share)) of their variance."
    self.words = words
  }

  /// Vectors of finite scalar quantization on the scale of their levels: the two channels of the
  /// most levels, with the borders between levels.
  ///
  /// - Parameters:
  ///   - digits: `[n, levels.count]`, bounded values on the scale of the digit, `0...L - 1`.
  ///   - levels: of each channel.
  public init(digits: [Float], levels: [Int]) {
    precondition(!levels.isEmpty, "a channel at least")
    let sample = Self.sample(digits, dimension: levels.count)
    let order = levels.indices.sorted { (levels[$0], -$0) > (levels[$1], -$1) }
    let first = order[0]
    let second = order.count > 1 ? order[1] : nil
    vectors = stride(from: 0, to: sample.count, by: levels.count).map { start in
      Place(x: Double(sample[start + first]), y: second.map { Double(sample[start + $0]) } ?? 0)
    }
    codes = []
    func borders(_ count: Int) -> [Double] { (0..<max(1, count) - 1).map { Double($0) + 0.5 } }
    lattice = (borders(levels[first]), second.map { borders(levels[$0]) } ?? [])
    axes = ("level of channel \(first)", second.map { "level of channel \($0)" } ?? "nothing")
    words =
      "Grey: \(Display.count(vectors.count)) vectors, bounded but not yet rounded; lines are the "
      + "borders between levels, codes lie in the middle of the cells."
  }

  /// The rectangle that is looked at: all given places, and half as much around them.
  private struct View {
    private var (low, high) = (
      Place(x: .infinity, y: .infinity), Place(x: -.infinity, y: -.infinity)
    )

    init(around places: [Place]) {
      for place in places where place.x.isFinite && place.y.isFinite {
        low = Place(x: min(low.x, place.x), y: min(low.y, place.y))
        high = Place(x: max(high.x, place.x), y: max(high.y, place.y))
      }
    }

    func holds(_ place: Place) -> Bool {
      let margin = max(high.x - low.x, high.y - low.y) / 2
      return place.x >= low.x - margin && place.x <= high.x + margin && place.y >= low.y - margin
        && place.y <= high.y + margin
    }
  }

  private static func sample(_ vectors: [Float], dimension: Int) -> [Float] {
    let count = vectors.count / dimension
    return spread(Array(0..<count), vectorLimit).flatMap {
      vectors[$0 * dimension..<($0 + 1) * dimension]
    }
  }

  /// At most so many of a list, spread evenly over it.
  private static func spread(_ list: [Int], _ limit: Int) -> [Int] {
    guard list.count > limit else { return list }
    return (0..<limit).map { list[$0 * list.count / limit] }
  }
}

/// The plane through the mean of vectors in which they vary most.
///
/// The two leading eigenvectors of the covariance by power iteration; the second is kept orthogonal
/// to the first. Signs are chosen so that each axis's largest number is positive, so that one set of
/// vectors always looks the same.
struct PrincipalPlane {
  /// The mean.
  let centre: [Double]
  /// Two directions of length 1, or of length 0 where nothing varies.
  let axes: [[Double]]
  /// The part of the variance that lies in the plane, 0...1.
  let share: Double

  private let dimension: Int

  /// The plane of vectors that lie one after another; those not finite are skipped.
  init(_ vectors: [Float], dimension: Int) {
    self.dimension = dimension
    let rows = stride(from: 0, to: vectors.count - vectors.count % dimension, by: dimension)
      .filter { start in vectors[start..<start + dimension].allSatisfy(\.isFinite) }
    var centre = [Double](repeating: 0, count: dimension)
    for start in rows {
      for channel in 0..<dimension { centre[channel] += Double(vectors[start + channel]) }
    }
    let count = Double(max(1, rows.count))
    centre = centre.map { $0 / count }
    let deviations = rows.map { start in
      (0..<dimension).map { Double(vectors[start + $0]) - centre[$0] }
    }
    let total = deviations.reduce(0) { $0 + $1.reduce(0) { $0 + $1 * $1 } }
    let first = Self.leading(deviations, dimension: dimension, orthogonalTo: nil)
    let second = Self.leading(deviations, dimension: dimension, orthogonalTo: first)
    func energy(_ axis: [Double]) -> Double {
      deviations.reduce(0) { sum, row in
        let part = Self.dot(row, axis)
        return sum + part * part
      }
    }
    self.centre = centre
    axes = [first, second]
    share = total > 0 ? min(1, (energy(first) + energy(second)) / total) : 0
  }

  /// Where vectors lie in the plane.
  func places(_ vectors: [Float]) -> [CodePlane.Place] {
    stride(from: 0, to: vectors.count - vectors.count % dimension, by: dimension).map { start in
      let row = (0..<dimension).map { Double(vectors[start + $0]) - centre[$0] }
      return .init(x: Self.dot(row, axes[0]), y: Self.dot(row, axes[1]))
    }
  }

  private static func leading(
    _ rows: [[Double]], dimension: Int, orthogonalTo other: [Double]?
  ) -> [Double] {
    func cleaned(_ vector: [Double]) -> [Double] {
      guard let other else { return vector }
      let part = dot(vector, other)
      return zip(vector, other).map { $0 - part * $1 }
    }
    // No coordinate of the start is zero, nor are two alike.
    var axis = normalized(cleaned((0..<dimension).map { 1 + 0.1 * Double($0 % 7) }))
    if axis.allSatisfy({ $0 == 0 }) {
      axis = normalized(cleaned((0..<dimension).map { $0.isMultiple(of: 2) ? 1 : -0.5 }))
    }
    for _ in 0..<60 {
      var next = [Double](repeating: 0, count: dimension)
      for row in rows {
        let part = dot(row, axis)
        for channel in 0..<dimension { next[channel] += part * row[channel] }
      }
      let moved = normalized(cleaned(next))
      let change = dot(moved, axis)
      axis = moved
      if change > 1 - 1e-12 { break }
    }
    let largest = axis.max { $0.magnitude < $1.magnitude } ?? 1
    return largest < 0 ? axis.map { -$0 } : axis
  }

  private static func normalized(_ vector: [Double]) -> [Double] {
    let length = dot(vector, vector).squareRoot()
    return length > 1e-300 ? vector.map { $0 / length } : vector.map { _ in 0 }
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
