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
    var words = "Grey: \(NumberText.count(self.vectors.count)) vectors before quantization. "
    words +=
      shown.count < counts.count
      ? "Discs: the \(NumberText.count(min(used.count, Self.codeLimit))) most used codes, area by use; "
        + "hollow: \(NumberText.count(shownDead.count)) of \(NumberText.count(dead.count)) unused ones. "
      : "Discs: codes, area by use; hollow: unused ones. "
    if hidden > 0 {
      words += "\(NumberText.count(hidden)) unused codes lie beyond the edges. "
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
      "Grey: \(NumberText.count(vectors.count)) vectors, bounded but not yet rounded; lines are the "
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
