/// What does not depend on the ray: the lamp, the surroundings, the floor and the wall.
struct Stage {
  /// Which sixteenth of the disc, from its middle to its rim, each ray looks at: rays that are
  /// neighbours look at distant parts.
  private static let order = [0, 10, 5, 15, 6, 12, 3, 9, 11, 1, 14, 4, 13, 7, 8, 2]
  /// The directions to sixteen points of the light's disc, one for each ray of a pixel.
  let lamps: [Vector]
  let lampColour: Vector
  let top: Vector
  let bottom: Vector
  let isWall: Bool
  let texture: FloorTexture
  /// The surroundings straight above and straight below.
  private let above: Vector
  private let below: Vector
  /// Where the wall stands.
  let wallZ: Float = 2.9
  let wallHeight: Float = 4.5

  init(_ scene: Scene) {
    texture = FloorTexture(scene.floor)
    top = linear(scene.backdrop.codes.top)
    bottom = linear(scene.backdrop.codes.bottom)
    isWall = scene.backdrop.isWall
    let strength: Float = isWall ? 0.62 : 0.72
    above = mix(Vector(repeating: 0.34), mix(top, bottom, 0.5), 0.35) * strength
    below = texture.mean * (0.5 * strength)
    let (sine, cosine) = sineCosine(degrees: scene.light.azimuth)
    let (rise, level) = sineCosine(degrees: scene.light.elevation)
    let middle = Vector(sine * level, rise, -cosine * level)
    let across = normalized(cross(Vector(0, 1, 0), middle))
    let up = cross(middle, across)
    // Points spread evenly over a disc: the radius grows as the root, the angle by the golden one.
    lamps = Self.order.map { index in
      let share = ((Float(index) + 0.5) / 16).squareRoot() * Float(scene.light.softness)
      let (s, c) = sineCosine(degrees: 137.50776 * Double(index))
      return normalized(middle + (across * c + up * s) * share)
    }
    let warm = Float(scene.light.warmth)
    lampColour = mix(Vector(0.94, 0.98, 1.06), Vector(1.12, 0.97, 0.76), warm) * 0.92
  }

  /// The light of the surroundings that reaches a surface facing upwards by `rise` (-1 to 1).
  func surroundings(_ rise: Float) -> Vector {
    mix(below, above, 0.5 + 0.5 * rise)
  }

  /// What a ray that meets nothing sees.
  func sky(_ rise: Float) -> Vector { mix(bottom, top, smooth(-0.02, 0.2, rise)) }
}

/// Follows rays through one scene.
struct Tracer {
  let stage: Stage
  let bodies: UnsafeBufferPointer<Body>
  let planes: UnsafeBufferPointer<Plane>
  let footprint: Float

  /// The light that comes back along a ray from the camera.
  func light(along ray: Ray, lamp: Vector, _ nearby: inout Nearby) -> Vector {
    var nearest: Hit?
    var index = -1
    for candidate in bodies.indices {
      guard let hit = bodies[candidate].hit(ray, planes),
        hit.distance < nearest?.distance ?? .infinity
      else { continue }
      nearest = hit
      index = candidate
    }
    if let nearest, ray.point(at: nearest.distance).y > 0 {
      return solid(ray, nearest, index, lamp, &nearby)
    }
    return surroundings(ray, lamp, &nearby)
  }

  private func solid(
    _ ray: Ray, _ hit: Hit, _ index: Int, _ lamp: Vector, _ nearby: inout Nearby
  ) -> Vector {
    let body = bodies[index]
    let point = ray.point(at: hit.distance)
    let lit = lighting(point, hit.normal, lamp, surface: index, &nearby)
    var light = body.colour * (lit.ambient + lit.direct)
    if body.highlight > 0 {
      var gleam = max(0, dot(hit.normal, normalized(lamp - ray.direction)))
      for _ in 0..<body.halvings { gleam *= gleam }
      light += stage.lampColour * (lit.isSeen ? body.highlight * gleam : 0)
      // Schlick's rise towards the rim, over a mirror of the sky or the floor.
      let facing = -dot(hit.normal, ray.direction)
      let rim = 1 - unit(facing)
      let share = body.reflection * (0.12 + 0.88 * rim * rim * rim)
      let away = ray.direction + hit.normal * (2 * facing)
      let mirrored =
        away.y > 0 ? mix(stage.bottom, stage.top, unit(away.y)) : stage.texture.mean * 0.8
      light = mix(light, mirrored, share)
    }
    return light
  }

  private func surroundings(_ ray: Ray, _ lamp: Vector, _ nearby: inout Nearby) -> Vector {
    let down = ray.direction.y < -1e-4 ? -ray.origin.y / ray.direction.y : Float.infinity
    if stage.isWall {
      let ahead =
        ray.direction.z > 1e-4 ? (stage.wallZ - ray.origin.z) / ray.direction.z : .infinity
      if ahead < down {
        let point = ray.point(at: ahead)
        let rise = point.y / stage.wallHeight
        let lit = lighting(point, Vector(0, 0, -1), lamp, surface: Nearby.wall, &nearby)
        let skirting: Float = point.y < 0.16 ? 0.72 : 1
        // The corner between wall and floor gathers less light.
        let corner = 0.72 + 0.28 * unit(point.y / 0.7)
        let paint = mix(stage.bottom, stage.top, unit(rise * 1.6)) * skirting
        return paint * (lit.ambient * 1.75 * corner + lit.direct * 1.35)
      }
    }
    guard down < .infinity else { return stage.sky(ray.direction.y) }
    let point = ray.point(at: down)
    let colour = stage.texture.colour(
      x: point.x, z: point.z, footprint: footprint * down / -ray.direction.y)
    let lit = lighting(point, Vector(0, 1, 0), lamp, surface: Nearby.floor, &nearby)
    if stage.isWall {
      let corner = 0.7 + 0.3 * unit((stage.wallZ - point.z) / 0.8)
      return colour * (lit.ambient * corner + lit.direct)
    }
    // Haze: far floor fades into the horizon.
    return mix(colour * (lit.ambient + lit.direct), stage.bottom, 0.92 * smooth(9, 38, down))
  }

  /// The light that falls on a point, and whether it sees the lamp.
  private func lighting(
    _ point: Vector, _ normal: Vector, _ lamp: Vector, surface: Int, _ nearby: inout Nearby
  ) -> (ambient: Vector, direct: Vector, isSeen: Bool) {
    if nearby.surface != surface { nearby = self.nearby(point, normal, surface: surface) }
    let ambient = stage.surroundings(normal.y) * nearby.open + nearby.cast
    let cosine = dot(normal, lamp)
    guard cosine > 0 else { return (ambient, .zero, false) }
    let ray = Ray(origin: point + normal * 1e-3, direction: lamp)
    for index in bodies.indices where bodies[index].hit(ray, planes) != nil {
      return (ambient, .zero, false)
    }
    return (ambient, stage.lampColour * cosine, true)
  }

  /// What the bodies do to the surroundings' light at a point.
  private func nearby(_ point: Vector, _ normal: Vector, surface: Int) -> Nearby {
    // Every other body hides as much of the surroundings as a sphere of its size would, and
    // gives back some of its own colour.
    var found = Nearby(surface: surface, open: 1, cast: .zero)
    for index in bodies.indices where index != surface {
      let body = bodies[index]
      let size = min(body.radius, body.height * 0.5)
      let way = Vector(body.base.x, size * 0.9, body.base.z) - point
      let square = max(dot(way, way), size * size)
      let facing = dot(normal, way) / square.squareRoot()
      let hidden = unit(max(0, facing + 0.25) / 1.25 * size * size / square)
      found.open *= 1 - 0.75 * hidden
      found.cast += body.colour * (0.14 * hidden)
    }
    // A solid's own foot stands in the floor's shade.
    if surface >= 0 { found.open *= 0.72 + 0.28 * unit(point.y / 0.3) }
    return found
  }
}

/// How much of the surroundings a place sees, and what the bodies around cast on it.
///
/// It changes slowly, so the rays of a pixel that meet the same surface share it.
struct Nearby {
  /// The body's number, or one of the others'.
  var surface: Int
  var open: Float
  var cast: Vector

  static let floor = -1
  static let wall = -2
  static let unknown = Nearby(surface: -3, open: 1, cast: .zero)
}
