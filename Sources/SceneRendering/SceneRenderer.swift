import Imaging

/// Turns scenes into images, by rays.
///
/// Sixteen rays a pixel on a 4 x 4 grid; each meets the nearest surface, and one ray from there
/// to its own sixteenth of the light's disc says whether the light is seen, so shadows have soft
/// edges and no noise. Light is added up linearly: the lamp (Lambert's cosine, Blinn's highlight),
/// the surroundings from above and the floor's colour from below, both dimmed by what stands near.
public enum SceneRenderer {
  /// The image of `scene`, `size` pixels wide and high; the same bytes for the same scene.
  ///
  /// - Precondition: `size` is at least 1.
  public static func render(_ scene: Scene, size: Int = 64) -> Image {
    precondition(size > 0, "an image is at least one pixel wide, not \(size)")
    let stage = Stage(scene)
    let view = View(scene.camera, size: size)
    let bodies = Bodies(scene)
    var pixels = [UInt8](repeating: 0, count: size * size * 3)
    bodies.all.withUnsafeBufferPointer { all in
      bodies.planes.withUnsafeBufferPointer { planes in
        let tracer = Tracer(stage: stage, bodies: all, planes: planes, footprint: view.footprint)
        for row in 0..<size {
          for column in 0..<size {
            var sum = Vector.zero
            for sample in 0..<16 {
              let ray = view.ray(
                x: Float(column) + (Float(sample & 3) + 0.5) / 4,
                y: Float(row) + (Float(sample >> 2) + 0.5) / 4)
              // Clipped before the mean, so that the rims of highlights stay smooth.
              let light = tracer.light(along: ray, lamp: stage.lamps[Stage.order[sample]])
              sum += light.clamped(lowerBound: .zero, upperBound: .one)
            }
            let stored = (sum / 16).squareRoot() * 255
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
