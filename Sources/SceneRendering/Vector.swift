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
