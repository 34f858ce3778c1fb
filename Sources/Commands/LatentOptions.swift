import ArgumentParser
import Formatting
import TokenFiles
import Tokenizers

/// How `encode` writes latents, where nothing is quantized.
struct LatentOptions: ParsableArguments {
  @Flag(help: "Write latents of mean 0 and deviation 1 in each channel.")
  var standardize = false

  @Flag(
    help: ArgumentHelp(
      "Write latents as generative models take them, (x - shiftFactor) * scalingFactor of the checkpoint."
    ))
  var scale = false

  @Flag(help: "Draw latents from the distributions that a kl checkpoint makes, instead of means.")
  var sample = false

  @Option(
    help: ArgumentHelp(
      "Seed of --sample; an image's draw depends on it and on the image's name (default: 1).",
      valueName: "n"))
  var seed: Int?

  func validate() throws {
    if scale, standardize {
      throw ValidationError(
        "--standardize and --scale are two ways to scale latents: choose one")
    }
    if let seed, !sample || seed < 0 {
      throw ValidationError(
        sample
          ? "--seed: expected 0 or more, found \(seed)"
          : "--seed is that of --sample: add it, or remove --seed")
    }
  }

  /// By which latents are drawn; nil where means are written.
  var drawingSeed: UInt64? { sample ? UInt64(seed ?? 1) : nil }

  /// What is written of each number.
  func form(_ scaling: LatentScaling?) -> LatentForm {
    if scale, let scaling { return .scaled(scaling) }
    return standardize ? .standardized : .plain
  }

  /// The first option that is given.
  var given: String? {
    [("--standardize", standardize), ("--scale", scale), ("--sample", sample)].first(where: \.1)?.0
  }

  /// Refuses what a quantizer cannot give.
  ///
  /// - Parameter checkpoint: what errors call it.
  func check(_ quantizer: QuantizerConfiguration, of checkpoint: String) throws {
    let name = "\(checkpoint) (quantizer.type \"\(quantizer.kind)\")"
    guard quantizer.isContinuous else {
      guard let option = given else { return }
      throw Failure(.usage, "\(option) is for latents, and \(name) makes tokens: remove it")
    }
    if sample, !quantizer.chosen.drawsNoise {
      throw Failure(
        .usage,
        "--sample: the latents of \(name) are no distributions to draw from: remove it")
    }
    if scale, quantizer.latentScaling == nil {
      throw Failure(
        .usage,
        "--scale: \(checkpoint) has no quantizer.scalingFactor other than 1"
          + (quantizer.kind == KLConfiguration.word
            ? ". Say it in its config.json, or use " : ". Use ")
          + "--standardize")
    }
  }

  /// Why decoded latents cannot be compared with the forward pass; nil where they can.
  var reasonNotToVerify: String? {
    if standardize || scale {
      return "standardized latents are rounded, and decode to nearly the same pixels"
    }
    return sample
      ? "drawn ones decode to other pixels than the forward pass, which takes means" : nil
  }
}

extension QuantizerConfiguration {
  /// How generative models take its latents; nil where nothing is said of that.
  var latentScaling: LatentScaling? {
    guard case .kl(let quantizer) = self,
      quantizer.scalingFactor != 1 || quantizer.shiftFactor != 0
    else { return nil }
    return LatentScaling(
      factor: Float(quantizer.scalingFactor), shift: Float(quantizer.shiftFactor))
  }
}
