import Formatting
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
    let progress = ItemProgress(terminal, "encoding", total: inputs.files.count)
    let outcome = try explainingPieces { try run.encode(inputs.files, terminal, progress) }
    terminal.tell(
      transparentCount: outcome.transparent,
      transparency: preparation.rules.transparency(preparation.background))
    let rejected = outcome.rejected + unnamed
    if outcome.rejected == inputs.files.count {
      throw Failure(
        .badData,
        "nothing was written: \(Display.count(rejected, "file")) skipped, for the reasons above")
    }
    _ = try explainingPieces { () throws(TokenFileError) in try writer.finish() }
    let file = try LatentFile.open(path: target.path)
    let report = EncodingReport(
      output: target.path, rejections: outcome.rejections,
      work: (progress.done - outcome.rejected, progress.seconds), part: part)
    if let summary { try EncodingReport.write(report.json(file), to: summary) }
    let sizes = outcome.sizes(preparation, cells: "latent vectors")
    terminal.result(
      file.summary(rate: progress.rate) + (sizes.map { "; " + $0 } ?? ""))
    if verify {
      let verification = TokenVerification(
        codec: codec, preparation: preparation, encoded: .latents(file),
        threads: options.threadCount)
      try verification.run(inputs.files, terminal)
    }
    try tellRejected(rejected, of: inputs.files.count + unnamed, target.path)
  }
}
