import Autodiff
import Tokenizers

/// The objective, recorded in a graph: the reconstruction loss plus the quantizer's own.
struct Objective {
  /// The record.
  let graph = Graph()
  /// The images `[n, size, size, 3]` in [-1, 1], the input "images".
  let originals: Tensor
  /// The output of the bottleneck; nil while quantization is deferred.
  let quantized: Quantized?
  /// The input of the decoder.
  let codes: Tensor
  /// The decoded images.
  let images: Tensor
  /// The reconstruction loss.
  let reconstruction: Tensor
  /// The mean squared error of images and reconstructions, whatever the distance is.
  let squaredError: Tensor
  /// The sum of all losses.
  let loss: Tensor

  /// Records the forward pass of a number of images.
  ///
  /// - Parameter isDeferred: whether the decoder sees vectors that are not quantized.
  init(
    _ configuration: TokenizerConfiguration, images count: Int, size: Int,
    _ distance: TrainingConfiguration.ReconstructionLoss, isDeferred: Bool = false
  ) {
    let model = Tokenizer(configuration, in: Scope(graph))
    originals = graph.input("images", [count, size, size, 3])
    let latents = model.latents(of: originals)
    quantized = isDeferred ? nil : model.bottleneck.quantize(latents)
    codes = quantized?.codes ?? model.bottleneck.continuous(latents)
    images = model.decode(codes)
    switch distance {
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
