import Randomness

extension Scene {
  /// A random scene: every factor drawn from `random`, the solids placed apart from each other.
  public init(random: inout Generator) {
    camera = Camera(
      azimuth: random.rounded(in: -22..<22), elevation: random.rounded(in: 11..<27),
      distance: random.rounded(in: 5.9..<6.9), span: random.rounded(in: 32..<37))
    let side = random.bernoulli(0.5) ? 1.0 : -1.0
    light = Light(
      azimuth: side * random.rounded(in: 38..<82), elevation: random.rounded(in: 34..<56),
      softness: random.rounded(in: 0.04..<0.11), warmth: random.rounded(in: 0..<1))
    backdrop = random.member(Backdrop.allCases)
    floor = Floor(
      pattern: random.member(Pattern.allCases), colour: random.member(FloorColour.allCases),
      scale: random.rounded(in: 0.75..<1.35), turn: random.rounded(in: 0..<90))

    let wanted = 1 + random.integer(below: 3)
    solids = []
    var colours = SolidColour.allCases
    // A place that is taken is drawn again; a scene too full to place the last solid in is left
    // with fewer, so the loop is bounded.
    for _ in 0..<60 where solids.count < wanted {
      let solid = Solid(among: colours, crowd: wanted, random: &random)
      let isApart = solids.allSatisfy { other in
        let x = solid.x - other.x
        let z = solid.z - other.z
        let gap = solid.radius + other.radius + 0.06
        return x * x + z * z > gap * gap
      }
      guard isApart else { continue }
      solids.append(solid)
      colours.removeAll { $0 == solid.colour }
    }
  }
}

extension Scene.Solid {
  /// A random solid in one of `colours`, the smaller and the farther out the more there are.
  fileprivate init(among colours: [SolidColour], crowd: Int, random: inout Generator) {
    shape = random.member(Scene.Shape.allCases)
    colour = random.member(colours)
    finish = random.member(Scene.Finish.allCases)
    let size = random.rounded(in: crowd == 1 ? 0.7..<1.0 : 0.48..<0.8)
    let stretch = random.rounded(in: 0.85..<1.2)
    radius = size
    height =
      switch shape {
      case .sphere: 2 * size
      case .dome: size
      case .box: (1.25 * size * stretch).thousandths
      case .cylinder: (1.6 * size * stretch).thousandths
      case .cone, .pyramid: (2.1 * size * stretch).thousandths
      case .capsule: (2.9 * size * stretch).thousandths
      case .prism: (1.5 * size * stretch).thousandths
      case .wedge: (1.35 * size * stretch).thousandths
      }
    if shape == .capsule { radius = (0.62 * size).thousandths }
    height = height.thousandths
    let reach: Double = crowd == 1 ? 0.45 : 1.3
    x = random.rounded(in: -reach..<reach)
    z = random.rounded(in: -0.9 * reach..<0.8 * reach)
    turn = random.rounded(in: 0..<360)
  }
}

extension Double {
  /// The nearest number with three decimals.
  fileprivate var thousandths: Double { (self * 1000).rounded() / 1000 }
}

extension Generator {
  /// A number in the range, to three decimals.
  fileprivate mutating func rounded(in range: Range<Double>) -> Double {
    (range.lowerBound + uniformDouble() * (range.upperBound - range.lowerBound)).thousandths
  }

  /// One of the members, each equally likely.
  fileprivate mutating func member<Member>(_ members: [Member]) -> Member {
    members[integer(below: members.count)]
  }
}
