import Randomness

/// Everything that an image shows: the known factors behind its pixels.
///
/// Lengths are in the units of the scene (a solid is about one unit tall), y points up, the floor
/// is y = 0, and the camera looks along +z. Angles are in degrees. All numbers have at most three
/// decimals, so that the factors read well as text and survive it exactly.
public struct Scene: Codable, Sendable, Equatable {
  /// The kinds of solids.
  public enum Shape: String, Codable, CaseIterable, Sendable {
    case sphere, dome, box, cylinder, cone, capsule, pyramid, prism, wedge
  }

  /// How light leaves a surface: with no, a broad, or a small and bright highlight.
  public enum Finish: String, Codable, CaseIterable, Sendable {
    case matte, satin, polished
  }

  /// One solid standing on the floor.
  public struct Solid: Codable, Sendable, Equatable {
    /// The kind of solid.
    public var shape: Shape
    /// Its colour.
    public var colour: SolidColour
    /// Its finish.
    public var finish: Finish
    /// Where it stands, to the right of the middle.
    public var x: Double
    /// Where it stands, away from the camera.
    public var z: Double
    /// Radius of the circle around its footprint.
    public var radius: Double
    /// Its height.
    public var height: Double
    /// How far it is turned about the vertical.
    public var turn: Double

    /// A solid with all its factors.
    public init(
      shape: Shape, colour: SolidColour, finish: Finish, x: Double, z: Double, radius: Double,
      height: Double, turn: Double
    ) {
      self.shape = shape
      self.colour = colour
      self.finish = finish
      self.x = x
      self.z = z
      self.radius = radius
      self.height = height
      self.turn = turn
    }
  }

  /// The patterns of floors.
  public enum Pattern: String, Codable, CaseIterable, Sendable {
    case checker, planks, clouds, stripes, tiles, dots
  }

  /// The floor.
  public struct Floor: Codable, Sendable, Equatable {
    /// Its pattern.
    public var pattern: Pattern
    /// Its two colours.
    public var colour: FloorColour
    /// Size of one period of the pattern.
    public var scale: Double
    /// How far the pattern is turned.
    public var turn: Double

    /// A floor with all its factors.
    public init(pattern: Pattern, colour: FloorColour, scale: Double, turn: Double) {
      self.pattern = pattern
      self.colour = colour
      self.scale = scale
      self.turn = turn
    }
  }

  /// The one light.
  public struct Light: Codable, Sendable, Equatable {
    /// Where it comes from: 0 is behind the camera, positive is to its right.
    public var azimuth: Double
    /// How high it stands above the floor.
    public var elevation: Double
    /// Radius of its disc; the larger, the softer the shadows.
    public var softness: Double
    /// How warm it is: 0 is cool, 1 is golden.
    public var warmth: Double

    /// A light with all its factors.
    public init(azimuth: Double, elevation: Double, softness: Double, warmth: Double) {
      self.azimuth = azimuth
      self.elevation = elevation
      self.softness = softness
      self.warmth = warmth
    }
  }

  /// The camera; it looks at the middle of the scene.
  public struct Camera: Codable, Sendable, Equatable {
    /// Its way around the scene: positive is to the right.
    public var azimuth: Double
    /// How far above the floor it looks from, as an angle.
    public var elevation: Double
    /// Its distance to the middle of the scene.
    public var distance: Double
    /// The angle that its picture spans.
    public var span: Double

    /// A camera with all its factors.
    public init(azimuth: Double, elevation: Double, distance: Double, span: Double) {
      self.azimuth = azimuth
      self.elevation = elevation
      self.distance = distance
      self.span = span
    }
  }

  /// One to three solids that do not touch.
  public var solids: [Solid]
  /// The floor they stand on.
  public var floor: Floor
  /// What is behind them.
  public var backdrop: Backdrop
  /// The light.
  public var light: Light
  /// The camera.
  public var camera: Camera

  /// A scene with all its factors.
  public init(solids: [Solid], floor: Floor, backdrop: Backdrop, light: Light, camera: Camera) {
    self.solids = solids
    self.floor = floor
    self.backdrop = backdrop
    self.light = light
    self.camera = camera
  }
}

// MARK: - Colours

/// The colours that a solid may have.
public enum SolidColour: String, Codable, CaseIterable, Sendable {
  case coral, tangerine, amber, lime, emerald, teal, azure, indigo, violet, rose, ivory, charcoal

  /// The colour as 0xRRGGBB.
  public var code: UInt32 {
    switch self {
    case .coral: 0xF0564A
    case .tangerine: 0xF58A2C
    case .amber: 0xF7C62F
    case .lime: 0xA3CE3E
    case .emerald: 0x2FA866
    case .teal: 0x1FA5A3
    case .azure: 0x3C9BE8
    case .indigo: 0x4355C4
    case .violet: 0x8E55C7
    case .rose: 0xEE7FA8
    case .ivory: 0xF3EBDA
    case .charcoal: 0x3A3F4A
    }
  }
}

/// The pairs of colours that a floor's pattern alternates between.
public enum FloorColour: String, Codable, CaseIterable, Sendable {
  case oak, walnut, sand, terracotta, slate, sage, marble, plum, harbour, graphite

  /// The lighter and the darker colour as 0xRRGGBB.
  public var codes: (light: UInt32, dark: UInt32) {
    switch self {
    case .oak: (0xD9B382, 0xB98A56)
    case .walnut: (0x9A6B47, 0x6B4630)
    case .sand: (0xEBDDC0, 0xCDB68C)
    case .terracotta: (0xDB9070, 0xA9573D)
    case .slate: (0xA9B4C0, 0x66737F)
    case .sage: (0xC3D0B0, 0x7E9678)
    case .marble: (0xF2EFEA, 0x8C8A8D)
    case .plum: (0xC9A9BE, 0x7A4F71)
    case .harbour: (0xA5CBD6, 0x38708A)
    case .graphite: (0x8B8E96, 0x3D4048)
    }
  }
}

/// What stands behind the scene: five painted walls and five skies.
public enum Backdrop: String, Codable, CaseIterable, Sendable {
  case linenWall, mintWall, blushWall, blueWall, ochreWall
  case noonSky, dawnSky, duskSky, mistSky, nightSky

  /// Whether it is a wall that takes shadows, not a sky.
  public var isWall: Bool {
    switch self {
    case .linenWall, .mintWall, .blushWall, .blueWall, .ochreWall: true
    case .noonSky, .dawnSky, .duskSky, .mistSky, .nightSky: false
    }
  }

  /// The colours above and below (a sky's is the horizon) as 0xRRGGBB.
  public var codes: (top: UInt32, bottom: UInt32) {
    switch self {
    case .linenWall: (0xEDE3D2, 0xD9CBB4)
    case .mintWall: (0xCDE6D8, 0xAFD3C2)
    case .blushWall: (0xF0C9C0, 0xDDA69C)
    case .blueWall: (0xA4C4E6, 0x86ABD6)
    case .ochreWall: (0xF0CF88, 0xDDB060)
    case .noonSky: (0x5AA6EC, 0xCFE8F6)
    case .dawnSky: (0x8FB4E4, 0xFBDCC0)
    case .duskSky: (0x6A5FA3, 0xF2B79A)
    case .mistSky: (0xA8B6C2, 0xE2E6E6)
    case .nightSky: (0x141B3C, 0x3F5187)
    }
  }
}

/// A colour code in the space the light is added up in: the square of the stored value, a close
/// stand-in for the sRGB curve that every platform computes alike.
func linear(_ code: UInt32) -> Vector {
  let stored =
    Vector(
      Float(code >> 16 & 255), Float(code >> 8 & 255), Float(code & 255)) / 255
  return stored * stored
}

// MARK: - Drawing scenes at random

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
