import Kernels
import Testing

@Suite struct RotationTests {
  func gradient(
    _ scale: RotationScale, _ g: [Float], z: [Float], q: [Float], rows: Int = 1
  ) -> [Float] {
    var y = g
    y.withUnsafeMutableBufferPointer {
      rotationGradient(
        rows: rows, dimension: z.count / rows, scale: scale, outputGradient: $0.baseAddress!,
        z: z, q: q, into: $0.baseAddress!)
    }
    return y
  }

  /// lambda R^T g with the matrix R = I - 2 r r^T + 2 qh zh^T written out, in Double.
  static func twin(_ scale: RotationScale, _ g: [Double], z: [Double], q: [Double]) -> [Double] {
    let (lengthZ, lengthQ) = (dot(z, z).squareRoot(), dot(q, q).squareRoot())
    let (zh, qh) = (z.map { $0 / lengthZ }, q.map { $0 / lengthQ })
    let sum = zip(zh, qh).map { $0 + $1 }
    let r = sum.map { $0 / dot(sum, sum).squareRoot() }
    return z.indices.map { column in
      z.indices.reduce(0) { total, row in
        let identity = row == column ? 1.0 : 0
        let entry = identity - 2 * r[row] * r[column] + 2 * qh[row] * zh[column]
        return total + entry * g[row] * (scale == .unit ? 1 : lengthQ / lengthZ)
      }
    }
  }

  let e: [Float] = [0.6, -0.8, 1.5]
  let q: [Float] = [0.9, -0.2, 1.1]
  let g: [Float] = [0.1, -0.3, 0.25]

  @Test func rot1() {
    let scaled = gradient(.codeOverEncoding, g, z: e, q: q)
    #expect(distance(scaled, [-0.0319972481944, -0.284944918262, 0.144161609538]) < 1e-6)
    // The transpose of the right matrix, which is the wrong one.
    #expect(distance(scaled, [0.184925828729, -0.158791072108, 0.208776994153]) > 0.05)
    let unit = gradient(.unit, g, z: e, q: q)
    #expect(distance(unit, [-0.0401902493188, -0.357906006089, 0.181074665994]) < 1e-6)
  }

  @Test func rot2() {
    #expect(distance(gradient(.codeOverEncoding, [1, 0], z: [1, 0], q: [0, 2]), [0, -2]) < 1e-6)
  }

  @Test func rot3() {
    let found = gradient(.codeOverEncoding, [1, -2], z: [3, 4], q: [0.03, 0.05])
    #expect(distance(found, [0.0092, -0.0244]) < 1e-6)
  }

  @Test func rot4() {
    let found = gradient(.codeOverEncoding, [0.7, 0.1], z: [1, 0.2], q: [-0.5, 0.6])
    #expect(distance(found, [-0.188461538462, -0.507692307692]) < 1e-6)
  }

  @Test func rot5() {
    let far = gradient(.codeOverEncoding, g, z: e.map { $0 + 100 }, q: q.map { $0 + 100 })
    #expect(distance(far, [0.0992762402757, -0.30141962729, 0.249641746359]) < 2e-6)
    let across = gradient(.codeOverEncoding, [-0.58, 0.69, 0.6], z: e, q: q)
    #expect(distance(across, [-0.461763842406, 0.549339743552, 0.477686733524]) < 1e-6)
  }

  @Test(arguments: [1, 2, 8, 13, 15, 16, 17, 31, 33], [RotationScale.codeOverEncoding, .unit])
  func rowsAgainstTheMatrix(dimension: Int, scale: RotationScale) {
    let rows = 9
    let z = noise(rows * dimension, seed: 1).map { $0 + 0.5 }
    let q = noise(rows * dimension, seed: 2).map { $0 + 1.1 }
    let g = noise(rows * dimension, seed: 3)
    let found = gradient(scale, g, z: z, q: q, rows: rows)
    for row in 0..<rows {
      let range = (row * dimension)..<((row + 1) * dimension)
      let (zr, qr, gr) = (Array(z[range]).exact, Array(q[range]).exact, Array(g[range]).exact)
      // In one dimension opposite signs have no rotation between them.
      let expected =
        dimension == 1 && zr[0] * qr[0] < 0 ? gr : Self.twin(scale, gr, z: zr, q: qr)
      #expect(distance(Array(found[range]), expected) < 1e-5)
    }
  }

  @Test func rowsWithoutARotationPassStraightThrough() {
    let z: [Float] = [1, 2, 0, 0, 1, 2, 1, 2, 1e-7, 0]
    let q: [Float] = [-2, -4, 1, 1, 0, 0, 2, 1, 1, 0]
    let g: [Float] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    #expect(countRotationFallbacks(rows: 5, dimension: 2, z: z, q: q) == 4)
    for scale in [RotationScale.codeOverEncoding, .unit] {
      let found = gradient(scale, g, z: z, q: q, rows: 5)
      #expect(found[..<6] == g[..<6] && found[8...] == g[8...])
      #expect(
        distance(Array(found[6..<8]), Self.twin(scale, [7, 8], z: [1, 2], q: [2, 1])) < 1e-6)
    }
    #expect(countRotationFallbacks(rows: 0, dimension: 2, z: z, q: q) == 0)
  }

  @Test func aNaNIsNotHidden() {
    let found = gradient(.unit, [1, 1], z: [.nan, 1], q: [1, 1])
    #expect(found.allSatisfy { $0.isNaN })
  }
}
