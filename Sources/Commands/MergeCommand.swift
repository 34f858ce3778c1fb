import Files
import Formatting
import TokenFiles

extension EncodeCommand {
  /// Writes the parts of an output as one, in the order of the set.
  func mergeParts(_ terminal: Terminal) throws {
    let samples = try ShardOutput(path: output, format: format)
    if samples != nil { try checkSampleOptions() }
    let target = try TokenOutput(
      path: samples?.stem ?? output, format: samples.map { _ in .npy } ?? format?.format)
    if samples == nil {
      if resume {
        throw Failure(
          .usage, "--merge joins parts that are encoded already: remove --resume, or --merge")
      }
      try target.checkRoom(isForced: force)
    }
    let parts = try MergedParts(of: target.stem, areSamples: samples != nil)
    Interruption.listen()
    let progress = ItemProgress(terminal, "merging", total: parts.count)
    let written: WrittenImages
    switch parts.files[0] {
    case .tokens(let first): written = try mergeTokens(parts, like: first, to: target, progress)
    case .latents(let first): written = try mergeLatents(parts, like: first, to: target, progress)
    case .samples(let first): written = try mergeSamples(parts, like: first, progress)
    }
    if let summary {
      let report = EncodingReport(
        output: written.place, rejections: parts.rejections,
        work: (progress.done, progress.seconds), part: nil)
      try EncodingReport.write(written.json(report), to: summary)
    }
    let left =
      parts.leftOut > 0
      ? "; \(parts.leftOut) of \(Display.count(parts.images, "image")) were left out when they were encoded"
      : ""
    terminal.result(
      written.text(progress.rate) + "; merged from \(Display.count(parts.files.count, "part"))"
        + left)
  }

  private func mergeTokens(
    _ parts: MergedParts, like first: TokenFile, to target: TokenOutput, _ progress: ItemProgress
  ) throws -> WrittenImages {
    if let option = latents.given {
      throw Failure(.usage, "\(option) is for latents, and these parts are tokens: remove it")
    }
    let writer = try explainingPieces {
      try TokenWriter(
        path: target.path, format: target.format, identity: first.identity,
        recipe: first.recipe, classes: first.classes, idType: dtype?.element,
        hasIndex: format == .megatron, shard: shard, resume: false, replace: force)
    }
    try explainingPieces {
      for case .tokens(let file) in parts.files {
        for index in 0..<file.count {
          if Interruption.isRequested { throw EncodingInterrupted() }
          try writer.append(file.record(at: index))
          progress.advance(by: 1)
        }
      }
      _ = try writer.finish()
    }
    return try .tokens(TokenFile.open(path: target.path), at: target.path)
  }

  private func mergeSamples(
    _ parts: MergedParts, like first: SampleShards, _ progress: ItemProgress
  ) throws -> WrittenImages {
    if let option = latents.given {
      throw Failure(.usage, "\(option) is for latents, and these parts are tokens: remove it")
    }
    guard let output = try ShardOutput(path: output, format: format) else {
      preconditionFailure("samples are merged into shards")
    }
    let writer: SampleShardWriter
    do {
      writer = try SampleShardWriter(
        stem: output.stem, identity: first.identity, recipe: first.recipe, classes: first.classes,
        idType: dtype?.element ?? first.idType, shard: shard ?? Self.usualShard, resume: resume)
    } catch { throw Failure(writing: error) }
    let finished = writer.finishedKeys
    return try explainingPieces {
      for case .samples(let shards) in parts.files {
        try shards.forEach { record in
          if Interruption.isRequested { throw EncodingInterrupted() }
          if !finished.contains(record.path) { try writer.append(record) }
          progress.advance(by: 1)
        }
      }
      return .samples(try writer.finish(), by: writer)
    }
  }

  private func mergeLatents(
    _ parts: MergedParts, like first: LatentFile, to target: TokenOutput, _ progress: ItemProgress
  ) throws -> WrittenImages {
    if latents.scale, first.scaling == nil {
      throw Failure(
        .usage,
        "--scale: the checkpoint of these parts has no quantizer.scalingFactor other than 1. Use "
          + "--standardize")
    }
    let writer = try explainingPieces {
      try LatentWriter(
        path: target.path, format: target.format, identity: first.identity, recipe: first.recipe,
        channels: first.channels, classes: first.classes, form: latents.form(first.scaling),
        scaling: first.scaling, seed: first.seed)
    }
    try explainingPieces {
      for case .latents(let file) in parts.files {
        for index in 0..<file.count {
          if Interruption.isRequested { throw EncodingInterrupted() }
          let size = file.size(of: index)
          try writer.append(
            LatentRecord(
              path: file.names[index], width: size.width, height: size.height, rows: file.rows,
              columns: file.columns, latents: file.latents(of: index), label: file.label(of: index))
          )
          progress.advance(by: 1)
        }
      }
      _ = try writer.finish()
    }
    return .latents(try LatentFile.open(path: target.path))
  }
}
