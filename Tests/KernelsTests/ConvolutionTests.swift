import Kernels
import Testing

@Suite struct ConvolutionTests {
  static let cases = [
    geometry(1, 1, 1, 1, 1, kernel: (1, 1)),
    geometry(2, 5, 4, 3, 7, kernel: (1, 1)),
    geometry(2, 5, 7, 3, 5, kernel: (1, 1), stride: 2),
    geometry(1, 4, 4, 2, 3, kernel: (1, 1), padding: (1, 0, 0, 2)),
    geometry(2, 6, 5, 3, 4, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(1, 8, 8, 9, 10, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(3, 8, 6, 4, 5, kernel: (3, 3), stride: 2, padding: (0, 1, 0, 1)),
    geometry(2, 7, 9, 8, 8, kernel: (3, 3), stride: 2, padding: (1, 1, 1, 1)),
    geometry(1, 9, 8, 3, 4, kernel: (4, 4), stride: 2, padding: (1, 1, 1, 1)),
    geometry(2, 7, 8, 2, 3, kernel: (4, 4), padding: (2, 1, 1, 2)),
    geometry(1, 6, 7, 3, 2, kernel: (5, 5), padding: (2, 2, 2, 2)),
    geometry(1, 9, 9, 2, 3, kernel: (5, 3), stride: 3, padding: (2, 0, 1, 1)),
    geometry(1, 2, 2, 2, 3, kernel: (5, 5), padding: (2, 2, 2, 2)),
    // Padding wider than the filter: some windows hold nothing of the image.
    geometry(1, 3, 2, 2, 3, kernel: (3, 3), padding: (4, 3, 5, 3)),
    geometry(1, 3, 4, 2, 3, kernel: (1, 3), padding: (0, 0, 0, 1)),
    // The filter does not fit: no output.
    geometry(2, 2, 2, 2, 3, kernel: (3, 3)),
    geometry(0, 4, 4, 2, 3, kernel: (3, 3), padding: (1, 1, 1, 1)),
    // More than one block of patches.
    geometry(3, 21, 20, 2, 3, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(2, 11, 12, 70, 9, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(2, 40, 30, 5, 4, kernel: (1, 1)),
    // A product of several blocks of rows, stages of terms and panels of columns, the last of them narrow;
    // as it lies, and with rows that are copied.
    geometry(1, 18, 19, 144, 112, kernel: (1, 1)),
    geometry(1, 18, 19, 135, 70, kernel: (1, 1)),
    // Few outputs: patches of the output in place of patches of the image.
    geometry(2, 6, 7, 16, 3, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(1, 9, 8, 9, 2, kernel: (4, 3), padding: (0, 3, 2, 1)),
    geometry(2, 30, 20, 8, 1, kernel: (3, 3), padding: (1, 0, 0, 1)),
    geometry(1, 5, 6, 4, 1, kernel: (5, 5), padding: (4, 4, 4, 4)),
    // Winograd's tiles: whole, cut at the edges, one pixel each, more than one block.
    geometry(1, 16, 16, 16, 16, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(2, 9, 13, 16, 24, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(16, 1, 1, 16, 16, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(5, 3, 7, 24, 16, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(1, 18, 19, 16, 16, kernel: (3, 3), padding: (0, 2, 2, 1)),
    geometry(2, 29, 31, 16, 32, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(1, 30, 17, 40, 16, kernel: (3, 3)),
    geometry(1, 14, 15, 16, 16, kernel: (3, 3), padding: (4, 3, 5, 3)),
  ]

  @Test(arguments: cases) func agreesWithTheTwin(_ g: ConvolutionGeometry) {
    #expect(inaccuracies(g) == [:])
  }

  /// Filter and bias gradient each overwrite or add, as told, whatever the other does.
  @Test(arguments: cases) func gradientsAccumulate(_ g: ConvolutionGeometry) {
    let data = ConvolutionData(g)
    let twin = ConvolutionTwin(g, data)
    let workspace = GuardedFloats([Float](repeating: .nan, count: g.workspace))
    let (filterBefore, biasBefore) = (noise(g.filterCount, seed: 6), noise(g.outputs, seed: 7))
    for adds in [false, true] {
      var alone = filterBefore
      convolveFilterGradient(
        g, outputGradient: data.gradient, image: data.image, into: &alone, accumulate: adds,
        workspace: workspace.start)
      let expected = zip(twin.filterGradient, filterBefore).map { $0 + (adds ? Double($1) : 0) }
      #expect(relativeError(alone, expected) < 2e-6)
      for addsBias in [false, true] {
        var (filter, bias) = (filterBefore, biasBefore)
        convolveFilterGradient(
          g, outputGradient: data.gradient, image: data.image, into: &filter, accumulate: adds,
          bias: &bias, accumulateBias: addsBias, workspace: workspace.start)
        #expect(filter == alone)
        let expected = zip(twin.biasGradient, biasBefore).map { $0 + (addsBias ? Double($1) : 0) }
        #expect(relativeError(bias, expected) < 2e-6)
      }
    }
    #expect(workspace.damage == 0)
  }

  /// The twins of the gradients above against central differences of the twin of the output.
  @Test(arguments: [cases[6], cases[8]]) func twinsAgreeWithDifferences(_ g: ConvolutionGeometry) {
    let n = ConvolutionData(g)
    let weights = n.gradient.exact
    func loss(_ image: [Double], _ filter: [Double]) -> Double {
      var y = [Double](repeating: 0, count: weights.count)
      ConvolutionTwin.eachTerm(g) { y[$2] += image[$0] * filter[$1] }
      return dot(y, weights)
    }
    let twin = ConvolutionTwin(g, n)
    let byImage = slopes(at: n.image.exact, step: 0.5) { loss($0, n.filter.exact) }
    let byFilter = slopes(at: n.filter.exact, step: 0.5) { loss(n.image.exact, $0) }
    #expect(zip(twin.imageGradient, byImage).allSatisfy { abs($0 - $1) < 1e-10 })
    #expect(zip(twin.filterGradient, byFilter).allSatisfy { abs($0 - $1) < 1e-10 })
  }

  @Test func workspaceIsBoundedByTheBlock() {
    let small = geometry(1, 64, 64, 64, 64, kernel: (3, 3), padding: (1, 1, 1, 1))
    var large = small
    large.batch = 100
    #expect(small.workspace == large.workspace)
    #expect(large.workspace < 36 * 64 * 64 + 36 * 2 * 256 * 64 + 100_000)
  }

  @Test(arguments: [0, 1, 2, 7, 130], [1, 3, 8, 15, 16, 17, 31, 32, 33, 64, 80, 131])
  func sumsOfColumns(rows: Int, columns: Int) {
    let x = noise(rows * columns, seed: 5)
    var expected = [Double](repeating: 0, count: columns)
    for i in x.indices { expected[i % columns] += Double(x[i]) }
    var y = [Float](repeating: .nan, count: columns)
    columnSums(rows: rows, columns: columns, of: x, into: &y, accumulate: false)
    #expect(distance(y, expected) < 1e-6)
    columnSums(rows: rows, columns: columns, of: x, into: &y, accumulate: true)
    #expect(distance(y, expected.map { 2 * $0 }) < 1e-6)
  }
}
