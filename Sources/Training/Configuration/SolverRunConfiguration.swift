import Configuration
import Priors
import Solvers

/// Everything the training of a solver's steps depends on: a configuration of kind "solver".
public struct SolverRunConfiguration: Sendable, Equatable, TrainedRun {
  /// The steps of a solver.
  public static var runKind: RunKind { .solver }

  /// Path of the schema by which editors complete and check the file, relative to it.
  public var schemaPath = "solver.schema.json"
  /// What is trained.
  public var kind = RunKind.solver
  /// What the run trains, in what time, with what result.
  public var description: String
  /// The folder of the continuous prior whose head is solved.
  public var checkpoint: String
  /// The solver.
  public var solver: SolverConfiguration
  /// How it is trained.
  public var training: TrainingConfiguration
  /// What the run measures and records, and how often.
  public var monitor: MonitorConfiguration

  /// Describes a run.
  public init(
    description: String = "", checkpoint: String,
    solver: SolverConfiguration = SolverConfiguration(),
    training: TrainingConfiguration = TrainingConfiguration(),
    monitor: MonitorConfiguration = MonitorConfiguration()
  ) {
    (self.description, self.checkpoint, self.solver) = (description, checkpoint, solver)
    (self.training, self.monitor) = (training, monitor)
  }
}

extension SolverRunConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Everything the training of a solver's steps depends on."
  /// A start that lacks the checkpoint.
  public static let standard = SolverRunConfiguration(checkpoint: "")

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("$schema", &schemaPath, "Path of the JSON Schema, relative to this file.")
    fields.choice("kind", &kind, among: [.solver], "What is trained.")
    fields.string(
      "description", &description, canBeEmpty: true,
      "What the run trains, in what time, with what result.")
    fields.string(
      "checkpoint", &checkpoint, isRequired: true, isPath: true,
      "Folder of the continuous prior whose head is solved.",
      remedy: "Name a folder, as in \"checkpoint\": \"checkpoints/continuous\", or by --from.")
    fields.object("solver", &solver, SolverConfiguration.summary)
    fields.object("training", &training[as: Self.self], TrainingConfiguration.summary)
    fields.object("monitor", &monitor[as: Self.self], MonitorConfiguration.summary)
  }
}

/// A few-step solver whose steps are learned: the key `solver` of a configuration of kind "solver".
public struct SolverConfiguration: Sendable, Equatable {
  /// Where a step of training starts.
  public enum Start: String, Sendable, CaseIterable {
    /// From the teacher's state.
    case teacher
    /// From the state that the solver itself came to.
    case student
  }

  /// Steps from the largest noise level to the smallest.
  public var steps: Int
  /// Whether the first direction is computed without an evaluation.
  public var guessesFirst: Bool
  /// What learns the steps.
  public var predictor: PredictorConfiguration
  /// Where a step of training starts.
  public var start: Start
  /// Points that the teacher puts between two levels.
  public var teacherPoints: Int
  /// The smallest noise level, where sampling ends.
  public var smallest: Double
  /// The largest, where it starts.
  public var largest: Double
  /// How much closer levels lie where noise is small.
  public var exponent: Double

  /// Describes a solver.
  public init(
    steps: Int = 3, guessesFirst: Bool = false, predictor: PredictorConfiguration = .network,
    start: Start = .teacher, teacherPoints: Int = 3, smallest: Double = 0.002,
    largest: Double = 80, exponent: Double = 7
  ) {
    (self.steps, self.guessesFirst, self.predictor) = (steps, guessesFirst, predictor)
    (self.start, self.teacherPoints) = (start, teacherPoints)
    (self.smallest, self.largest, self.exponent) = (smallest, largest, exponent)
  }

  /// The noise levels.
  public var schedule: NoiseSchedule {
    NoiseSchedule(smallest: smallest, largest: largest, exponent: exponent)
  }

  /// Evaluations of the head for a vector.
  public var evaluations: Int {
    Solver.amed.evaluations(steps: steps, guessesFirst: guessesFirst)
  }
}

extension SolverConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "A few-step solver whose steps are learned."
  /// Three steps.
  public static let standard = SolverConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "steps", &steps, in: .between(2, 64),
      "Steps from the largest noise level to the smallest, of two evaluations each.")
    fields.flag(
      "guessesFirst", &guessesFirst,
      "Whether the first direction is computed without an evaluation, which saves one (AFS).")
    fields.choice(
      "predictor", &predictor,
      "What learns the steps: a small network of what the transformer knows, or a table of two "
        + "numbers a step.")
    fields.choice(
      "start", &start,
      "Where a step of training starts: at the teacher's state, or at the solver's own.")
    fields.integer(
      "teacherPoints", &teacherPoints, in: .between(0, 64),
      "Noise levels that the teacher, Heun's method, puts between two levels of the solver.")
    fields.number(
      "smallest", &smallest, in: .between(1e-6, 1), "Noise level at which sampling ends.")
    fields.number(
      "largest", &largest, in: .between(1, 1e4), "Noise level from which sampling starts.")
    fields.number(
      "exponent", &exponent, in: .between(1, 20),
      "How much closer levels lie where noise is small (rho).")
    let (smallest, largest) = (smallest, largest)
    fields.check(
      "smallest", with: ["largest"], smallest < largest,
      expected: "less than largest = \(largest)", remedy: "Usual are 0.002 and 80.")
  }
}
