import Autodiff
import Configuration
import Datasets
import Execution
import Files
import Foundation
import Inference
import Priors
import Solvers

/// The steps of a solver as a task.
struct SolverTask: TrainingTask {
  let run: SolverRunConfiguration
  let prior: ContinuousRunConfiguration
  let data: VectorData
  let identity: SolvedPrior
  let tell: (SolverScore, _ step: Int) -> Void

  var model: SolverModel { SolverModel(run, of: prior.model, data.grid) }
  var layout: ParameterLayout {
    let graph = Graph()
    _ = SolverModel.declare(run, prior.model, data.grid, in: graph)
    return ParameterLayout(graph.parameters)
  }
  var leastBytes: Double {
    Double(run.training.microBatch * data.grid.vectors * (prior.model.head.diffusion?.width ?? 1))
      * Double(8 * run.solver.steps)
  }
  var sizeKeys: [String] { ["solver.steps", "solver.teacherPoints"] }

  /// Reads the weights of the prior.
  func prepare<B: Backend>(_ parameters: ParameterMemory<B>) throws {
    let own = ParameterMemory(
      ContinuousPrior.parameterLayout(prior.model, data.grid), on: parameters.backend)
    try Checkpoint(folder: run.checkpoint).readModel(into: own)
    for (index, parameter) in own.layout.parameters.enumerated() {
      parameters.write(
        own.read(parameter: index), toParameter: parameters.layout.index(of: parameter.name)!)
    }
  }

  func batches() -> any BatchSource {
    VectorBatches(
      data, data.training.set, data.training.images, items: run.training.batchSize,
      prior.model.transformer, seed: UInt64(bitPattern: Int64(run.training.seed)))
  }

  func evaluation<B: Backend>(
    _ forward: ForwardPass<B>, shouldStop: @escaping () -> Bool
  ) -> any ModelEvaluation {
    let held = data.heldOut(run.monitor.evaluationImages)
    let source = VectorBatches(
      data, data.validation.set, held, items: forward.items, prior.model.transformer, seed: nil)
    return HeldOutBatches(
      forward, on: source, batches: source.count, items: model.items,
      keepsBest: run.monitor.keepBest == .loss
    ) { [tell] step, result in
      tell(
        SolverScore(
          loss: result.loss, lastError: result.statistics[SolverModel.lastError] ?? .nan),
        step)
    }
  }

  var trainingSet: String { data.hash }
  func otherData(folder: String) -> any Error { VectorError.otherImages(folder: folder) }
  func describe(folder: String) throws { try identity.write(to: folder) }
  var counts: [(name: String, count: Int)] {
    [("trainingImages", data.trainingImages), ("validationImages", data.validationImages)]
  }
}

/// Trains the steps of a solver for a continuous prior, into a folder.
public final class SolverTrainer<B: Backend> {
  private let trainer: TaskTrainer<B, SolverTask>
  private let observer: any SolverObserver

  /// A run over the images that the prior was trained on.
  ///
  /// - Parameters:
  ///   - prior: the checkpoint that `run` names, opened.
  ///   - data: its vectors.
  /// - Throws: ``VectorError`` for a head that is no diffusion model.
  public init(
    _ run: SolverRunConfiguration, prior: OpenedContinuousPrior<B>, data: VectorData,
    in place: RunPlace, backend: B, threads: Int, observer: any SolverObserver
  ) throws {
    self.observer = observer
    guard let head = prior.run.model.head.diffusion else {
      throw VectorError.noDiffusion(folder: prior.folder)
    }
    var run = try place.keepingLanes(run)
    // Each step has a few evaluations at a time in memory.
    let rows = data.grid.vectors * 4 * run.solver.steps * max(1, head.width / 256)
    run.training.chooseLanes(
      cores: place.cores(threads), processes: place.processes,
      mostItems: ContinuousRunConfiguration.mostChosenRows * 4 / max(1, rows))
    trainer = try TaskTrainer(
      SolverTask(
        run: run, prior: prior.run, data: data,
        identity: SolvedPrior(fingerprint: prior.fingerprint, checkpoint: prior.folder)
      ) { observer.didEvaluate($0, step: $1) },
      in: place, backend: backend, threads: threads)
  }

  /// The configuration, with lanes and micro-batch chosen.
  public var run: SolverRunConfiguration { trainer.task.run }

  /// The plan of a training step, to be printed.
  public var plan: Plan { trainer.plan }

  /// Where the time of some steps goes; their weights are not kept.
  public func trace(steps: Int) throws -> Trace { try trainer.trace(steps: steps) }

  /// Trains; likewise ``TokenizerTrainer/train()``.
  public func train() throws -> RunEnd {
    observer.trainingWillBegin(trainer.size)
    return try trainer.train(observer: observer)
  }
}

/// Who watches the training of a solver's steps.
public protocol SolverObserver: RunObserver {
  /// The run is about to start or resume.
  func trainingWillBegin(_ size: RunSize)
  /// The steps were evaluated on held-out images.
  func didEvaluate(_ score: SolverScore, step: Int)
}

/// How near a solver's steps come to its teacher's on held-out images.
public struct SolverScore: Sendable, Equatable {
  /// What training minimizes.
  public let loss: Double
  /// The mean squared error of the last step, at the smallest noise level.
  public let lastError: Double
}

/// What the folder of a solver says of the prior that it was trained for: `prior.json`.
public struct SolvedPrior: Codable, Equatable, Sendable {
  /// The file's name.
  public static let file = "prior.json"

  /// The prior's fingerprint.
  public let fingerprint: String
  /// The folder that it was in.
  public let checkpoint: String

  func write(to folder: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let text = String(decoding: try encoder.encode(self), as: UTF8.self)
    try AtomicFile.write(text + "\n", to: folder + "/" + Self.file)
  }
}

extension Checkpoint {
  /// The configuration that the training of a solver's steps was started with.
  public func readSolverConfiguration() throws -> SolverRunConfiguration {
    try readConfiguration(of: .solver)
  }

  /// The prior that a solver was trained for.
  public func readSolvedPrior() throws -> SolvedPrior {
    guard exists(SolvedPrior.file) else {
      throw TrainingError.noCheckpoint(folder: folder, missing: SolvedPrior.file)
    }
    do {
      let data = try Data(contentsOf: URL(fileURLWithPath: path(SolvedPrior.file)))
      return try JSONDecoder().decode(SolvedPrior.self, from: data)
    } catch {
      throw TrainingError.damaged(
        file: path(SolvedPrior.file), reason: "it does not say what prior the solver is of")
    }
  }
}
