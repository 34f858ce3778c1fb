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
