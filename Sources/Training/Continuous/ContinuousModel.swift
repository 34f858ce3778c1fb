import Autodiff
import Configuration
import Datasets
import Execution
import Files
import Foundation
import Priors
import Randomness

/// A continuous prior as a model to train.
///
/// Inputs, an item an image: "vectors" `[n, vectors, numbers]`, "classes" `[n]`, "noise" and "keys" `[n]`,
/// from which the noise of a diffusion head and dropout are made.
struct ContinuousModel: TrainableModel {
  /// All steps are alike.
  struct Variant: Hashable {}

  static let squaredError = "squaredError"
  static let nats = "nats"

  private let run: ContinuousRunConfiguration
  private let grid: VectorGrid

  init(_ run: ContinuousRunConfiguration, _ grid: VectorGrid) {
    (self.run, self.grid) = (run, grid)
  }

  var variants: [Variant] { [Variant()] }
  func variant(ofStep step: Int) -> Variant { Variant() }
  func batch(_ variant: Variant) -> BatchShape {
    BatchShape(items: run.training.batchSize, itemsPerReplay: max(1, run.training.microBatch))
  }

  func record(_ variant: Variant) -> RecordedStep { record(trains: true) }
  func recordEvaluation(_ variant: Variant) -> RecordedStep { record(trains: false) }

  /// What is evaluated has nothing dropped.
  func evaluatesTrainingLoss(_ variant: Variant) -> Bool { run.model.transformer.dropout == 0 }

  private func record(trains: Bool) -> RecordedStep {
    let graph = Graph()
    let items = max(1, run.training.microBatch)
    let prior = ContinuousPrior(run.model, grid, in: Scope(graph))
    let drops = trains && run.model.transformer.dropout > 0
    let losses = prior.losses(
      classes: graph.input("classes", [items], type: .index),
      vectors: graph.input("vectors", [items, grid.vectors, grid.numbers]),
      noiseKeys: graph.input("noise", [items], type: .index),
      dropout: drops ? graph.input("keys", [items], type: .index) : nil)
    var statistics: [String: Tensor] = [:]
    statistics[Self.squaredError] = losses.squaredError
    statistics[Self.nats] = losses.nats
    return RecordedStep(graph, loss: losses.loss, statistics: statistics)
  }

  var items: String { "images" }

  func module(ofParameter name: String) -> String {
    if name.hasPrefix("head") { return "head" }
    return name.hasPrefix("model") ? "blocks" : "input"
  }
}

/// The images of a step as a continuous prior reads them: a function of the seed and the step alone.
final class VectorBatches: BatchSource {
  private let set: VectorDataset
  private let images: [Int]
  private let items: Int
  private let places: [Int]
  private let scale: VectorScale
  private let mirrors: Bool
  private let order: BatchOrder?
  private let random: Generator
  private let classDropout: Double

  private let vectors: UnsafeMutablePointer<Float>
  private let classes, noise, keys: UnsafeMutablePointer<Int32>

  /// Batches to train on, in a seeded order; or, without a seed, all images once, in turn: the last
  /// batch is filled up with the first images.
  init(
    _ data: VectorData, _ set: VectorDataset, _ images: [Int], items: Int,
    _ transformer: TransformerConfiguration, seed: UInt64?
  ) {
    (self.set, self.images, self.items, scale) = (set, images, items, data.scale)
    places = transformer.order.places(rows: set.grid.rows, columns: set.grid.columns)
    mirrors = data.mirrors && seed != nil
    order = seed.map { BatchOrder(count: images.count, batchSize: items, seed: $0) }
    random = Generator(seed: seed ?? 0).split(named: "continuous")
    classDropout = seed == nil ? 0 : transformer.classDropout
    vectors = .allocate(capacity: items * set.grid.count)
    (classes, noise, keys) = (
      .allocate(capacity: items), .allocate(capacity: items), .allocate(capacity: items)
    )
  }

  deinit {
    vectors.deallocate()
    for buffer in [classes, noise, keys] { buffer.deallocate() }
  }

  /// How many batches hold all images at least once.
  var count: Int { (images.count + items - 1) / items }

  func withBatch<Result>(step: Int, _ body: (Batch) throws -> Result) throws -> Result {
    let chance = random.split(UInt64(step))
    for item in 0..<items {
      let sample = step * items + item
      let image = images[order?.image(ofSample: sample) ?? sample % images.count]
      var own = chance.split(UInt64(item))
      let isDropped = own.bernoulli(classDropout)
      classes[item] = set.grid.entry(ofClass: isDropped ? nil : set.label(of: image))
      keys[item] = Int32(truncatingIfNeeded: own.next())
      noise[item] = Int32(truncatingIfNeeded: own.next())
      set.copy(
        image, in: places, scale: scale, isMirrored: mirrors && own.bernoulli(0.5),
        to: vectors + item * set.grid.count)
    }
    return try body(
      Batch([
        ("vectors", UnsafeRawPointer(vectors)), ("classes", UnsafeRawPointer(classes)),
        ("noise", UnsafeRawPointer(noise)), ("keys", UnsafeRawPointer(keys)),
      ]))
  }

  func stop() {}
}

/// How well a continuous prior does on held-out images.
public struct ContinuousScore: Sendable, Equatable {
  /// How many images were evaluated.
  public let images: Int
  /// What training minimizes.
  public let loss: Double
  /// The mean squared error of a gaussian head's prediction, of numbers with deviation 1/2.
  public let squaredError: Double?
  /// Bits of an image to one of its pixels, by the density of a gaussian head over pixels.
  public let bitsPerPixel: Double?

  /// The numbers of the log, by name.
  var numbers: [(String, Double)] {
    [("loss", loss)]
      + [("squaredError", squaredError), ("bitsPerPixel", bitsPerPixel)].compactMap {
        name, value in value.map { (name, $0) }
      }
  }
}

/// Evaluates a continuous prior by its loss on held-out images, always with the same noise.
final class ContinuousEvaluation<B: Backend>: ModelEvaluation {
  private let forward: ForwardPass<B>
  private let batches: VectorBatches
  private let set: VectorDataset
  private let scale: VectorScale
  private let images: Int
  private let monitor: MonitorConfiguration
  private let shouldStop: () -> Bool
  private let tell: (ContinuousScore, Int) -> Void

  init(
    _ forward: ForwardPass<B>, _ data: VectorData, _ run: ContinuousRunConfiguration,
    shouldStop: @escaping () -> Bool, tell: @escaping (ContinuousScore, _ step: Int) -> Void
  ) {
    self.forward = forward
    let held = data.heldOut(run.monitor.evaluationImages)
    batches = VectorBatches(
      data, data.validation.set, held, items: forward.items, run.model.transformer, seed: nil)
    (set, scale, monitor) = (data.validation.set, data.scale, run.monitor)
    images = batches.count * forward.items
    (self.shouldStop, self.tell) = (shouldStop, tell)
  }

  func canEvaluate(after step: Int) -> Bool { true }

  func evaluate(_ request: EvaluationRequest) throws -> Evaluation {
    let score = try score()
    var line = JSONObject([
      "kind": .string("evaluation"), "step": .integer(request.step), "images": .integer(images),
      "weights": .string(request.weights),
    ])
    for (name, value) in score.numbers { line.add(name, value) }
    line["seconds"] = .number(request.seconds)
    return Evaluation(value: -score.loss, line: line) { [tell] in tell(score, request.step) }
  }

  func heldOutLoss() throws -> HeldOutLoss { HeldOutLoss(loss: try score().loss) }

  private func score() throws -> ContinuousScore {
    var (loss, sums) = (0.0, [String: Double]())
    for step in 0..<batches.count {
      if shouldStop() { throw CancellationError() }
      let result = try batches.withBatch(step: step) { try forward.measure($0) }
      loss += result.loss / Double(batches.count)
      for (name, value) in result.statistics {
        sums[name, default: 0] += value / Double(batches.count)
      }
    }
    let channels = Double(set.patches.channels)
    return ContinuousScore(
      images: images, loss: loss, squaredError: sums[ContinuousModel.squaredError],
      bitsPerPixel: set.hasPixels
        ? sums[ContinuousModel.nats].map { ($0 / M_LN2 + scale.bitsOfOne) * channels } : nil)
  }

  var heldOutItems: Int { images }
  var measure: Double { 4 }
  var keepsBest: Bool { monitor.keepBest == .loss }
}
