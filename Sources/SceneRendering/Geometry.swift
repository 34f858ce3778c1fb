// MARK: - Vectors

/// A point, a direction or a colour of three components.
typealias Vector = SIMD3<Float>

/// The inner product.
@inline(__always) func dot(_ a: Vector, _ b: Vector) -> Float {
  a.x * b.x + a.y * b.y + a.z * b.z
}

/// The vector at right angles to both.
@inline(__always) func cross(_ a: Vector, _ b: Vector) -> Vector {
  Vector(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
}

/// The vector of length 1 in the same direction.
@inline(__always) func normalized(_ a: Vector) -> Vector {
  a * (1 / dot(a, a).squareRoot())
}

/// A straight line from one value to another.
@inline(__always) func mix(_ a: Vector, _ b: Vector, _ share: Float) -> Vector {
  a + (b - a) * share
}

/// `value` kept between 0 and 1.
@inline(__always) func unit(_ value: Float) -> Float {
  max(0, min(1, value))
}

/// Rises smoothly from 0 at `low` to 1 at `high`.
@inline(__always) func smooth(_ low: Float, _ high: Float, _ value: Float) -> Float {
  let t = unit((value - low) / (high - low))
  return t * t * (3 - 2 * t)
}

/// Sine and cosine of an angle in degrees, the same bits on every platform.
///
/// The angle is brought to within 45 degrees of a quarter turn, where seven terms of the series
/// are exact to single precision. Mathematical libraries differ in the last bits, and a data set
/// should not depend on whose library rendered it.
func sineCosine(degrees: Double) -> (sine: Float, cosine: Float) {
  let quarter = (degrees / 90).rounded()
  let x = (degrees - quarter * 90) * (Double.pi / 180)
  let square = x * x
  var sine = 0.0
  var cosine = 0.0
  var order = 14.0
  while order > 0 {
    cosine = 1 - cosine * square / (order * (order - 1))
    sine = 1 - sine * square / (order * (order + 1))
    order -= 2
  }
  sine *= x
  switch Int(quarter) & 3 {
  case 0: return (Float(sine), Float(cosine))
  case 1: return (Float(cosine), Float(-sine))
  case 2: return (Float(-sine), Float(-cosine))
  default: return (Float(-cosine), Float(sine))
  }
}

// MARK: - Rays and solids

/// A half-line from an origin in a direction of length 1.
struct Ray {
  var origin: Vector
  var direction: Vector

  @inline(__always) func point(at distance: Float) -> Vector { origin + direction * distance }
}

/// Where a ray meets a solid: how far along, and which way the surface faces.
struct Hit {
  var distance: Float
  var normal: Vector
}

/// The points on the inner side of a plane: those p whose product with the normal is <= offset.
struct Plane {
  var normal: Vector
  var offset: Float
}

/// One solid made ready for rays: round ones by their equations, flat ones by their planes.
struct Body {
  enum Kind { case sphere, cylinder, cone, capsule, planes }

  var kind: Kind
  /// The middle of the footprint on the floor, or the centre of a sphere.
  var base: Vector
  var radius: Float
  var height: Float
  /// Which of the scene's planes bound it.
  var planes: Range<Int>
  /// A sphere around all of it.
  var boundCentre: Vector
  var boundRadius: Float
  /// What it looks like.
  var colour: Vector
  var highlight: Float
  var halvings: Int
  var reflection: Float

  /// Whether the ray passes through the sphere around the body.
  @inline(__always) func isNear(_ ray: Ray) -> Bool {
    let way = boundCentre - ray.origin
    let along = dot(way, ray.direction)
    let apart = dot(way, way) - along * along
    return apart < boundRadius * boundRadius && along > -boundRadius
  }

  /// The first point at which the ray enters the body from outside, if any.
  func hit(_ ray: Ray, _ planes: UnsafeBufferPointer<Plane>) -> Hit? {
    guard isNear(ray) else { return nil }
    switch kind {
    case .sphere: return Self.sphere(ray, base, radius)
    case .cylinder: return cylinder(ray)
    case .cone: return cone(ray)
    case .capsule: return capsule(ray)
    case .planes: return polyhedron(ray, planes)
    }
  }

  private static func sphere(_ ray: Ray, _ centre: Vector, _ radius: Float) -> Hit? {
    let way = ray.origin - centre
    let b = dot(way, ray.direction)
    let square = b * b - dot(way, way) + radius * radius
    guard square > 0 else { return nil }
    let distance = -b - square.squareRoot()
    guard distance > 0 else { return nil }
    return Hit(distance: distance, normal: (ray.point(at: distance) - centre) / radius)
  }

  /// The smaller root of the vertical cylinder's equation in x and z.
  @inline(__always) private func wall(_ ray: Ray) -> Float? {
    let way = ray.origin - base
    let d = ray.direction
    let a = d.x * d.x + d.z * d.z
    let b = way.x * d.x + way.z * d.z
    let square = b * b - a * (way.x * way.x + way.z * way.z - radius * radius)
    guard square > 0, a > 1e-8 else { return nil }
    return (-b - square.squareRoot()) / a
  }

  private func cylinder(_ ray: Ray) -> Hit? {
    if ray.direction.y < 0 {
      let distance = (height - ray.origin.y) / ray.direction.y
      if distance > 0 {
        let p = ray.point(at: distance) - base
        if p.x * p.x + p.z * p.z <= radius * radius {
          return Hit(distance: distance, normal: Vector(0, 1, 0))
        }
      }
    }
    guard let distance = wall(ray), distance > 0 else { return nil }
    let p = ray.point(at: distance) - base
    guard p.y >= 0, p.y <= height else { return nil }
    return Hit(distance: distance, normal: Vector(p.x, 0, p.z) / radius)
  }

  private func cone(_ ray: Ray) -> Hit? {
    // x^2 + z^2 = slope^2 (height - y)^2, seen from the tip.
    let slope = radius / height
    let way = ray.origin - base - Vector(0, height, 0)
    let d = ray.direction
    let k = slope * slope
    let a = d.x * d.x + d.z * d.z - k * d.y * d.y
    let b = way.x * d.x + way.z * d.z - k * way.y * d.y
    let c = way.x * way.x + way.z * way.z - k * way.y * way.y
    let square = b * b - a * c
    guard square > 0, abs(a) > 1e-8 else { return nil }
    let root = square.squareRoot()
    // The equation has a second cone above the tip, so each root is checked for its height.
    let first = (-b - root) / a
    let second = (-b + root) / a
    return flank(ray, way, k, min(first, second)) ?? flank(ray, way, k, max(first, second))
  }

  /// The cone's flank at one root of its equation, if the ray enters there.
  @inline(__always) private func flank(
    _ ray: Ray, _ way: Vector, _ k: Float, _ distance: Float
  ) -> Hit? {
    guard distance > 0 else { return nil }
    let p = way + ray.direction * distance
    guard p.y <= 0, p.y >= -height else { return nil }
    let normal = normalized(Vector(p.x, -k * p.y, p.z))
    return dot(normal, ray.direction) < 0 ? Hit(distance: distance, normal: normal) : nil
  }

  private func capsule(_ ray: Ray) -> Hit? {
    if let distance = wall(ray), distance > 0 {
      let p = ray.point(at: distance) - base
      if p.y >= radius, p.y <= height - radius {
        return Hit(distance: distance, normal: Vector(p.x, 0, p.z) / radius)
      }
    }
    let low = Self.sphere(ray, base + Vector(0, radius, 0), radius)
    let high = Self.sphere(ray, base + Vector(0, height - radius, 0), radius)
    guard let low else { return high }
    guard let high else { return low }
    return low.distance < high.distance ? low : high
  }

  private func polyhedron(_ ray: Ray, _ all: UnsafeBufferPointer<Plane>) -> Hit? {
    var near: Float = 0
    var far = Float.infinity
    var normal = Vector.zero
    for index in planes {
      let plane = all[index]
      let speed = dot(plane.normal, ray.direction)
      let room = plane.offset - dot(plane.normal, ray.origin)
      if abs(speed) < 1e-7 {
        if room < 0 { return nil }
      } else if speed < 0 {
        let distance = room / speed
        if distance > near {
          near = distance
          normal = plane.normal
        }
      } else {
        far = min(far, room / speed)
      }
      if near > far { return nil }
    }
    return near > 0 ? Hit(distance: near, normal: normal) : nil
  }
}

/// The bodies of a scene and the planes that the flat ones share.
struct Bodies {
  var all: [Body] = []
  var planes: [Plane] = []

  init(_ scene: Scene) {
    for solid in scene.solids { add(solid) }
  }

  private mutating func add(_ solid: Scene.Solid) {
    let base = Vector(Float(solid.x), 0, Float(solid.z))
    let radius = Float(solid.radius)
    let height = Float(solid.height)
    let first = planes.count
    var kind = Body.Kind.planes
    var body = base
    switch solid.shape {
    case .sphere:
      kind = .sphere
      body.y = radius
    case .dome: kind = .sphere
    case .cylinder: kind = .cylinder
    case .cone: kind = .cone
    case .capsule: kind = .capsule
    case .box: addSides(4, base, radius, turn: solid.turn, top: height)
    case .prism: addSides(6, base, radius, turn: solid.turn, top: height)
    case .pyramid: addSides(4, base, radius, turn: solid.turn, tip: height)
    case .wedge:
      addSides(4, base, radius, turn: solid.turn, top: height)
      // A ramp that rises from the middle of one side's foot to the opposite side's top.
      let (sine, cosine) = sineCosine(degrees: solid.turn)
      let side = radius * Float(0.5).squareRoot()
      let slope = normalized(Vector(cosine * height, 2 * side, sine * height))
      let foot = base + Vector(cosine, 0, sine) * side
      planes.append(Plane(normal: slope, offset: dot(slope, foot)))
    }
    let middle = base + Vector(0, height / 2, 0)
    let reach: Float =
      switch solid.shape {
      case .sphere, .dome: radius
      case .capsule: height / 2
      default: (radius * radius + height * height / 4).squareRoot()
      }
    let surface = Self.surface(solid.finish)
    all.append(
      Body(
        kind: kind, base: body, radius: radius, height: height, planes: first..<planes.count,
        boundCentre: kind == .sphere ? body : middle, boundRadius: reach * 1.001,
        colour: linear(solid.colour.code), highlight: surface.highlight,
        halvings: surface.halvings, reflection: surface.reflection))
  }

  /// Strength and narrowness of the highlight (its exponent is 2^halvings), and how much of the
  /// surroundings is mirrored at a flat view.
  private static func surface(
    _ finish: Scene.Finish
  ) -> (highlight: Float, halvings: Int, reflection: Float) {
    switch finish {
    case .matte: (0, 0, 0)
    case .satin: (0.28, 4, 0.12)
    case .polished: (0.9, 6, 0.4)
    }
  }

  /// The sides of a regular polygon of `count` corners, straight up to `top` or slanted to `tip`.
  private mutating func addSides(
    _ count: Int, _ base: Vector, _ radius: Float, turn: Double, top: Float? = nil,
    tip: Float? = nil
  ) {
    let apothem = radius * sineCosine(degrees: 180 / Double(count)).cosine
    for index in 0..<count {
      let (sine, cosine) = sineCosine(degrees: turn + 360 * Double(index) / Double(count))
      let lean = tip.map { apothem / $0 } ?? 0
      let normal = normalized(Vector(cosine, lean, sine))
      let foot = base + Vector(cosine, 0, sine) * apothem
      planes.append(Plane(normal: normal, offset: dot(normal, foot)))
    }
    if let top { planes.append(Plane(normal: Vector(0, 1, 0), offset: top)) }
    planes.append(Plane(normal: Vector(0, -1, 0), offset: 0))
  }
}
