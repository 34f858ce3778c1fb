import Autodiff
import Configuration
import Layers
import Solvers

/// What learns where each step of a solver looks, and by how much it scales what it sees.
///
///     r = sigmoid(a)    c = 1 + 0.01 (2 sigmoid(b) - 1)    (a, b) = predictor(z, step)
///
/// A table has two numbers a step; a network also sees what the transformer knows of the vector. Both start
/// at r = 1/2, c = 1: the solver of second order that they improve on. Source: Zhou et al., "Fast
/// ODE-based sampling for diffusion models in around 5 steps", 2024.
public struct StepPredictor {
  private let steps: Int
  private let parts: Parts

  private enum Parts {
    case table(Tensor)
    case network(known: Linear, step: Tensor, hidden: Linear, output: Linear)
  }

  /// Declares the parameters.
  ///
  /// - Parameters:
  ///   - steps: steps of the solver.
  ///   - known: channels of what the transformer knows.
  public init(
    _ configuration: PredictorConfiguration, steps: Int, known: Int, in scope: Scope
  ) {
    self.steps = steps
    switch configuration {
    case .table:
      parts = .table(scope.parameter("steps", [steps, 2], .constant(0)))
    case .network:
      let width = 64
      parts = .network(
        known: Linear(known, width, in: scope["known"]),
        step: scope.parameter("steps", [steps, width], .normal(deviation: 0.5)),
        hidden: Linear(width, width, in: scope["hidden"]),
        output: Linear(width, 2, start: .constant(0), in: scope["output"]))
    }
  }

  /// r and c of each step for rows `[R, W]`: both `[R, steps]`.
  public func callAsFunction(_ known: Tensor) -> (r: Tensor, c: Tensor) {
    let rows = known.shape[0]
    let logits: Tensor
    switch parts {
    case .table(let table): logits = table.broadcast(to: [rows, steps, 2])
    case .network(let map, let step, let hidden, let output):
      let h = map(known).repeated(steps, at: 1) + step.broadcast(to: [rows, steps, 64])
      logits = output(silu(hidden(silu(h))))
    }
    func part(_ index: Int) -> Tensor {
      logits.slice(index..<index + 1, axis: 2).reshaped([rows, steps])
    }
    let scale = Formula.constant(Float(LearnedStep.directionScale))
    return (
      sigmoid(part(0)),
      .elementwise("direction", part(1)) { 1 + scale * (2 * sigmoid($0[0]) - 1) }
    )
  }
}

/// What learns the steps of a solver.
public enum PredictorConfiguration: String, Sendable, CaseIterable {
  /// A small network of what the transformer knows.
  case network
  /// Two numbers a step.
  case table
}
