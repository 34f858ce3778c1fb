import Autodiff
import Datasets
import Foundation
import Tokenizers

/// The autoencoder as a model to train: the reconstruction loss plus the quantizer's own.
///
/// Its steps differ in the size of their images, and in whether quantization is deferred. The input
/// is "images", `[n, side, side, 3]` in [-1, 1].
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
    let pass = ForwardRecord(run, variant, batch(variant), side: side(variant))
    var step = RecordedStep(
      pass.graph, loss: pass.loss, statistics: pass.quantized?.statistics ?? [:])
    step.statistics[Self.reconstruction] = pass.reconstruction
    step.statistics[Self.squaredError] = pass.squaredError
    if let quantized = pass.quantized {
      step.outputs = TokenReader.outputs(quantized)
      if run.quantizer.upkeep?.isNeeded ?? false {
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

  /// What is evaluated is quantized.
  func evaluatesTrainingLoss(_ variant: Variant) -> Bool { !variant.isDeferred }

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
    switch name.prefix(while: { $0 != "." }) {
    case "encoder", "quant_conv": "encoder"
    case "quantize": "quantizer"
    default: "decoder"
    }
  }

  var outsideOptimizer: OutsideOptimizer {
    var outside: OutsideOptimizer = []
    if run.replacesTrainedCodes { outside.insert(.replacesTrained) }
    if run.quantizer.upkeep?.learning == .ema { outside.insert(.movesOthers) }
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
    _ run: RunConfiguration, _ variant: TokenizerModel.Variant, _ batch: BatchShape, side: Int
  ) {
    let model = Tokenizer(run.tokenizer, in: Scope(graph))
    let originals = graph.input("images", [batch.itemsPerReplay, side, side, 3])
    let latents = model.latents(of: originals)
    quantized = variant.isDeferred ? nil : model.bottleneck.quantize(latents)
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
    let sum = reconstruction
    loss = quantized?.auxiliaryLoss.map { sum + $0 } ?? sum
  }
}
