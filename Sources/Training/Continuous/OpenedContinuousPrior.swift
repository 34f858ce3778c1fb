import Configuration
import Evaluation
import Execution
import Files
import Inference
import Priors
import Solvers

/// A continuous prior's checkpoint, opened: weights in memory, ready to draw.
public final class OpenedContinuousPrior<B: Backend> {
  /// Its folder.
  public let folder: String
  /// The run that trained it.
  public let run: ContinuousRunConfiguration
  /// What its vectors are.
  public let vectors: PriorVectors
  /// A hash of what decides what it draws: its shape, its vectors, its weights.
  public let fingerprint: String

  private let parameters: ParameterMemory<B>
  private let threads: Int

  /// Reads a checkpoint's configuration and weights.
  ///
  /// - Parameters:
  ///   - folder: the run's folder.
  ///   - file: which of its weights.
  /// - Throws: ``TrainingError``; `ConfigurationError`; `MemoryShortage`.
  public init(folder: String, weights file: String, backend: B, threads: Int) throws {
    let checkpoint = Checkpoint(folder: folder)
    run = try checkpoint.readContinuousConfiguration()
    vectors = try checkpoint.readPriorVectors()
    let layout = ContinuousPrior.parameterLayout(run.model, vectors.grid)
    var need = MemoryNeed()
    need.add("weights", bytes: 4 * Double(layout.words), keys: ["model.width", "model.layers"])
    try MemoryLimits().check(need, "\(folder): the prior of \(Checkpoint.configurationFile)")
    parameters = ParameterMemory(layout, on: backend)
    let weights = try checkpoint.readModel(file, into: parameters)
    if let name = parameters.firstNonFinite() {
      throw TrainingError.damaged(
        file: checkpoint.path(file), reason: "\"\(name)\" holds a number that is not finite")
    }
    let scale = vectors.scale
    fingerprint = Fingerprint.hexadecimal(
      Fingerprint.hash(
        of: [
          Fingerprint.hash(run.model.resolved),
          Fingerprint.hash("\(vectors.patches) \(scale.mean) \(scale.deviation)"),
          weights.value,
        ]))
    (self.folder, self.threads) = (folder, threads)
  }

  /// Whether it was trained with images without a class.
  public var knowsNone: Bool {
    vectors.classes.isEmpty || run.model.transformer.classDropout > 0
  }

  /// What draws vectors.
  ///
  /// - Parameter solver: a solver that was trained for this prior, for `amed`.
  public func sampler(with solver: OpenedSolver<B>? = nil) -> VectorSampler<B> {
    VectorSampler(
      run.model, vectors.grid, parameters: parameters, lanes: threads, threads: threads,
      planner: solver.map { solver in { solver.planner(rows: $0) } })
  }
}

/// How nearly the trajectories of vectors lie on a line, and in a plane.
public struct Planarity: Sendable, Equatable {
  /// The share of a trajectory's variance about its mean along one direction, the mean over trajectories.
  public let line: Double
  /// The share in the plane of two.
  public let plane: Double

  /// The shares of trajectories, each some states of one width.
  ///
  /// They are those of the largest eigenvalues of the states' inner products, after the mean is taken off.
  /// Source: Zhou et al., "Fast ODE-based sampling for diffusion models in around 5 steps", 2024.
  public init(of trajectories: [[[Double]]]) {
    var (first, second) = (0.0, 0.0)
    for states in trajectories {
      let count = states.count
      let mean = (0..<states[0].count).map { i in
        states.reduce(0) { $0 + $1[i] } / Double(count)
      }
      let centred = states.map { zip($0, mean).map(-) }
      let products = (0..<count * count).map { index in
        zip(centred[index / count], centred[index % count]).reduce(0) { $0 + $1.0 * $1.1 }
      }
      let values = SymmetricMatrix(size: count, elements: products).eigenvalues
        .map { max(0, $0) }.sorted(by: >)
      let total = values.reduce(0, +)
      first += total > 0 ? values[0] / total : 1
      second += total > 0 ? values.prefix(2).reduce(0, +) / total : 1
    }
    (line, plane) = (first / Double(trajectories.count), second / Double(trajectories.count))
  }
}

extension OpenedContinuousPrior {
  /// How nearly the trajectories of its head lie in a plane: of the first 8 vectors of 16 images, at the
  /// levels of 18 steps.
  public var planarity: Planarity {
    let requests = (0..<16).map { number in
      VectorSampler<B>.Request(
        number: number,
        label: vectors.classes.isEmpty ? nil : number % vectors.classes.count)
    }
    let options = VectorSamplingOptions(seed: 1)
    return Planarity(of: sampler().trajectories(of: requests, options, places: 8))
  }
}

/// A trained solver, opened: its steps in memory.
public final class OpenedSolver<B: Backend> {
  /// Its folder.
  public let folder: String
  /// The solver.
  public let configuration: SolverConfiguration
  private let parameters: ParameterMemory<B>
  private let channels: Int

  /// Reads a solver's configuration and steps.
  ///
  /// - Throws: ``VectorError`` where it was trained for another checkpoint; ``TrainingError``.
  public init(
    folder: String, for prior: OpenedContinuousPrior<B>,
    weights file: String = Checkpoint.modelFile,
    backend: B
  ) throws {
    let checkpoint = Checkpoint(folder: folder)
    configuration = try checkpoint.readSolverConfiguration().solver
    guard try checkpoint.readSolvedPrior().fingerprint == prior.fingerprint else {
      throw VectorError.otherCheckpoint(folder: folder, checkpoint: prior.folder)
    }
    channels = prior.run.model.transformer.width
    parameters = ParameterMemory(
      StepPlanner<B>.parameterLayout(
        configuration.predictor, steps: configuration.steps, channels: channels), on: backend)
    try checkpoint.readModel(file, into: parameters)
    if let name = parameters.firstNonFinite() {
      throw TrainingError.damaged(
        file: checkpoint.path(file), reason: "\"\(name)\" holds a number that is not finite")
    }
    self.folder = folder
  }

  func planner(rows: Int) -> StepPlanner<B> {
    StepPlanner(
      configuration.predictor, steps: configuration.steps, channels: channels,
      parameters: parameters, rows: rows)
  }
}
