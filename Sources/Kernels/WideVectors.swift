extension UnsafePointer<Float> {
  @inline(__always)
  func vector(_ i: Int) -> SIMD16<Float> {
    UnsafeRawPointer(self + i).loadUnaligned(as: SIMD16<Float>.self)
  }
  @inline(__always)
  func vector(_ i: Int, count: Int) -> SIMD16<Float> {
    var v = SIMD16<Float>.zero
    for k in 0..<count { v[k] = self[i &+ k] }
    return v
  }
}
extension UnsafeMutablePointer<Float> {
  @inline(__always)
  func vector(_ i: Int) -> SIMD16<Float> { UnsafePointer(self).vector(i) }
  @inline(__always)
  func store(_ v: SIMD16<Float>, at i: Int) {
    UnsafeMutableRawPointer(self + i).storeBytes(of: v, as: SIMD16<Float>.self)
  }
  @inline(__always)
  func store(_ v: SIMD16<Float>, at i: Int, count: Int) {
    for k in 0..<count { self[i &+ k] = v[k] }
  }
}
/// a b + c, with the same b in all lanes.
@inline(__always)
func multiplyAdd(_ a: SIMD16<Float>, _ b: Float, _ c: SIMD16<Float>) -> SIMD16<Float> {
  multiplyAdd(a, SIMD16(repeating: b), c)
}
