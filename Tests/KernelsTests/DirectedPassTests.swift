import Kernels
import Testing

@Suite struct DirectedPassTests {
  func gradients(
    _ g: [Float], z: [Float], q: [Float], rows: Int = 1
  ) -> (vector: [Float], code: [Float]) {
    var vector = [Float](repeating: .nan, count: g.count) + [77]
    var code = vector
    directedPassGradient(
      rows: rows, dimension: g.count / max(1, rows), outputGradient: g, z: z, q: q, into: &vector,
      codeGradient: &code)
    #expect(vector.last == 77 && code.last == 77)
    return (Array(vector.dropLast()), Array(code.dropLast()))
  }

  @Test func rot6() {
    let found = gradients([0.1, -0.3, 0.25], z: [0.6, -0.8, 1.5], q: [0.9, -0.2, 1.1])
    #expect(distance(found.vector, [0.222950819672, -0.0540983606557, 0.0860655737705]) < 1e-6)
    #expect(distance(found.code, [-0.122950819672, -0.245901639344, 0.16393442623]) < 1e-6)
  }

  @Test(arguments: [1, 2, 8, 13, 15, 16, 17, 31, 33]) func rowsAgainstTheirDefinition(
    dimension: Int
  ) {
    let rows = 7
    let z = noise(rows * dimension, seed: 1)
    let q = noise(rows * dimension, seed: 2)
    let g = noise(rows * dimension, seed: 3)
    let found = gradients(g, z: z, q: q, rows: rows)
    for row in 0..<rows {
      let range = (row * dimension)..<((row + 1) * dimension)
      let d = zip(q[range], z[range]).map { Double($0) - Double($1) }
      let along = dot(d, Array(g[range]).exact) / dot(d, d)
      #expect(distance(Array(found.code[range]), d.map { $0 * along }) < 1e-5)
      let rest = zip(g[range], d).map { Double($0) - $1 * along }
      #expect(distance(Array(found.vector[range]), rest) < 1e-5)
    }
  }

  @Test func withoutADirectionAllGoesToTheVector() {
    let found = gradients([1, 2, 3, 4], z: [5, 6, 1e-30, 0], q: [5, 6, 0, 0], rows: 2)
    #expect(found.vector == [1, 2, 0, 4] && found.code == [0, 0, 3, 0])
    #expect(gradients([], z: [], q: [], rows: 0).vector.isEmpty)
  }

  @Test func aNaNIsNotHidden() {
    let found = gradients([1, 1], z: [.nan, 1], q: [1, 2])
    #expect((found.vector + found.code).allSatisfy { $0.isNaN })
  }
}
