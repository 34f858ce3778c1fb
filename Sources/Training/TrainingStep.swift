import Autodiff
import Datasets
import Evaluation
import Execution
import Tokenizers

/// One update of the weights: the losses, their gradients, clipping, the optimizer.
///
/// The batch is split into micro-batches, which the lanes replay; the loss of the batch is the
/// mean over them.
final class TrainingStep<B: Backend> {
  /// What one pass over a batch tells.
  struct Outcome {
    /// What is minimized: the reconstruction loss plus the quantizer's own.
    let loss: Double
    /// The distance of images and reconstructions.
    let reconstruction: Double
    /// The mean squared error of images in [-1, 1].
    let squaredError: Double
    /// The norm of the gradient of all weights, before clipping.
    let gradientNorm: Double
    /// The quantizer's scalars, by name: means over the batch.
    let quantizer: [String: Double]
    /// How often codes were used in this batch at each depth of its tokens; nil where quantization is
    /// deferred.
    let depths: DepthUsage?
    /// The same, ids of all depths together.
    let usage: CodebookUsage?
  }

  let session: Session<B>

  /// Images of a batch.
  var images: Int { configuration.batchSize }

  /// Whether the decoder sees vectors that are not quantized.
  let isDeferred: Bool

  private let updater: Updater<B>
  private let configuration: TrainingConfiguration
  private let scalars: [String]
  private let codes: Int
  private let depth: Int
  /// The ids of a batch, in the order of its images.
  private let ids: UnsafeMutableBufferPointer<Int32>
  private let replays: Int

  /// Plans the step.
  ///
  /// - Parameters:
  ///   - probing: whether what the quantizer gets and gives can be read out, see
  ///     ``QuantizerProbe``.
  ///   - assigning: whether vectors and their codes can be read out, see ``CodeAssignments``.
  ///   - lender: a session whose memory it may use.
  convenience init(
    _ tokenizer: TokenizerConfiguration, imageSize: Int, _ configuration: TrainingConfiguration,
    parameters: ParameterMemory<B>, pool: LanePool, probing: Bool, assigning: Bool,
    lender: Session<B>? = nil
  ) {
    let objective = Objective(
      tokenizer, images: configuration.imagesPerReplay(imageSize: imageSize), size: imageSize,
      configuration.reconstructionLoss)
    self.init(
      objective, tokenizer, imageSize: imageSize, configuration, parameters: parameters, pool: pool,
      probing: probing, assigning: assigning, lender: lender)
  }

  /// Plans a step in which quantization is deferred, which uses the memory of one in which it is not.
  convenience init(
    deferredBefore step: TrainingStep, _ tokenizer: TokenizerConfiguration, imageSize: Int
  ) {
    let configuration = step.configuration
    let objective = Objective(
      tokenizer, images: configuration.imagesPerReplay(imageSize: imageSize), size: imageSize,
      configuration.reconstructionLoss, isDeferred: true)
    self.init(
      objective, tokenizer, imageSize: imageSize, configuration,
      parameters: step.session.parameters, pool: step.session.pool, lender: step.session)
  }

  private init(
    _ objective: Objective, _ tokenizer: TokenizerConfiguration, imageSize: Int,
    _ configuration: TrainingConfiguration, parameters: ParameterMemory<B>, pool: LanePool,
    probing: Bool = false, assigning: Bool = false, lender: Session<B>? = nil
  ) {
    self.configuration = configuration
    let images = configuration.imagesPerReplay(imageSize: imageSize)
    replays = configuration.batchSize / images
    scalars = (objective.quantized?.statistics ?? [:]).keys.sorted()
    isDeferred = objective.quantized == nil
    (codes, depth) = (tokenizer.quantizer.codebookSize, tokenizer.quantizer.depth)
    ids = .allocate(capacity: replays * (objective.quantized?.indices.shape.count ?? 0))
    ids.initialize(repeating: 0)
    let plan = Self.plan(
      objective, tokenizer, imageSize: imageSize, configuration, on: parameters.backend,
      probing: probing, assigning: assigning)
    session = Session(
      plan, parameters: parameters, lanes: configuration.lanes, pool: pool, borrowingFrom: lender)
    updater = Updater(session)
  }

  /// Plans the step of a run for images of a multiple of its size, and takes no memory for it.
  static func plan(_ run: RunConfiguration, multiple: Int = 1, on backend: B) -> Plan {
    let size = run.data.imageSize * multiple
    let training = run.training.forImages(multiple: multiple)
    let objective = Objective(
      run.tokenizer, images: training.imagesPerReplay(imageSize: size), size: size,
      training.reconstructionLoss)
    return plan(
      objective, run.tokenizer, imageSize: size, training, on: backend,
      probing: run.monitor.quantizer, assigning: run.quantizer.upkeep?.isNeeded ?? false)
  }

  private static func plan(
    _ objective: Objective, _ tokenizer: TokenizerConfiguration, imageSize: Int,
    _ configuration: TrainingConfiguration, on backend: B, probing: Bool, assigning: Bool
  ) -> Plan {
    let images = configuration.imagesPerReplay(imageSize: imageSize)
    let graph = objective.graph
    let codeGradient = graph.differentiate(
      objective.loss, seed: Float(images) / Float(configuration.batchSize),
      withRespectTo: probing ? [objective.codes] : [])
    var statistics = objective.quantized?.statistics ?? [:]
    statistics["loss"] = objective.loss
    statistics["reconstruction"] = objective.reconstruction
    statistics["squaredError"] = objective.squaredError
    var outputs: [String: Tensor] = [:]
    if let quantized = objective.quantized {
      outputs["indices"] = quantized.indices
      if assigning { outputs.merge(CodeAssignments.outputs(quantized)) { $1 } }
      if probing { outputs.merge(QuantizerProbe.outputs(quantized, codeGradient[0])) { $1 } }
    }
    return Plan(graph, outputs: outputs, statistics: statistics) {
      backend.workspace(for: $0, inputs: $1, outputs: $2)
    }
  }

  deinit { ids.deallocate() }

  /// Replays a batch and sums its gradients; `update` then moves the weights.
  ///
  /// - Parameters:
  ///   - batch: `[batchSize, H, W, 3]` in [-1, 1].
  ///   - probe: takes what the quantizer gets and gives, if anyone asks.
  ///   - assignments: takes vectors and their codes, if anyone asks.
  func measure(
    _ batch: UnsafePointer<Float>, probe: QuantizerProbe? = nil,
    assignments: CodeAssignments? = nil
  ) -> Outcome {
    let words = session.plan.inputs["images"]!.shape.count
    session.feed = { replay in replay.write("images", batch + replay.item * words) }
    if !isDeferred {
      let (target, count) = (IDs(first: ids.baseAddress!), ids.count / replays)
      session.collect = { replay in
        replay.read("indices", intoWords: target.first + replay.item * count)
        probe?.take(replay)
        assignments?.take(replay)
      }
    }
    session.run(items: replays)
    session.collect = { _ in }
    var depths: DepthUsage?
    if !isDeferred {
      depths = DepthUsage(codes: codes, depth: depth)
      // A vector that is not finite has no nearest code; the loss says so too, and ends the step.
      if ids.allSatisfy({ $0 >= 0 && Int($0) < codes }) { depths?.add(Array(ids)) }
    }
    return Outcome(
      loss: session.mean("loss"), reconstruction: session.mean("reconstruction"),
      squaredError: session.mean("squaredError"), gradientNorm: updater.sumGradients(),
      quantizer: Dictionary(uniqueKeysWithValues: scalars.map { ($0, session.mean($0)) }),
      depths: depths, usage: depths?.pooled)
  }

  /// Where replays write ids side by side, each at its own place.
  private struct IDs: @unchecked Sendable {
    let first: UnsafeMutablePointer<Int32>
  }

  /// Moves the weights along the gradients that were measured.
  ///
  /// - Parameters:
  ///   - step: counted from 0.
  ///   - gradientNorm: the norm of the gradients, for clipping.
  ///   - learningRate: instead of the configuration's.
  ///   - asking: sets what the update is to tell and keep besides.
  @discardableResult
  func update(
    step: Int, gradientNorm: Double, learningRate: Double? = nil,
    asking: (inout UpdateRequest) -> Void = { _ in }
  ) -> UpdateMeasurement {
    let clip = configuration.gradientClip
    let scale = clip > 0 && gradientNorm > clip ? clip / gradientNorm : 1
    let rate = learningRate ?? configuration.learningRate(ofStep: step)
    var request = UpdateRequest(
      configuration.optimizer.rule(step: step + 1, learningRate: rate),
      gradientScale: Float(scale))
    asking(&request)
    return updater.update(request)
  }

  /// The first layer that yields a number that is not finite, if any does, in the last batch.
  func firstNonFinite() -> String? {
    for item in 0..<replays {
      if let place = session.firstNonFinite(item: item) { return place }
    }
    return nil
  }
}

extension TrainingConfiguration {
  /// The learning rate of a step, counted from 0.
  public func learningRate(ofStep step: Int) -> Double {
    optimizer.learningRate * schedule.share(ofStep: step, steps: steps)
  }
}

extension OptimizerConfiguration {
  /// The numbers of a step, counted from 1.
  package func rule(step: Int, learningRate: Double) -> UpdateRule {
    func moments(_ beta1: Double, _ beta2: Double, _ epsilon: Double, _ decay: Double)
      -> UpdateRule.Moments
    {
      UpdateRule.Moments(
        learningRate: Float(learningRate), beta1: Float(beta1), beta2: Float(beta2),
        epsilon: Float(epsilon), decay: Float(decay), step: step)
    }
    switch self {
    case .adamw(let c): return .adamW(moments(c.beta1, c.beta2, c.epsilon, c.weightDecay))
    case .adam(let c): return .adam(moments(c.beta1, c.beta2, c.epsilon, 0))
    case .sgd(let c):
      return .sgd(
        learningRate: Float(learningRate), momentum: Float(c.momentum), nesterov: c.nesterov,
        decay: Float(c.weightDecay))
    }
  }
}
