import Reports
import Testing

@Suite("Codebooks in a plane")
struct CodePlaneTests {
  /// Vectors that vary by 4 along (1, 1, 0) and by 1 along (0, 0, 1).
  private static let vectors: [Float] = (0..<400).flatMap { index -> [Float] in
    let (a, b) = (Float(index % 20) - 9.5, Float(index / 20) - 9.5)
    return [4 * a + 7, 4 * a - 2, b]
  }

  @Test("the axes are where vectors vary most, and the plane holds all variance of a plane")
  func principal() throws {
    let plane = CodePlane(
      vectors: Self.vectors, codebook: [7, -2, 0, 7, -2, 0], dimension: 3, counts: [3, 1])
    let (xs, ys) = (plane.vectors.map(\.x), plane.vectors.map(\.y))
    // 9.5 steps of 4 along a diagonal, 9.5 along the third axis; the codes lie in the middle.
    let length = try #require(xs.max()) - xs.min()!
    #expect(abs(length - 19 * 4 * 2.0.squareRoot()) < 0.1)
    #expect(abs(try #require(ys.max()) - ys.min()! - 19) < 0.1)
    #expect(plane.words.contains("100.0% of their variance"))
  }

  @Test("codes have their uses; unused ones that lie far beyond are counted, not shown")
  func codes() {
    var codebook = Array(Self.vectors.prefix(9))
    codebook[6] = 5000
    let plane = CodePlane(
      vectors: Self.vectors, codebook: codebook, dimension: 3, counts: [3, 0, 0])
    #expect(plane.codes.map(\.uses) == [3, 0])
    #expect(plane.words.contains("1 unused codes lie beyond"))
  }

  @Test("of many codes and vectors some are shown, and it is said how many")
  func limits() {
    let codebook = (0..<6000).map { Float($0 % 101) / 50 }
    let plane = CodePlane(
      vectors: (0..<6000).map { Float($0 % 97) / 50 }, codebook: codebook, dimension: 2,
      counts: (0..<3000).map { $0 < 1000 ? $0 + 1 : 0 })
    #expect(plane.vectors.count == CodePlane.vectorLimit)
    #expect(plane.codes.count <= 2 * CodePlane.codeLimit)
    #expect(plane.codes.first?.uses == 1000)
    #expect(
      plane.words.contains("600 most used codes") && plane.words.contains("600 of 2,000 unused"))
  }

  @Test("nothing varies, one channel, numbers that are none: a plane all the same")
  func degenerate() {
    let still = CodePlane(vectors: [1, 1, 1, 1], codebook: [1, 1], dimension: 2, counts: [2])
    #expect(still.vectors.allSatisfy { $0.x == 0 && $0.y == 0 })
    let line = CodePlane(vectors: [1, 2, 3], codebook: [2], dimension: 1, counts: [1])
    #expect(
      line.vectors.map(\.x).allSatisfy(\.isFinite) && line.vectors.map(\.y).allSatisfy { $0 == 0 })
    let broken = CodePlane(vectors: [.nan, 1, 2, 3], codebook: [1, 1], dimension: 2, counts: [1])
    #expect(broken.codes.allSatisfy { $0.place.x.isFinite })
    #expect(CodePlane(vectors: [], codebook: [0, 0], dimension: 2, counts: [0]).vectors.isEmpty)
  }

  @Test(
    "finite scalar quantization: the two channels of most levels, and the borders between levels")
  func levels() {
    let plane = CodePlane(digits: [0, 1, 2, 3, 4, 5], levels: [3, 8, 5])
    #expect(plane.vectors == [.init(x: 1, y: 2), .init(x: 4, y: 5)])
    #expect(
      plane.lattice.x == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
        && plane.lattice.y == [0.5, 1.5, 2.5, 3.5])
    #expect(plane.axes.x == "level of channel 1" && plane.axes.y == "level of channel 2")
    #expect(
      CodePlane(digits: [0, 1], levels: [4]).vectors == [.init(x: 0, y: 0), .init(x: 1, y: 0)])
  }
}
