import Imaging

/// Turns scenes into images, by rays.
///
/// A pixel is a grid of 4 x 4 rays. Four of them, one in each row and column, are followed first;
/// where they agree they stand for all, and where they do not (at edges, in the soft rim of a
/// shadow, in a fine pattern) the other twelve follow. Each ray meets the nearest surface, and one
/// ray from there to its own sixteenth of the light's disc says whether the light is seen, so
/// shadows have soft edges and no noise. Light is added up linearly: the lamp (Lambert's cosine,
/// Blinn's highlight), the surroundings from above and the floor's colour from below, both dimmed
/// by what stands near.
public enum SceneRenderer {
  /// The rays of a pixel in the order in which they are followed: those that are always, first.
  private static let order = [1, 7, 8, 14, 0, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 15]

  /// Whether four rays agree: in no channel do they span more than about six of 255 levels.
  private static func agree(_ low: Vector, _ high: Vector) -> Bool {
    let room = high * 0.05 + 0.004 - (high - low)
    return min(room.x, room.y, room.z) > 0
  }

  /// The image of `scene`, `size` pixels wide and high; the same bytes for the same scene.
  ///
  /// - Precondition: `size` is at least 1.
  public static func render(_ scene: Scene, size: Int = 64) -> Image {
    precondition(size > 0, "an image is at least one pixel wide, not \(size)")
    let view = View(scene.camera, size: size)
    let stage = Stage(scene)
    let bodies = Bodies(scene)
    var pixels = [UInt8](repeating: 0, count: size * size * 3)
    bodies.all.withUnsafeBufferPointer { all in
      bodies.planes.withUnsafeBufferPointer { planes in
        let tracer = Tracer(stage: stage, bodies: all, planes: planes, footprint: view.footprint)
        for row in 0..<size {
          for column in 0..<size {
            let light = light(x: Float(column), y: Float(row), view, tracer)
            let stored = light.squareRoot() * 255
            let index = (row * size + column) * 3
            for channel in 0..<3 {
              pixels[index + channel] = UInt8(max(0, min(255, stored[channel].rounded())))
            }
          }
        }
      }
    }
    return Image(width: size, height: size, pixels: pixels)
  }

  /// The mean light of a pixel.
  private static func light(x: Float, y: Float, _ view: View, _ tracer: Tracer) -> Vector {
    var nearby = Nearby.unknown
    var sum = Vector.zero
    var low = Vector.one
    var high = Vector.zero
    for position in 0..<16 {
      let sample = order[position]
      let ray = view.ray(
        x: x + (Float(sample & 3) + 0.5) / 4, y: y + (Float(sample >> 2) + 0.5) / 4)
      // Clipped before the mean, so that the rims of highlights stay smooth.
      let light = tracer.light(along: ray, lamp: tracer.stage.lamps[sample], &nearby)
        .clamped(lowerBound: .zero, upperBound: .one)
      sum += light
      if position < 4 {
        low.replace(with: light, where: light .< low)
        high.replace(with: light, where: light .> high)
      }
      if position == 3, agree(low, high) { return sum / 4 }
    }
    return sum / 16
  }
}

/// The camera as rays.
struct View {
  private let eye: Vector
  private let corner: Vector
  private let right: Vector
  private let down: Vector
  /// The width of a quarter of a pixel at distance 1.
  let footprint: Float

  init(_ camera: Scene.Camera, size: Int) {
    let (sine, cosine) = sineCosine(degrees: camera.azimuth)
    let (rise, level) = sineCosine(degrees: camera.elevation)
    let target = Vector(0, 0.52, 0)
    let back = Vector(sine * level, rise, -cosine * level)
    eye = target + back * Float(camera.distance)
    let across = normalized(cross(Vector(0, 1, 0), -back))
    let up = cross(-back, across)
    let half = sineCosine(degrees: camera.span / 2)
    let width = 2 * half.sine / half.cosine / Float(size)
    right = across * width
    down = up * -width
    corner = -back - (right + down) * (Float(size) / 2)
    footprint = width / 4
  }

  /// The ray through a place in the picture, in pixels from the upper left corner.
  @inline(__always) func ray(x: Float, y: Float) -> Ray {
    Ray(origin: eye, direction: normalized(corner + right * x + down * y))
  }
}
