import Datasets
import Files
import Formatting
import Inference
import TokenFiles

/// What encode wrote, and what there is to tell of it.
struct WrittenImages {
  /// Where it is.
  let place: String
  /// What it holds, as the result line says it behind the rate of the work.
  let text: (_ rate: String) -> String
  /// What it holds, as `--summary` says it.
  let json: (EncodingReport) throws -> JSONObject
  /// The file, where `--verify` can decode it.
  var encoded: EncodedImages?

  /// A token file.
  ///
  /// Errors: a file that was cut or changed meanwhile.
  static func tokens(_ file: TokenFile, at path: String) throws -> WrittenImages {
    let counts = try TokenSummary(file)
    return WrittenImages(
      place: path, text: { counts.text(path, rate: $0) }, json: { $0.json(counts) },
      encoded: .tokens(file))
  }

  /// A file of latents.
  static func latents(_ file: LatentFile) -> WrittenImages {
    WrittenImages(
      place: file.path, text: { file.summary(rate: $0) }, json: { $0.json(file) },
      encoded: .latents(file))
  }

  /// Shards of samples; what they hold is counted where it is asked for, as they are read again for that.
  static func samples(_ shards: [String], by writer: SampleShardWriter) -> WrittenImages {
    let place: String
    switch (shards.first, shards.last) {
    case (let first?, let last?): place = first == last ? first : "\(first) to \(last)"
    default: place = SampleShards.description(writer.stem)
    }
    return WrittenImages(
      place: place,
      text: { rate in
        "\(place): \(Display.count(writer.appendedCount, "image")), "
          + "\(Display.count(writer.tokenCount, "token")) in \(Display.count(shards.count, "shard")); "
          + rate
      }, json: { try $0.json(TokenSummary(SampleShards(stem: writer.stem))) })
  }
}

extension EncodeCommand {
  /// Encodes files, and tells how that went: the same for whatever is written.
  ///
  /// - Parameters:
  ///   - files: those that are not encoded yet.
  ///   - inputs: all of them.
  ///   - unnamed: how many there are besides that have no name.
  ///   - cells: what grids are made of.
  ///   - finish: completes what is written.
  func encode(
    _ files: ImageInputList, of inputs: ImageInputs, _ run: EncodingRun, part: EncodedPart?,
    unnamed: Int, _ terminal: Terminal, cells: String = "tokens",
    finish: (EncodingRun.Outcome) throws -> WrittenImages
  ) throws {
    if files.count < inputs.files.count {
      terminal.say(
        "\(Display.count(inputs.files.count - files.count, "image")) already encoded")
    }
    let preparation = run.preparation
    let progress = ItemProgress(terminal, "encoding", total: files.count)
    let outcome = try explainingPieces { try run.encode(files, terminal, progress) }
    terminal.tell(
      transparentCount: outcome.transparent,
      transparency: preparation.rules.transparency(preparation.background))
    let rejected = outcome.rejected + unnamed
    // A part tells of its own: others have images.
    if outcome.rejected == inputs.fileCount, part == nil {
      run.target.discard()
      throw Failure(
        .badData,
        "nothing was written: \(Display.count(rejected, "file")) skipped, for the reasons above")
    }
    let written = try explainingPieces { try finish(outcome) }
    if let summary {
      let report = EncodingReport(
        output: written.place, rejections: outcome.rejections,
        work: (progress.done - outcome.rejected, progress.seconds), part: part)
      try EncodingReport.write(written.json(report), to: summary)
    }
    let sizes = outcome.sizes(preparation, cells: cells)
    terminal.result(written.text(progress.rate) + (sizes.map { "; " + $0 } ?? ""))
    if let part, part.range.isEmpty {
      terminal.say(
        "part \(part.number) of \(part.total) of \(Display.count(part.images, "image")) has none")
    }
    if verify, let encoded = written.encoded {
      let verification = TokenVerification(
        codec: run.codec, preparation: preparation, encoded: encoded,
        threads: options.threadCount)
      try verification.run(inputs.files, terminal)
    }
    guard rejected > 0 else { return }
    throw Failure(
      .badData,
      "\(rejected) of \(Display.count(inputs.fileCount + unnamed, "file")) skipped, for the reasons above; "
        + (outcome.rejected == inputs.fileCount
          ? "\(written.place) says so, to be merged with the other parts"
          : "the others are in \(written.place)"))
  }
}
