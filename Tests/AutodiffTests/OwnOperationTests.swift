import Autodiff
import CPUBackend
import Execution
import Foundation
import TestSupport
import Testing

/// Operations that are declared outside the package: this module is as foreign as any.
struct OwnOperationTests {
  /// y = log(1 + e^x), with a gradient that the parts do not have where e^x overflows.
  struct Softplus: CompositeOperation {
    func value(of inputs: [Tensor]) -> Tensor {
      maximum(inputs[0], inputs[0] * 0) + log(exp(magnitude(inputs[0]) * -1) + 1)
    }

    func gradients(_ context: GradientContext) -> [Tensor?] {
      [context.gradient * sigmoid(context.inputs[0])]
    }
  }

  /// The product of two tensors, of whose gradients the second is left out and the first doubled.
  struct OddProduct: CompositeOperation {
    func value(of inputs: [Tensor]) -> Tensor { inputs[0] * inputs[1] }

    func gradients(_ context: GradientContext) -> [Tensor?] {
      [context.gradient * context.inputs[1] * 2, nil]
    }
  }

  /// The running sum of each row: `y[i, j] = sum over k <= j of x[i, k]`.
  struct CumulativeSum: Operator, CPUOperator {
    var isReversed = false

    func outputs(
      of inputs: [OutputDeclaration]
    ) throws(ShapeMismatch) -> [OutputDeclaration] {
      try require(inputs[0].shape.rank >= 1, "needs rows")
      return [inputs[0]]
    }

    func gradients(_ context: GradientContext) -> [Tensor?] {
      [context.gradient.apply(CumulativeSum(isReversed: !isReversed))]
    }

    func execute(_ operands: Operands) {
      let (shape, x, y) = (operands.shape(ofInput: 0), operands.input(0), operands.output(0))
      for row in 0..<shape.rows {
        var sum: Float = 0
        for column in 0..<shape.channels {
          let place =
            row * shape.channels + (isReversed ? shape.channels - 1 - column : column)
          sum += x[place]
          y[place] = sum
        }
      }
    }
  }

  /// Without a kernel.
  struct Unknown: Operator {
    func outputs(
      of inputs: [OutputDeclaration]
    ) throws(ShapeMismatch) -> [OutputDeclaration] {
      [inputs[0]]
    }
  }

  static let cases: [OperationCase] = [
    OperationCase(
      "softplus of one's own", [.numbers([4, 5], amplitude: 5)], build: { Softplus()($0[0]) },
      reference: { $0[0].map { max($0, 0) + log1p(exp(-abs($0))) } }),
    OperationCase(
      "cumulative sum of one's own", [.numbers([3, 6])],
      build: { $0[0].apply(CumulativeSum()) },
      reference: {
        $0[0].mapRows { row in row.indices.map { row[...$0].reduce(0, +) } }
      }),
  ]

  @Test(arguments: cases) func valueAndGradientAreThoseOfTheTwin(_ operation: OperationCase) {
    #expect(GradientCheck.valueError(operation) <= operation.tolerance)
    #expect(GradientCheck.gradientError(operation) <= operation.tolerance * 10)
  }

  /// The gradient is the one that is declared, not that of the parts; where it is `nil` nothing flows.
  @Test func theDeclaredGradientIsTheOneThatIsTaken() {
    let graph = Graph()
    let (a, b) = (graph.input("a", [2]), graph.input("b", [2]))
    let y = OddProduct()(a, b)
    let gradients = graph.differentiate(y.sum(), withRespectTo: [a, b])
    let results = GraphRun(graph, outputs: ["y": y, "da": gradients[0], "db": gradients[1]])
      .run(["a": [2, 3], "b": [5, 7]])
    #expect(results["y"] == [10, 21])
    #expect(results["da"] == [10, 14])
    #expect(results["db"] == [0, 0])
  }

  /// It costs no pass over memory of its own.
  @Test func aCompositeIsAView() {
    let graph = Graph()
    let (a, b) = (graph.input("a", [2]), graph.input("b", [2]))
    let plan = GraphRun(graph, outputs: ["y": OddProduct()(a, b)]).plan
    #expect(plan.instructions.map(\.operation.name) == ["product"])
  }

  @Test func anOperationWithoutAKernelIsTold() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let graph = Graph()
      _ = GraphRun(graph, outputs: ["y": graph.input("x", [2]).apply(Unknown())])
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("the CPU has no kernel for unknown"), "\(text)")
  }
}
