import Foundation
import TestSupport
import Testing
import Tokenizers

/// Quantizers whose tokens have several indices, against their definitions in double precision.
struct DepthQuantizersTests {
  private let rows = 9
  private let d = 4
  private let codes = 6
  private var z: [Float] { HashedNumbers.values("z", count: rows * d, amplitude: 2) }
  private var upstream: [Float] { HashedNumbers.values("g", count: rows * d) }

  private func row(_ x: [Float], _ index: Int, _ width: Int? = nil) -> [Double] {
    let width = width ?? d
    return x[(index * width)..<((index + 1) * width)].map(Double.init)
  }
  private func square(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  }
  private func nearest(_ x: [Double], in book: [Float]) -> Int {
    let distances = (0..<codes).map { square(x, row(book, $0, x.count)) }
    return distances.firstIndex(of: distances.min()!)!
  }

  // MARK: Groups

  /// Two groups are two vector quantizers side by side.
  @Test func groupsAreQuantizersOfTheirOwn() {
    let width = d / 2
    let books = (0..<2).map {
      HashedNumbers.values("book \($0)", count: codes * width, amplitude: 2)
    }
    let found = QuantizerRun(
      z, dimension: d, upstream: upstream,
      parameters: ["0.embedding.weight": books[0], "1.embedding.weight": books[1]]
    ) {
      ProductQuantizer(
        ProductConfiguration(
          groups: 2, codebookSize: codes, codeDimension: d, codebookWeight: 1,
          commitmentWeight: 0.25), in: $0)
    }
    var parts: [QuantizerRun] = []
    for group in 0..<2 {
      func half(_ x: [Float]) -> [Float] {
        (0..<rows).flatMap { index -> ArraySlice<Float> in
          let start = index * d + group * width
          return x[start..<start + width]
        }
      }
      parts.append(
        QuantizerRun(
          half(z), dimension: width, upstream: half(upstream),
          parameters: ["embedding.weight": books[group]]
        ) {
          VectorQuantizer(
            VectorConfiguration(
              codebookSize: codes, codeDimension: width, codebookWeight: 1, commitmentWeight: 0.25),
            in: $0)
        })
      #expect(
        largestDifference(
          found.gradients["\(group).embedding.weight"]!, parts[group].gradients["embedding.weight"]!
        )
          < 1e-6)
    }
    func joined(_ name: String, _ width: Int) -> [Float] {
      (0..<rows).flatMap { index -> [Float] in
        parts.flatMap { part -> ArraySlice<Float> in
          part.results[name]![(index * width)..<((index + 1) * width)]
        }
      }
    }
    #expect(found.results["tokens"] == joined("tokens", 1))
    #expect(found.results["codes"] == joined("codes", width))
    #expect(found.results["decoded"] == found.results["codes"])
    #expect(largestDifference(found.results["dz"]!, joined("dz", width)) < 1e-6)
    for name in ["auxiliary", "quantizationError"] {
      let sum: Float = parts[0].results[name]![0] + parts[1].results[name]![0]
      #expect(abs(found.results[name]![0] - sum) < 1e-5)
    }
    #expect(Set(found.results["tokens"]!).count > 3)
  }

  // MARK: Residuals

  @Test(arguments: CodebookConfiguration.Gradient.allCases)
  func eachCodebookQuantizesWhatIsLeft(_ gradient: CodebookConfiguration.Gradient) {
    let books = (0..<3).map {
      HashedNumbers.values("book \($0)", count: codes * d, amplitude: 2 / Float(1 << $0))
    }
    let found = QuantizerRun(
      z, dimension: d, upstream: upstream,
      parameters: Dictionary(
        uniqueKeysWithValues: books.enumerated().map { ("\($0).embedding.weight", $1) })
    ) {
      ResidualQuantizer(
        ResidualConfiguration(
          depth: 3, codebookSize: codes, codeDimension: d, gradient: gradient, codebookWeight: 1,
          commitmentWeight: 0.25), in: $0)
    }
    var (tokens, sums, dz) = ([Float](), [Double](), [Double]())
    var (auxiliary, error) = (0.0, 0.0)
    var dBooks = [[Double]](repeating: [Double](repeating: 0, count: codes * d), count: 3)
    for index in 0..<rows {
      var rest = row(z, index)
      var slope = row(upstream, index)
      for depth in 0..<3 {
        let token = nearest(rest, in: books[depth])
        tokens.append(Float(token))
        let e = row(books[depth], token)
        auxiliary += 1.25 * square(rest, e) / Double(rows)
        for c in 0..<d {
          slope[c] += 0.25 * 2 / Double(rows) * (rest[c] - e[c])
          dBooks[depth][token * d + c] += 2 / Double(rows) * (e[c] - rest[c])
        }
        rest = zip(rest, e).map { $0 - $1 }
      }
      error += square(rest, [0, 0, 0, 0]) / Double(rows)
      sums += zip(row(z, index), rest).map { $0 - $1 }
      dz += slope
    }
    #expect(found.results["tokens"] == tokens)
    #expect(largestDifference(found.results["codes"]!, sums.map(Float.init)) < 2e-6)
    #expect(found.results["decoded"] == found.results["codes"], "to the last bit")
    #expect(abs(Double(found.results["quantizationError"]![0]) - error) < 1e-5)
    #expect(abs(Double(found.results["auxiliary"]![0]) - auxiliary) < 1e-5)
    guard gradient == .straightThrough else { return }
    #expect(largestDifference(found.results["dz"]!, dz.map(Float.init)) < 2e-6)
    for depth in 0..<3 {
      #expect(
        largestDifference(
          found.gradients["\(depth).embedding.weight"]!, dBooks[depth].map(Float.init)) < 2e-6)
    }
  }

  /// Each depth gets what the rounding before has left: the error falls by the levels' number.
  @Test(arguments: FiniteScalarConfiguration.Bound.allCases, [[5, 4, 3, 8], [7, 5, 5, 5]])
  func eachDepthDividesALevel(_ bound: FiniteScalarConfiguration.Bound, _ levels: [Int]) {
    func run(depth: Int) -> QuantizerRun {
      QuantizerRun(z, dimension: d, upstream: upstream, parameters: [:]) { _ in
        ResidualFiniteScalarQuantizer(
          ResidualFiniteScalarConfiguration(depth: depth, levels: levels, bound: bound))
      }
    }
    let plain = QuantizerRun(z, dimension: d, upstream: upstream, parameters: [:]) { _ in
      FiniteScalarQuantizer(FiniteScalarConfiguration(levels: levels, bound: bound))
    }
    let (two, three) = (run(depth: 2), run(depth: 3))
    // The first index is that of plain FSQ, and so is the gradient.
    let first = stride(from: 0, to: rows * 2, by: 2).map { two.results["tokens"]![$0] }
    #expect(first == plain.results["tokens"])
    #expect(largestDifference(two.results["dz"]!, plain.results["dz"]!) < 1e-6)
    #expect(two.results["decoded"] == two.results["codes"])
    #expect(three.results["decoded"] == three.results["codes"])
    // Within half a step of the last depth of every bounded channel.
    let size = levels.reduce(1, *)
    for found in [two, three] {
      #expect(found.results["tokens"]!.allSatisfy { $0 >= 0 && $0 < Float(size) })
    }
    let errors = [plain, two, three].map { $0.results["quantizationError"]![0] }
    #expect(errors[1] < errors[0] / 3 && errors[2] < errors[1] / 3, "\(errors)")
  }

  @Test func aNaNHasNoToken() {
    var broken = z
    broken[1] = .nan
    let found = QuantizerRun(broken, dimension: d, upstream: upstream, parameters: [:]) { _ in
      ResidualFiniteScalarQuantizer(ResidualFiniteScalarConfiguration(levels: [5, 5, 5, 5]))
    }
    #expect(found.results["tokens"]![..<2] == [-1, -1])
  }
}
