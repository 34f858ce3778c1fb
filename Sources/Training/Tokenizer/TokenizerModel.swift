import Autodiff
import Datasets
import Evaluation
import Execution
import Foundation
import Tokenizers

/// The autoencoder as a model to train: the reconstruction loss plus the quantizer's own.
///
/// Its steps differ in the size of their images, and in whether quantization is deferred. The input
/// is "images", `[n, side, side, 3]` in [-1, 1]; where latents are drawn, also "keys" `[n]`.
struct TokenizerModel: TrainableModel {
  /// What tells steps apart.
  struct Variant: Hashable {
    /// The side of the images, as a multiple of the configured one.
    var multiple = 1
    /// Whether the decoder sees vectors that are not quantized.
    var isDeferred = false
  }

  /// Statistics beside the quantizer's own: the distance of images and reconstructions, and the mean
  /// squared error whatever the distance is.
  static let reconstruction = "reconstruction"
  static let squaredError = "squaredError"

  private let run: RunConfiguration
  private let sizes: SizeSchedule

  init(_ run: RunConfiguration) {
    self.run = run
    sizes = SizeSchedule(
      multiples: run.data.sizeMultiples, seed: UInt64(bitPattern: Int64(run.training.seed)))
  }

  var variants: [Variant] {
    Set(run.data.sizeMultiples + [1]).sorted().map { Variant(multiple: $0) }
  }

  func variant(ofStep step: Int) -> Variant {
    Variant(
      multiple: sizes.multiple(ofStep: step), isDeferred: run.defersQuantization(inStep: step + 1))
  }

  func batch(_ variant: Variant) -> BatchShape {
    let training = run.training.forImages(multiple: variant.multiple)
    return BatchShape(
      items: training.batchSize, itemsPerReplay: training.imagesPerReplay(imageSize: side(variant)))
  }

  func record(_ variant: Variant) -> RecordedStep {
    let pass = ForwardRecord(
      run, variant, batch(variant), side: side(variant),
      drawsNoise: run.quantizer.chosen.drawsNoise)
    var step = RecordedStep(
      pass.graph, loss: pass.loss, statistics: pass.quantized?.statistics ?? [:])
    step.statistics[Self.reconstruction] = pass.reconstruction
    step.statistics[Self.squaredError] = pass.squaredError
    if let quantized = pass.quantized {
      if quantized.hasIndices { step.outputs = TokenReader.outputs(quantized) }
      if run.upkeep?.isNeeded ?? false {
        step.outputs.merge(CodeAssignments.outputs(quantized)) { $1 }
      }
      if run.monitor.quantizer {
        step.outputs.merge(QuantizerProbe.outputs(quantized)) { $1 }
        step.gradients = [QuantizerProbe.gradient: pass.codes]
      }
    }
    return step
  }

  func recordEvaluation(_ variant: Variant) -> RecordedStep {
    let pass = ForwardRecord(
      run, Variant(multiple: variant.multiple), batch(variant), side: side(variant))
    return RecordedStep(pass.graph, loss: pass.loss, outputs: ["images": pass.images])
  }

  /// What is evaluated is quantized, and without noise.
  func evaluatesTrainingLoss(_ variant: Variant) -> Bool {
    !variant.isDeferred && !run.quantizer.chosen.drawsNoise
  }

  var items: String { "images" }

  /// The squared error as peak signal to noise in dB, of images in [-1, 1] before they are rounded.
  func report(_ statistics: [String: Double]) -> [String: Double] {
    var statistics = statistics
    if let squaredError = statistics.removeValue(forKey: Self.squaredError) {
      statistics[StepReport.psnrName] = 10 * log10(4 / squaredError)
    }
    return statistics
  }

  func module(ofParameter name: String) -> String {
    TokenizerPart(ofParameter: name).rawValue
  }

  var outsideOptimizer: OutsideOptimizer {
    var outside: OutsideOptimizer = []
    if run.replacesTrainedCodes { outside.insert(.replacesTrained) }
    if run.upkeep?.learning == .ema { outside.insert(.movesOthers) }
    return outside
  }

  private func side(_ variant: Variant) -> Int { run.data.imageSize * variant.multiple }
}

/// The forward pass of the images of one replay.
private struct ForwardRecord {
  let graph = Graph()
  /// What the bottleneck made of them; nil where quantization is deferred.
  let quantized: Quantized?
  /// What the decoder saw.
  let codes: Tensor
  /// The decoded images.
  let images: Tensor
  let reconstruction: Tensor
  let squaredError: Tensor
  let loss: Tensor

  init(
    _ run: RunConfiguration, _ variant: TokenizerModel.Variant, _ batch: BatchShape, side: Int,
    drawsNoise: Bool = false
  ) {
    let model = Tokenizer(run.trainedTokenizer, in: Scope(graph))
    let originals = graph.input("images", [batch.itemsPerReplay, side, side, 3])
    let latents = model.latents(of: originals)
    if variant.isDeferred {
      quantized = nil
    } else if drawsNoise {
      let keys = graph.input("keys", [batch.itemsPerReplay], type: .index)
      quantized = model.bottleneck.draw(latents, keys: keys)
    } else {
      quantized = model.bottleneck.quantize(latents)
    }
    codes = quantized?.codes ?? model.bottleneck.continuous(latents)
    images = model.decode(codes)
    switch run.training.reconstructionLoss {
    case .squared:
      reconstruction = meanSquaredError(images, originals)
      squaredError = reconstruction
    case .absolute:
      reconstruction = meanAbsoluteError(images, originals)
      squaredError = meanSquaredError(images.stoppingGradient(), originals)
    }
    var sum = reconstruction
    if let added = quantized?.auxiliaryLoss { sum = sum + added }
    // Of an image, a sum beside a mean over its values.
    if let added = quantized?.imageLoss { sum = sum + added * (1 / Float(side * side * 3)) }
    loss = sum
  }
}

// What is read of the tokens of a batch, in the order of its images. Replays write side by side, each at
// its own place, so that the order depends neither on lanes nor on threads, and nobody reads before all
// are done.

/// The ids of a batch, to be counted.
final class TokenReader: ReplayReader, @unchecked Sendable {
  private let codes: Int
  private let depth: Int
  /// `[tokens, depth]`.
  private let ids: UnsafeMutableBufferPointer<Int32>

  /// Room for the tokens of a batch.
  init(tokens: Int, codes: Int, depth: Int) {
    (self.codes, self.depth) = (codes, depth)
    ids = .allocate(capacity: tokens * depth)
    ids.initialize(repeating: 0)
  }

  deinit { ids.deallocate() }

  /// The values that a plan must keep.
  static func outputs(_ quantized: Quantized) -> [String: Tensor] {
    ["indices": quantized.indices]
  }

  func take<B: Backend>(_ replay: Session<B>.Replay) {
    replay.read(
      "indices",
      intoWords: ids.baseAddress! + replay.item * replay.words(ofOutput: "indices"))
  }

  var blocks: [UnsafeMutableRawBufferPointer] { [UnsafeMutableRawBufferPointer(ids)] }

  /// How often codes are used at each depth.
  var usage: DepthUsage {
    var usage = DepthUsage(codes: codes, depth: depth)
    // A vector that is not finite has no nearest code; the loss says so too, and ends the step.
    if ids.allSatisfy({ $0 >= 0 && Int($0) < codes }) { usage.add(Array(ids)) }
    return usage
  }
}

/// The vectors of a batch, each with its token: the input of EMA updates and dead-code revival.
final class CodeAssignments: ReplayReader, @unchecked Sendable {
  /// What the quantizer compares with codes, `[tokens, d]`: see ``Quantized/vectors``.
  let vectors: UnsafeMutableBufferPointer<Float>
  /// The token of each, an index for each codebook, `[tokens, depths]`.
  let indices: UnsafeMutableBufferPointer<Int32>

  /// Room for the tokens of a batch.
  ///
  /// - Parameters:
  ///   - dimension: numbers in a vector.
  ///   - depths: indices to a token.
  init(tokens: Int, dimension: Int, depths: Int) {
    vectors = .allocate(capacity: tokens * dimension)
    vectors.initialize(repeating: 0)
    indices = .allocate(capacity: tokens * depths)
    indices.initialize(repeating: 0)
  }

  deinit {
    vectors.deallocate()
    indices.deallocate()
  }

  /// The values that a plan must keep.
  static func outputs(_ quantized: Quantized) -> [String: Tensor] {
    ["vectors": quantized.vectors, "indices": quantized.indices]
  }

  var blocks: [UnsafeMutableRawBufferPointer] {
    [UnsafeMutableRawBufferPointer(vectors), UnsafeMutableRawBufferPointer(indices)]
  }

  func take<B: Backend>(_ replay: Session<B>.Replay) {
    let (words, tokens) = (
      replay.words(ofOutput: "vectors"), replay.words(ofOutput: "indices")
    )
    replay.read("vectors", intoWords: vectors.baseAddress! + replay.item * words)
    replay.read("indices", intoWords: indices.baseAddress! + replay.item * tokens)
  }
}

/// What the quantizer got and gave for every token of a batch, and the gradient at its output.
final class QuantizerProbe: ReplayReader, @unchecked Sendable {
  /// The vectors that were quantized, `[tokens, d]`: see ``Quantized/vectors``.
  let vectors: UnsafeMutableBufferPointer<Float>
  /// The codes that the decoder saw.
  let codes: UnsafeMutableBufferPointer<Float>
  /// The gradient of the reconstruction loss at the codes.
  let gradients: UnsafeMutableBufferPointer<Float>
  /// The divergence of each latent in nats; empty where latents are no distributions.
  let divergences: UnsafeMutableBufferPointer<Float>

  /// Numbers in a vector.
  let dimension: Int
  /// Tokens in the batch.
  var tokens: Int { vectors.count / dimension }

  /// Room for the tokens of a batch.
  ///
  /// - Parameter hasDivergences: whether latents are distributions.
  init(tokens: Int, dimension: Int, hasDivergences: Bool = false) {
    self.dimension = dimension
    let blocks = (0..<4).map { block in
      UnsafeMutableBufferPointer<Float>.allocate(
        capacity: block == 3 && !hasDivergences ? 0 : tokens * dimension)
    }
    for block in blocks { block.initialize(repeating: 0) }
    (vectors, codes, gradients, divergences) = (blocks[0], blocks[1], blocks[2], blocks[3])
  }

  deinit { for block in [vectors, codes, gradients, divergences] { block.deallocate() } }

  /// The output that holds the gradient at the codes.
  static let gradient = "codeGradient"

  /// The values that a plan must keep beside that.
  static func outputs(_ quantized: Quantized) -> [String: Tensor] {
    var outputs = ["vectors": quantized.vectors, "codes": quantized.codes]
    outputs["divergence"] = quantized.divergence
    return outputs
  }

  var blocks: [UnsafeMutableRawBufferPointer] {
    [vectors, codes, gradients, divergences].map { UnsafeMutableRawBufferPointer($0) }
  }

  func take<B: Backend>(_ replay: Session<B>.Replay) {
    for (name, block) in [
      ("vectors", vectors), ("codes", codes), (Self.gradient, gradients),
      ("divergence", divergences),
    ] where !block.isEmpty {
      let words = replay.words(ofOutput: name)
      replay.read(name, intoWords: block.baseAddress! + replay.item * words)
    }
  }
}
