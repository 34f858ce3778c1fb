import Autodiff
import Configuration
import Execution
import Inference
import Priors

/// A continuous prior as a task.
struct ContinuousTask: TrainingTask {
  let run: ContinuousRunConfiguration
  let data: VectorData
  let tell: (ContinuousScore, _ step: Int) -> Void

  var model: ContinuousModel { ContinuousModel(run, data.grid) }
  var layout: ParameterLayout { ContinuousPrior.parameterLayout(run.model, data.grid) }
  var leastBytes: Double {
    let shape = run.model.transformer
    let rows = Double(run.training.microBatch * data.grid.vectors)
    let ofHead = run.model.head.diffusion.map { Double($0.levels * $0.width * $0.layers) } ?? 0
    return rows * (Double((shape.width + shape.hiddenWidth) * shape.layers) + ofHead) * 4
  }
  var sizeKeys: [String] { ["model.width", "model.layers", "model.head.width", "data.patch"] }

  func batches() -> any BatchSource {
    VectorBatches(
      data, data.training.set, data.training.images, items: run.training.batchSize,
      run.model.transformer, seed: UInt64(bitPattern: Int64(run.training.seed)))
  }

  func evaluation<B: Backend>(
    _ forward: ForwardPass<B>, shouldStop: @escaping () -> Bool
  ) -> any ModelEvaluation {
    ContinuousEvaluation(forward, data, run, shouldStop: shouldStop, tell: tell)
  }

  var trainingSet: String { data.hash }
  func otherData(folder: String) -> any Error { VectorError.otherImages(folder: folder) }
  func describe(folder: String) throws { try data.vectors.write(to: folder) }
  var counts: [(name: String, count: Int)] {
    [("trainingImages", data.trainingImages), ("validationImages", data.validationImages)]
  }
}

/// Trains a continuous prior on patches of images or on latents, into a folder.
public final class ContinuousTrainer<B: Backend> {
  private let trainer: TaskTrainer<B, ContinuousTask>
  private let observer: any ContinuousObserver

  /// A run over vectors in memory.
  public init(
    _ run: ContinuousRunConfiguration, data: VectorData, in place: RunPlace, backend: B,
    threads: Int, observer: any ContinuousObserver
  ) throws {
    self.observer = observer
    let run = try place.keepingLanes(run).choosingLanes(
      cores: place.cores(threads), processes: place.processes, vectors: data.grid.vectors)
    trainer = try TaskTrainer(
      ContinuousTask(run: run, data: data) { observer.didEvaluate($0, step: $1) },
      in: place, backend: backend, threads: threads)
  }

  /// The configuration, with lanes and micro-batch chosen.
  public var run: ContinuousRunConfiguration { trainer.task.run }

  /// The plan of a training step, to be printed.
  public var plan: Plan { trainer.plan }

  /// Where the time of some steps goes, after one in which memory is touched for the first time; their
  /// weights are not kept.
  public func trace(steps: Int) throws -> Trace { try trainer.trace(steps: steps) }

  /// Trains; likewise ``TokenizerTrainer/train()``.
  public func train() throws -> RunEnd {
    let data = trainer.task.data
    observer.trainingWillBegin(
      ContinuousOverview(
        trainingImages: data.trainingImages, validationImages: data.validationImages,
        grid: data.grid, hasPixels: data.training.set.hasPixels, size: trainer.size))
    return try trainer.train(observer: observer)
  }
}

/// Who watches the run of a continuous prior.
public protocol ContinuousObserver: RunObserver {
  /// The run is about to start or resume.
  func trainingWillBegin(_ overview: ContinuousOverview)
  /// The weights were evaluated on held-out images.
  func didEvaluate(_ score: ContinuousScore, step: Int)
}

/// Overview before a run of a continuous prior.
public struct ContinuousOverview: Sendable {
  /// Images to train on, and to evaluate with.
  public let trainingImages, validationImages: Int
  /// What vectors are.
  public let grid: VectorGrid
  /// Whether they are patches of pixels.
  public let hasPixels: Bool
  /// Parameters, lanes and memory.
  public let size: RunSize
}
