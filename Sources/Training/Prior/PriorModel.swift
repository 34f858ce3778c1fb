import Autodiff
import Configuration
import Datasets
import Execution
import Files
import Foundation
import Priors
import Randomness

/// A prior as a model to train: the mean negative log-likelihood of an image's ids, in nats.
///
/// Inputs, an item an image: "classes" `[n]` and "entries" `[n, tokens, depth]` of the vocabulary,
/// "targets" likewise, "keys" `[n]` for dropout.
struct PriorModel: TrainableModel {
  /// All steps are alike.
  struct Variant: Hashable {}

  static let nats = "nats"

  private let run: PriorRunConfiguration
  private let space: TokenSpace

  init(_ run: PriorRunConfiguration, _ space: TokenSpace) {
    (self.run, self.space) = (run, space)
  }

  /// The layout of a prior's parameters, in which its weights are read.
  static func parameterLayout(
    _ configuration: PriorConfiguration, _ space: TokenSpace
  ) -> ParameterLayout {
    let graph = Graph()
    _ = Prior(configuration, space, in: Scope(graph))
    return ParameterLayout(graph.parameters)
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
    let ids: Shape = [items, space.tokens, space.depth]
    let prior = Prior(run.model, space, in: Scope(graph))
    let drops = trains && run.model.transformer.dropout > 0
    let losses = prior.losses(
      classes: graph.input("classes", [items], type: .index),
      entries: graph.input("entries", ids, type: .index),
      targets: graph.input("targets", ids, type: .index),
      dropout: drops ? graph.input("keys", [items], type: .index) : nil)
    let loss = losses.mean()
    return RecordedStep(graph, loss: loss, statistics: [Self.nats: loss])
  }

  var items: String { "images" }

  func report(_ statistics: [String: Double]) -> [String: Double] {
    guard let nats = statistics[Self.nats] else { return statistics }
    return [PriorScore.bitsPerTokenKey: nats / M_LN2 * Double(space.depth)]
  }

  func module(ofParameter name: String) -> String {
    if name.hasPrefix("model.embed_tokens") { return "embedding" }
    return name.hasPrefix("lm_head") ? "head" : "blocks"
  }
}

/// The images of a step as a prior reads them: a function of the seed and the step alone.
final class TokenBatches: BatchSource {
  private let set: TokenSet
  private let images: [Int]
  private let items: Int
  private let places: [Int]
  private let order: BatchOrder?
  private let random: Generator
  private let classDropout: Double

  private let classes, entries, targets, keys: UnsafeMutablePointer<Int32>

  /// Batches to train on, in a seeded order; or, without a seed, all images once, in turn: the last
  /// batch is filled up with images whose targets are left out.
  init(
    _ set: TokenSet, _ images: [Int], items: Int, _ transformer: TransformerConfiguration,
    seed: UInt64?
  ) {
    (self.set, self.images, self.items) = (set, images, items)
    places = transformer.order.places(rows: set.rows, columns: set.columns)
    order = seed.map { BatchOrder(count: images.count, batchSize: items, seed: $0) }
    random = Generator(seed: seed ?? 0).split(named: "prior")
    classDropout = seed == nil ? 0 : transformer.classDropout
    let ids = items * set.space.ids
    (classes, keys) = (.allocate(capacity: items), .allocate(capacity: items))
    (entries, targets) = (.allocate(capacity: ids), .allocate(capacity: ids))
  }

  deinit {
    for buffer in [classes, entries, targets, keys] { buffer.deallocate() }
  }

  /// How many batches hold all images once.
  var count: Int { (images.count + items - 1) / items }

  func withBatch<Result>(step: Int, _ body: (Batch) throws -> Result) throws -> Result {
    let space = set.space
    let chance = random.split(UInt64(step))
    for item in 0..<items {
      let sample = step * items + item
      let isThere = order != nil || sample < images.count
      let image = images[order?.image(ofSample: sample) ?? min(sample, images.count - 1)]
      var own = chance.split(UInt64(item))
      let isDropped = own.bernoulli(classDropout)
      classes[item] = space.entry(ofClass: isDropped ? nil : set.label(of: image))
      keys[item] = Int32(truncatingIfNeeded: own.next())
      let start = item * space.ids
      set.copy(image, in: places, to: targets + start)
      for index in 0..<space.ids {
        entries[start + index] = space.entry(
          ofID: targets[start + index], depth: index % space.depth)
        if !isThere { targets[start + index] = -1 }
      }
    }
    return try body(
      Batch([
        ("classes", UnsafeRawPointer(classes)), ("entries", UnsafeRawPointer(entries)),
        ("targets", UnsafeRawPointer(targets)), ("keys", UnsafeRawPointer(keys)),
      ]))
  }

  func stop() {}
}

/// How well a prior predicts held-out tokens.
public struct PriorScore: Sendable, Equatable {
  /// How many images were evaluated.
  public let images: Int
  /// The mean negative log-likelihood of an id, in nats.
  public let natsPerID: Double
  /// What context is worth: the same with less of it.
  public let baselines: TokenEntropies
  /// Tokens of an image, ids of a token.
  public let tokens, depth: Int
  /// Pixels of an image, on average.
  public let pixels: Double

  static let bitsPerTokenKey = "bitsPerToken"

  /// Bits to tell a token, all its ids, given those before it and the class.
  public var bitsPerToken: Double { natsPerID / M_LN2 * Double(depth) }
  /// Bits to tell an image.
  public var bitsPerImage: Double { bitsPerToken * Double(tokens) }
  /// Bits of an image to one of its pixels.
  public var bitsPerPixel: Double { bitsPerImage / pixels }

  /// The numbers of the log, by name.
  var numbers: KeyValuePairs<String, Double> {
    [
      "loss": natsPerID, Self.bitsPerTokenKey: bitsPerToken, "bitsPerImage": bitsPerImage,
      "bitsPerPixel": bitsPerPixel, "budgetBits": baselines.budget,
      "marginalBits": baselines.marginal, "bigramBits": baselines.bigram,
    ]
  }
}

/// Evaluates a prior by the bits of held-out tokens.
final class PriorEvaluation<B: Backend>: ModelEvaluation {
  private let forward: ForwardPass<B>
  private let batches: TokenBatches
  private let set: TokenSet
  private let images: Int
  private let baselines: TokenEntropies
  private let monitor: MonitorConfiguration
  private let shouldStop: () -> Bool
  private let tell: (PriorScore, Int) -> Void

  init(
    _ forward: ForwardPass<B>, _ data: PriorData, _ run: PriorRunConfiguration,
    shouldStop: @escaping () -> Bool, tell: @escaping (PriorScore, _ step: Int) -> Void
  ) {
    self.forward = forward
    let held = data.heldOut(run.monitor.evaluationImages)
    batches = TokenBatches(
      data.validation.set, held, items: forward.items, run.model.transformer, seed: nil)
    (set, images, monitor) = (data.validation.set, held.count, run.monitor)
    (self.shouldStop, self.tell) = (shouldStop, tell)
    baselines = TokenEntropies(
      of: data.validation.set, held, learning: data.training.set, data.training.images,
      order: run.model.transformer.order)
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
    return Evaluation(value: -score.bitsPerToken, line: line) { [tell] in tell(score, request.step)
    }
  }

  func heldOutLoss() throws -> HeldOutLoss {
    let score = try score()
    return HeldOutLoss(
      loss: score.natsPerID, statistics: [PriorScore.bitsPerTokenKey: score.bitsPerToken])
  }

  private func score() throws -> PriorScore {
    var nats = 0.0
    for step in 0..<batches.count {
      if shouldStop() { throw CancellationError() }
      nats += try batches.withBatch(step: step) { try forward.loss(of: $0) } * Double(forward.items)
    }
    return PriorScore(
      images: images, natsPerID: nats / Double(images), baselines: baselines,
      tokens: set.space.tokens, depth: set.space.depth,
      pixels: Double(set.pixels) / Double(set.count))
  }

  var heldOutItems: Int { images }
  var measure: Double { 3 }
  var keepsBest: Bool { monitor.keepBest == .bits }
}
