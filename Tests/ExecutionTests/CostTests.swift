import Autodiff
import Execution
import TestSupport
import Testing

/// What instructions cost: operations of the direct algorithm, bytes of inputs and outputs.
struct CostTests {
  /// The costs of a plan, the cost of each kind of instruction once.
  static func costs(_ graph: Graph, _ outputs: [String: Tensor] = [:]) -> [String: Cost] {
    let plan = Plan(graph, outputs: outputs) { _, _, _ in 1000 }
    let instructions = plan.preparation + plan.instructions
    return Dictionary(instructions.map { ($0.kind, $0.cost) }, uniquingKeysWith: +)
  }

  /// Counted one by one: a filter of 3x2 that moves by 2 over a padded image.
  @Test func aConvolutionAndItsGradientsCostTheSame() {
    let graph = Graph()
    let x = silu(graph.input("x", [2, 7, 9, 3]))
    let scope = Scope(graph)["conv"]
    let filter = scope.parameter("weight", [3, 2, 3, 5], .constant(1), layout: .convolution)
    let bias = scope.parameter("bias", [5], .constant(0))
    let input = scope.parameter("input", [2, 7, 9, 3], .constant(0))
    let y = (x + input).convolved(
      with: filter, bias: bias,
      Convolution(stride: 2, padding: .init(top: 1, bottom: 1, left: 0, right: 1)))
    graph.differentiate(y.sum())

    // 4 rows, 5 columns of results, for each of which every tap of the filter is multiplied.
    var operations = 0
    for _ in 0..<(2 * 4 * 5 * 5) { for _ in 0..<(3 * 2 * 3) { operations += 2 } }
    let (image, result, taps) = (2 * 7 * 9 * 3, 2 * 4 * 5 * 5, 3 * 2 * 3 * 5)
    let costs = Self.costs(graph, ["y": y])
    #expect(
      costs["convolution 3x2, stride 2"]
        == Cost(operations: operations, bytes: 4 * (image + taps + 5 + result)))
    #expect(
      costs["convolution image gradient 3x2, stride 2"]
        == Cost(operations: operations, bytes: 4 * (result + taps + image)))
    // The gradients of parameters are read and written.
    #expect(
      costs["convolution filter gradient 3x2, stride 2"]
        == Cost(operations: operations, bytes: 4 * (result + image + 2 * (taps + 5))))
  }

  @Test(arguments: [(false, false), (true, false), (false, true), (true, true)])
  func aMatrixProductIsCountedHoweverItIsTransposed(first: Bool, second: Bool) {
    let graph = Graph()
    let a = graph.input("a", first ? [4, 7, 5] : [4, 5, 7])
    let b = graph.input("b", second ? [4, 6, 7] : [4, 7, 6])
    let y = matrixProduct(a, b, transposingFirst: first, transposingSecond: second)
    #expect(
      Self.costs(graph, ["y": y]) == [
        "matrix product": Cost(
          operations: 2 * 4 * 5 * 6 * 7, bytes: 4 * 4 * (5 * 7 + 7 * 6 + 5 * 6))
      ])
  }

  @Test func theNearestCodeIsAProductWithTheWholeCodebook() {
    let graph = Graph()
    let z = graph.input("z", [2, 3, 3, 8])
    let codebook = Scope(graph).parameter("codebook", [50, 8], .constant(0))
    let costs = Self.costs(graph, ["indices": z.nearestCodes(in: codebook)])
    #expect(
      costs["nearest code"]
        == Cost(operations: 2 * 18 * 50 * 8, bytes: 4 * (18 * 8 + 50 * 8 + 50 + 18)))
    #expect(costs["squared norms"] == Cost(operations: 0, bytes: 4 * (50 * 8 + 50)))
  }

  @Test func theKindTellsKernelsApart() {
    let graph = Graph()
    let scope = Scope(graph)
    let ones = scope.parameter("ones", [4], .constant(1))
    let x = graph.input("x", [1, 2, 2, 4])
    let filter = scope.parameter("weight", [1, 1, 4, 4], .constant(1), layout: .convolution)
    let plain = x.groupNormalized(groups: 2, scale: ones, shift: ones, epsilon: 1e-6)
    let fused = plain.groupNormalized(
      groups: 2, scale: ones, shift: ones, epsilon: 1e-6, activation: .silu)
    let y = fused.convolved(with: filter, bias: nil, Convolution())
    #expect(
      Self.costs(graph, ["y": y]).keys.sorted() == [
        "convolution 1x1", "group normalization", "group normalization, silu",
      ])
  }
}
