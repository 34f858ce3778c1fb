/// The scores of a group of neighbouring codes, in registers.
protocol ScoreVectors {
  /// How many codes.
  static var width: Int { get }

  /// What lies from `x` on.
  init(_ x: UnsafePointer<Float>)

  /// self += z e.
  mutating func add(_ z: Float, _ e: Self)

  /// The smaller of `best` and of the scores, sixteen side by side; a NaN among the scores is
  /// passed over.
  func smallest(_ best: SIMD16<Float>) -> SIMD16<Float>
}

extension SIMD16<Float>: ScoreVectors {
  static var width: Int { 16 }

  @inline(__always)
  init(_ x: UnsafePointer<Float>) { self = x.vector(0) }

  @inline(__always)
  mutating func add(_ z: Float, _ e: SIMD16<Float>) { self = multiplyAdd(e, z, self) }

  @inline(__always)
  func smallest(_ best: SIMD16<Float>) -> SIMD16<Float> {
    best.replacing(with: self, where: self .< best)
  }
}

/// Sixty-four scores.
struct FourVectors: ScoreVectors {
  private var a: SIMD16<Float>
  private var b: SIMD16<Float>
  private var c: SIMD16<Float>
  private var d: SIMD16<Float>

  static var width: Int { 64 }

  @inline(__always)
  init(_ x: UnsafePointer<Float>) {
    a = x.vector(0)
    b = x.vector(16)
    c = x.vector(32)
    d = x.vector(48)
  }

  @inline(__always)
  mutating func add(_ z: Float, _ e: FourVectors) {
    a.add(z, e.a)
    b.add(z, e.b)
    c.add(z, e.c)
    d.add(z, e.d)
  }

  @inline(__always)
  func smallest(_ best: SIMD16<Float>) -> SIMD16<Float> {
    d.smallest(c.smallest(b.smallest(a.smallest(best))))
  }
}
