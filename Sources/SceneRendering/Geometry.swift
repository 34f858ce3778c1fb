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
