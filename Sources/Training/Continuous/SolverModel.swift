import Autodiff
import Configuration
import Execution
import Files
import Foundation
import Priors
import Solvers

/// The steps of a few-step solver as a model to train: its states against those of a finer teacher.
///
/// All of it is one graph over frozen weights of a prior. For each vector: noise, the teacher's states y_n at
/// all levels by Heun's method, and, from each of them, the solver's step
///
///     x = y + c (t_n - t) v(y + (s - t) v(y, t), s)        s = t_n^r t^(1 - r)
///
/// with r and c of the predictor. Minimized is the mean of |x - y_n|^2 / (1 + 4 t_n^2), over steps: what of
/// an error at t_n comes to the end, were the data normally distributed with deviation 1/2.
struct SolverModel: TrainableModel {
  /// All steps are alike.
  struct Variant: Hashable {}

  static let lastError = "lastError"

  private let run: SolverRunConfiguration
  private let prior: ContinuousConfiguration
  private let grid: VectorGrid

  init(_ run: SolverRunConfiguration, of prior: ContinuousConfiguration, _ grid: VectorGrid) {
    (self.run, self.prior, self.grid) = (run, prior, grid)
  }

  var variants: [Variant] { [Variant()] }
  func variant(ofStep step: Int) -> Variant { Variant() }
  func batch(_ variant: Variant) -> BatchShape {
    BatchShape(items: run.training.batchSize, itemsPerReplay: max(1, run.training.microBatch))
  }

  func recordEvaluation(_ variant: Variant) -> RecordedStep { record(variant) }

  /// Declares the prior's weights, frozen, and the predictor's.
  static func declare(
    _ run: SolverRunConfiguration, _ prior: ContinuousConfiguration, _ grid: VectorGrid,
    in graph: Graph
  ) -> (prior: ContinuousPrior, predictor: StepPredictor) {
    let scope = Scope(graph)
    return (
      ContinuousPrior(prior, grid, in: scope.frozen),
      StepPredictor(
        run.solver.predictor, steps: run.solver.steps, known: prior.transformer.width,
        in: scope["predictor"])
    )
  }

  func record(_ variant: Variant) -> RecordedStep {
    let graph = Graph()
    let items = max(1, run.training.microBatch)
    let (model, predictor) = Self.declare(run, prior, grid, in: graph)
    let z = model.known(
      classes: graph.input("classes", [items], type: .index),
      vectors: graph.input("vectors", [items, grid.vectors, grid.numbers]))
    let rows = items * grid.vectors
    let known = z.reshaped([rows, z.shape.channels]).stoppingGradient()
    let condition = model.condition(known, isFew: false)
    let field = Field(model: model, condition: condition, rows: rows)
    let schedule = run.solver.schedule
    let levels = schedule.levels(steps: run.solver.steps)
    let keys = graph.input("noise", [items], type: .index)
    let noise = graph.normalNoise([items, grid.vectors, grid.numbers], site: 9, keys: keys)
      .reshaped([rows, grid.numbers])
    var teacher = noise * Float(levels[0])
    var student = teacher
    let learned = predictor(known)

    var (terms, lastError): ([Tensor], Tensor) = ([], teacher)
    for step in 0..<run.solver.steps {
      let (t, u) = (levels[step], levels[step + 1])
      let start = run.solver.start == .student ? student.stoppingGradient() : teacher
      let inner = schedule.levels(between: t, u, count: run.solver.teacherPoints)
      // The teacher's first direction from here is the solver's, where both start alike.
      let first = field.velocity(teacher, t).stoppingGradient()
      let own =
        run.solver.guessesFirst && step == 0
        ? start * Float(1 / (1 + t * t).squareRoot())
        : run.solver.start == .student && step > 0
          ? field.velocity(start, t).stoppingGradient() : first
      var (state, direction, time) = (teacher, first, t)
      for (index, next) in (inner + [u]).enumerated() {
        if index > 0 { direction = field.velocity(state, time) }
        let ahead = field.moved(state, direction, by: next - time)
        let end = field.velocity(ahead, next)
        let share = Float((next - time) / 2)
        state = Tensor.elementwise("teacher", state, direction, end) {
          $0[0] + .constant(share) * ($0[1] + $0[2])
        }.stoppingGradient()
        time = next
      }
      teacher = state
      let end = field.learnedStep(
        start, own, from: t, to: u, r: part(learned.r, step), c: part(learned.c, step))
      student = end
      let weight = Float(1 / (1 + 4 * u * u))
      let error = meanSquaredError(end, teacher)
      terms.append(error * weight)
      lastError = error
    }
    let loss = terms.dropFirst().reduce(terms[0]) { $0 + $1 } * Float(1 / Double(terms.count))
    return RecordedStep(graph, loss: loss, statistics: [Self.lastError: lastError])
  }

  /// A column of `[rows, steps]`, `[rows]`.
  private func part(_ x: Tensor, _ step: Int) -> Tensor {
    x.slice(step..<step + 1, axis: 1).reshaped([x.shape[0]])
  }

  /// The velocities of a head whose conditions are known.
  private struct Field {
    let model: ContinuousPrior
    let condition: Tensor
    let rows: Int

    /// The velocity of all states at one level.
    func velocity(_ x: Tensor, _ t: Double) -> Tensor {
      let zeros = condition.channels(0..<1).reshaped([rows]) * 0
      return model.velocity(
        x, logLevels: zeros + Float(log(t)), condition: condition, isFew: false)
    }

    /// States, moved along velocities for a time.
    func moved(_ x: Tensor, _ v: Tensor, by time: Double) -> Tensor {
      .elementwise("moved", x, v) { $0[0] + .constant(Float(time)) * $0[1] }
    }

    /// A step whose place and factor are learned, `r` and `c` `[rows]`.
    func learnedStep(
      _ x: Tensor, _ v: Tensor, from t: Double, to u: Double, r: Tensor, c: Tensor
    ) -> Tensor {
      let numbers = x.shape[1]
      let logLevels = r * Float(log(u) - log(t)) + Float(log(t))
      let place = Tensor.elementwise("place", x, v, logLevels.repeated(numbers, at: 1)) {
        $0[0] + (exp($0[2]) - .constant(Float(t))) * $0[1]
      }
      let seen = model.velocity(
        place, logLevels: logLevels, condition: condition, isFew: false)
      return .elementwise("learned step", x, seen, c.repeated(numbers, at: 1)) {
        $0[0] + .constant(Float(u - t)) * $0[2] * $0[1]
      }
    }
  }

  var items: String { "images" }
  func module(ofParameter name: String) -> String { "predictor" }
}
