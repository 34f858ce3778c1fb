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
