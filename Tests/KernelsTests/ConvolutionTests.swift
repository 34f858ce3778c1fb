import Kernels
import Testing

@Suite struct ConvolutionTests {
  static func geometry(
    _ batch: Int, _ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int,
    kernel: (Int, Int), stride: Int = 1, padding: (Int, Int, Int, Int) = (0, 0, 0, 0)
  ) -> ConvolutionGeometry {
    ConvolutionGeometry(
      batch: batch, height: height, width: width, inputs: inputs, outputs: outputs,
      kernelHeight: kernel.0, kernelWidth: kernel.1, stride: stride, top: padding.0,
      bottom: padding.1, left: padding.2, right: padding.3)
  }

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

  /// The definition: each product of an image value and a filter value, and where it is added.
  static func eachTerm(
    _ g: ConvolutionGeometry, _ body: (_ image: Int, _ filter: Int, _ output: Int) -> Void
  ) {
    for n in 0..<g.batch {
      for v in 0..<g.outputHeight {
        for u in 0..<g.outputWidth {
          for j in 0..<g.kernelHeight {
            for i in 0..<g.kernelWidth {
              let (y, x) = (v * g.stride + j - g.top, u * g.stride + i - g.left)
              guard 0 <= y, y < g.height, 0 <= x, x < g.width else { continue }
              for c in 0..<g.inputs {
                for o in 0..<g.outputs {
                  body(
                    ((n * g.height + y) * g.width + x) * g.inputs + c,
                    ((j * g.kernelWidth + i) * g.inputs + c) * g.outputs + o,
                    ((n * g.outputHeight + v) * g.outputWidth + u) * g.outputs + o)
                }
              }
            }
          }
        }
      }
    }
  }

  struct Numbers {
    var image, filter, bias, gradient: [Float]
    var workspace: [Float]

    init(_ g: ConvolutionGeometry) {
      image = noise(g.batch * g.height * g.width * g.inputs, seed: 1)
      filter = noise(g.kernelHeight * g.kernelWidth * g.inputs * g.outputs, seed: 2)
      bias = noise(g.outputs, seed: 3)
      gradient = noise(g.batch * g.outputHeight * g.outputWidth * g.outputs, seed: 4)
      // What the scratch memory held before must not matter.
      workspace = [Float](repeating: .nan, count: g.workspace)
    }
  }

  @Test(arguments: cases) func output(_ g: ConvolutionGeometry) {
    var n = Numbers(g)
    var expected = n.gradient.indices.map { Double(n.bias[$0 % g.outputs]) }
    Self.eachTerm(g) { expected[$2] += Double(n.image[$0]) * Double(n.filter[$1]) }
    var y = [Float](repeating: .nan, count: n.gradient.count)
    convolve(
      g, image: n.image, filter: n.filter, bias: n.bias, into: &y, workspace: &n.workspace)
    #expect(relativeError(y, expected) < 2e-6)
    convolve(g, image: n.image, filter: n.filter, bias: nil, into: &y, workspace: &n.workspace)
    let bare = expected.indices.map { expected[$0] - Double(n.bias[$0 % g.outputs]) }
    #expect(relativeError(y, bare) < 2e-6)
  }

  @Test(arguments: cases) func imageGradient(_ g: ConvolutionGeometry) {
    var n = Numbers(g)
    var expected = [Double](repeating: 0, count: n.image.count)
    Self.eachTerm(g) { expected[$0] += Double(n.gradient[$2]) * Double(n.filter[$1]) }
    var y = [Float](repeating: .nan, count: n.image.count)
    convolveImageGradient(
      g, outputGradient: n.gradient, filter: n.filter, into: &y, workspace: &n.workspace)
    #expect(relativeError(y, expected) < 2e-6)
  }

  @Test(arguments: cases) func filterGradient(_ g: ConvolutionGeometry) {
    var n = Numbers(g)
    var expected = [Double](repeating: 0, count: n.filter.count)
    Self.eachTerm(g) { expected[$1] += Double(n.gradient[$2]) * Double(n.image[$0]) }
    var y = [Float](repeating: .nan, count: n.filter.count)
    convolveFilterGradient(
      g, outputGradient: n.gradient, image: n.image, into: &y, accumulate: false,
      workspace: &n.workspace)
    #expect(relativeError(y, expected) < 2e-6)
    convolveFilterGradient(
      g, outputGradient: n.gradient, image: n.image, into: &y, accumulate: true,
      workspace: &n.workspace)
    #expect(relativeError(y, expected.map { 2 * $0 }) < 2e-6)
  }

  /// The twins of the gradients above against central differences of the twin of the output.
  @Test(arguments: [cases[6], cases[8]]) func twinsAgreeWithDifferences(_ g: ConvolutionGeometry) {
    let n = Numbers(g)
    let weights = n.gradient.exact
    func loss(_ image: [Double], _ filter: [Double]) -> Double {
      var y = [Double](repeating: 0, count: weights.count)
      Self.eachTerm(g) { y[$2] += image[$0] * filter[$1] }
      return dot(y, weights)
    }
    var image = [Double](repeating: 0, count: n.image.count)
    var filter = [Double](repeating: 0, count: n.filter.count)
    Self.eachTerm(g) {
      image[$0] += weights[$2] * Double(n.filter[$1])
      filter[$1] += weights[$2] * Double(n.image[$0])
    }
    let byImage = slopes(at: n.image.exact, step: 0.5) { loss($0, n.filter.exact) }
    let byFilter = slopes(at: n.filter.exact, step: 0.5) { loss(n.image.exact, $0) }
    #expect(zip(image, byImage).allSatisfy { abs($0 - $1) < 1e-10 })
    #expect(zip(filter, byFilter).allSatisfy { abs($0 - $1) < 1e-10 })
  }

  @Test func workspaceIsBoundedByTheBlock() {
    let small = Self.geometry(1, 64, 64, 64, 64, kernel: (3, 3), padding: (1, 1, 1, 1))
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
