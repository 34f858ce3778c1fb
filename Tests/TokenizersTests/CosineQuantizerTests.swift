import Foundation
import TestSupport
import Testing
import Tokenizers

/// Vector quantization by direction, against its definition in double precision.
struct CosineQuantizerTests {
  private let codes = 7
  private let rows = 9
  private let d = 3
  private var codebook: [Float] { HashedNumbers.values("book", count: codes * d, amplitude: 4) }
  private var z: [Float] { HashedNumbers.values("z", count: rows * d, amplitude: 2) }
  private var upstream: [Float] { HashedNumbers.values("g", count: rows * d) }

  private func run(
    z: [Float]? = nil, codebook: [Float]? = nil,
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 1,
    commitmentWeight: Double = 0.25
  ) -> QuantizerRun {
    QuantizerRun(
      z ?? self.z, dimension: d, upstream: upstream,
      parameters: ["embedding.weight": codebook ?? self.codebook]
    ) {
      CosineQuantizer(
        CosineConfiguration(
          codebookSize: codes, codeDimension: d, gradient: gradient,
          codebookWeight: codebookWeight, commitmentWeight: commitmentWeight),
        in: $0)
    }
  }

  private func row(_ x: [Float], _ index: Int) -> [Double] {
    x[(index * d)..<((index + 1) * d)].map(Double.init)
  }
  private func dot(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }
  private func unit(_ x: [Double]) -> [Double] { x.map { $0 / dot(x, x).squareRoot() } }
  /// What of `g` is across `x`, over the length of `x`.
  private func across(_ g: [Double], _ x: [Double]) -> [Double] {
    let u = unit(x)
    let along = dot(u, g)
    return zip(g, u).map { ($0 - $1 * along) / dot(x, x).squareRoot() }
  }

  @Test func tokensHaveTheLargestCosineAndCodesLengthOne() {
    let found = run().results
    for index in 0..<rows {
      let u = unit(row(z, index))
      let cosines = (0..<codes).map { dot(u, unit(row(codebook, $0))) }
      let best = cosines.firstIndex(of: cosines.max()!)!
      #expect(found["tokens"]![index] == Float(best))
      let code = unit(row(codebook, best)).map(Float.init)
      #expect(
        largestDifference(Array(found["codes"]![(index * d)..<((index + 1) * d)]), code) < 1e-6)
    }
    #expect(Set(found["tokens"]!).count > 2)
    #expect(found["decoded"] == found["codes"], "to the last bit")
  }

  /// The losses are between directions; both gradients are across the row that they are of.
  @Test func lossesAndGradients() {
    let found = run()
    var (error, dz) = (0.0, [Float]())
    var dCodebook = [[Double]](repeating: [Double](repeating: 0, count: d), count: codes)
    for index in 0..<rows {
      let (x, token) = (row(z, index), Int(found.results["tokens"]![index]))
      let e = row(codebook, token)
      let difference = zip(unit(x), unit(e)).map { $0 - $1 }
      error += dot(difference, difference) / Double(rows)
      let g = zip(row(upstream, index), difference).map { $0 + 2 * 0.25 / Double(rows) * $1 }
      dz += across(g, x).map(Float.init)
      let pull = across(difference.map { -2 / Double(rows) * $0 }, e)
      dCodebook[token] = zip(dCodebook[token], pull).map { $0 + $1 }
    }
    #expect(abs(Double(found.results["quantizationError"]![0]) - error) < 1e-6)
    #expect(abs(Double(found.results["auxiliary"]![0]) - 1.25 * error) < 1e-6)
    #expect(largestDifference(found.results["dz"]!, dz) < 2e-6)
    let expected = dCodebook.flatMap { $0.map(Float.init) }
    #expect(largestDifference(found.gradients["embedding.weight"]!, expected) < 2e-6)
    #expect(expected.contains { abs($0) > 0.01 })
  }

  /// Lengths of vectors and codes decide nothing; powers of two change not even a bit.
  @Test func lengthsDoNotMatter() {
    let plain = run()
    let scaled = run(z: z.map { $0 * 8 }, codebook: codebook.map { $0 / 4 })
    for name in ["tokens", "codes", "vectors", "auxiliary"] {
      #expect(plain.results[name] == scaled.results[name])
    }
    #expect(scaled.results["dz"] == plain.results["dz"]!.map { $0 / 8 })
  }

  @Test func aVectorWithoutLengthHasATokenAndNoGradient() {
    var vectors = z
    vectors.replaceSubrange(0..<d, with: [0, 0, 0])
    let found = run(z: vectors)
    #expect((0..<Float(codes)).contains(found.results["tokens"]![0]))
    #expect(found.results["dz"]![..<d] == [0, 0, 0])
    #expect(found.results["codes"]!.allSatisfy { $0.isFinite })
    vectors[1] = .nan
    #expect(run(z: vectors).results["tokens"]![0] == -1)
  }

  /// Between directions, the scaled rotation and that of unit scale are one; DiVeQ feeds the codebook.
  @Test func estimators() {
    func dz(_ gradient: CodebookConfiguration.Gradient) -> QuantizerRun {
      run(gradient: gradient, codebookWeight: 0, commitmentWeight: 0)
    }
    let (scaled, unscaled) = (dz(.rotation), dz(.unitRotation))
    #expect(largestDifference(scaled.results["dz"]!, unscaled.results["dz"]!) < 1e-6)
    #expect(scaled.gradients["embedding.weight"]!.allSatisfy { $0 == 0 })
    #expect(largestDifference(scaled.results["dz"]!, dz(.straightThrough).results["dz"]!) > 1e-2)
    #expect(dz(.diveq).gradients["embedding.weight"]!.contains { abs($0) > 1e-2 })
  }
}
