import Inference
import TokenFiles
import Tokenizers
import Training

extension EncodeCommand {
  /// Writes the latents of images.
  func encodeLatents(
    _ inputs: ImageInputs, _ tokenizer: OpenedTokenizer, _ codec: BoundedCodec,
    _ preparation: Preparation, to target: TokenOutput, part: EncodedPart?, unnamed: Int,
    _ terminal: Terminal
  ) throws {
    let writer: LatentWriter
    do {
      writer = try LatentWriter(
        path: target.path, format: target.format, identity: tokenizer.identity,
        recipe: preparation.recipe, channels: tokenizer.run.quantizer.codeDimension,
        classes: inputs.classes, form: latents.form(tokenizer.run.quantizer.latentScaling),
        scaling: tokenizer.run.quantizer.latentScaling, seed: latents.drawingSeed, part: part)
    } catch { throw Failure(writing: error) }
    let run = EncodingRun(
      codec: codec, preparation: preparation,
      target: .latents(writer, drawnBy: latents.drawingSeed),
      threads: options.threadCount, alsoChecks: verify ? [.reconstruct, .decode] : [])
    try encode(
      inputs.files, of: inputs, run, part: part, unnamed: unnamed, terminal,
      cells: "latent vectors"
    ) { outcome in
      _ = try writer.finish(rejected: outcome.rejections)
      return .latents(try LatentFile.open(path: target.path, mayBeEmpty: part != nil))
    }
  }
}
