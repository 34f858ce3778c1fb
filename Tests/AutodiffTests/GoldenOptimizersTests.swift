import Autodiff
import CPUBackend
import Execution
import TestSupport
import Testing

/// Ten steps of each optimizer against torch.optim's.
struct GoldenOptimizersTests {
  struct Case: @unchecked Sendable, CustomStringConvertible {
    // Unchecked: the options are JSON, read only.
    let name: String
    let optimizer: String
    let options: [String: Any]
    var description: String { name }

    func number(_ key: String) -> Float { Float(options[key] as? Double ?? .nan) }

    func rule(step: Int) -> UpdateRule {
      if optimizer == "SGD" {
        return .sgd(
          learningRate: number("lr"), momentum: number("momentum"),
          nesterov: options["nesterov"] as? Bool ?? false, decay: number("weight_decay"))
      }
      let betas = (options["betas"] as? [Double] ?? []).map(Float.init)
      let moments = UpdateRule.Moments(
        learningRate: number("lr"), beta1: betas[0], beta2: betas[1], epsilon: number("eps"),
        decay: number("weight_decay"), step: step)
      return optimizer == "AdamW" ? .adamW(moments) : .adam(moments)
    }
  }

  static let cases: [Case] = {
    let file = try? GoldenFile("optimizers")
    let described = (try? file?.json("cases")) as? [[String: Any]] ?? []
    return described.map {
      Case(
        name: $0["name"] as? String ?? "", optimizer: $0["optimizer"] as? String ?? "",
        options: $0["options"] as? [String: Any] ?? [:])
    }
  }()

  @Test func allCasesAreThere() { #expect(Self.cases.count == 8) }

  /// The gradient is fed: that of `sum(parameter * input)` is the input.
  @Test(arguments: cases)
  func tenStepsAreThoseOfPyTorch(_ golden: Case) throws {
    let (steps, size) = (10, 7)
    let graph = Graph()
    let parameter = Scope(graph).parameter("parameter", [size], .constant(0), decays: true)
    graph.differentiate((parameter * graph.input("gradient", [size])).sum())
    let run = GraphRun(graph)
    run.set("parameter", HashedNumbers.values("parameter", count: size))
    let updater = Updater(run.session)
    let gradients = HashedNumbers.values("gradient", count: steps * size)
    let expected = try GoldenFile("optimizers").numbers(golden.name + ".parameter")

    for step in 0..<steps {
      let rows = (step * size)..<((step + 1) * size)
      run.run(["gradient": Array(gradients[rows])])
      let norm = updater.sumGradients()
      let squares = gradients[rows].reduce(0.0) { $0 + Double($1) * Double($1) }
      #expect(abs(norm - squares.squareRoot()) < 1e-6)
      updater.update(golden.rule(step: step + 1), gradientScale: 1)
      let difference = largestDifference(
        run.parameters.read(parameter: 0), Array(expected[rows]))
      #expect(difference < 2e-6, "after step \(step + 1)")
    }
  }
}
