import ArgumentParser
import Autodiff
import CPUBackend
import Compression
import Datasets
import Evaluation
import Execution
import Files
import Formatting
import Foundation
import Imaging
import Inference
import Priors
import Reports
import TokenFiles
import Tokenizers
import Training

/// The work of the command.
extension CompressCommand {
  // MARK: Priors

  /// A prior's linear layers, by energy: no images say what it loses.
  func compressPrior(_ source: Checkpoint, _ terminal: Terminal) throws {
    guard let energy, method != .id, codebook == nil, part == nil, fineTune == nil else {
      throw Failure(
        .usage,
        "\(checkpoint) is a prior, whose linear layers are split by --method svd --energy alone: it has no "
          + "channels, parts or codes of images. Use --energy 0.9")
    }
    var run = try source.readPriorConfiguration()
    try check(run.model.transformer.compression)
    let tokens = try source.readPriorTokens()
    let layout = TokenSampler<Device>.parameterLayout(run.model, tokens.space)
    let whole = ParameterMemory(layout, on: Device())
    try source.readModel(weights.file, into: whole)
    try refuseNonFinite(whole)
    let model = try LayerFactorization.compress(
      TokenScorer<Device>.record(run.model, tokens.space, images: 1).graph, whole,
      keepingEnergy: energy)
    run.model.transformer.compression = model.layers
    run.description = "Compressed from \(checkpoint) by svd."
    let small = ParameterMemory(
      TokenSampler<Device>.parameterLayout(run.model, tokens.space), on: Device())
    model.write(to: small, from: whole)
    try refuseGrowth(small, whole)
    try Checkpoint(folder: output).writeDerived(run, small, from: source, weights: weights.file)
    terminal.result(CompressionTable(model).text)
    terminal.result(
      "\(output): \(Display.count(small.layout.count)) of \(Display.count(layout.count)) parameters. What "
        + "it costs in bits: tessera score with held-out tokens.")
  }

  // MARK: Tokenizers

  func compressTokenizer(_ source: Checkpoint, _ terminal: Terminal) throws {
    let opened = try OpenedTokenizer(
      checkpoint: checkpoint, weights: weights.file, threads: options.threadCount)
    try check(opened.run.model.compression)
    try checkCodebook(opened.run)
    var run = opened.run
    run.description = "Compressed from \(checkpoint)."
    let squares: [Image]
    do { squares = try measuredImages(opened, terminal) } catch  where canDoWithoutImages {
      squares = []
      terminal.warn("\(Failure(error)) Nothing is measured.")
    }
    let side = run.data.imageSize
    try BoundedCodec(opened).check(
      [.reconstruct], height: side, width: side, name: "\(checkpoint): its images",
      canTile: false)

    var whole = opened.parameters
    var map: CodebookReduction?
    if let codebook {
      let reduced = try reduceCodebook(opened, codebook, squares, terminal)
      map = reduced.chosen
      run.quantizer = reduced.quantizer
      whole = reduced.parameters
    }
    var model: CompressedModel?
    if let goal {
      let codec = Codec(
        run.tokenizer, parameters: whole, lanes: options.threadCount,
        pool: LanePool(threads: options.threadCount))
      let compressor = TokenizerCompressor(
        run.tokenizer, imageSize: side, parameters: whole, codec: codec, images: squares)
      model = try compressor.compress(
        method ?? .svd, to: goal, parts: part.map { [$0] } ?? Set(TokenizerPart.allCases),
        progress: tell(progress: terminal))
    }
    let small: ParameterMemory<Device>
    if let model {
      run.model.compression = model.layers
      small = ParameterMemory(Codec<Device>.parameterLayout(run.tokenizer), on: Device())
      model.write(to: small, from: whole)
    } else {
      small = whole
    }
    let pair = MeasuredPair(
      before: opened.codec, images: squares,
      after: Codec(
        run.tokenizer, parameters: small, lanes: options.threadCount,
        pool: LanePool(threads: options.threadCount)))
    let comparison = squares.isEmpty ? nil : try pair.measure()
    if model != nil {
      if let comparison {
        try refuseNoGain(comparison, small, opened.parameters)
      } else {
        try refuseGrowth(small, opened.parameters)
      }
    }

    // With fine-tuning the folder becomes that of the run, and what it began with lies inside.
    let place = fineTune == nil ? output : output + "/compressed"
    let keepsTokens = part == .decoder && codebook == nil
    try Checkpoint(folder: place).writeDerived(
      run, small, from: source, weights: weights.file,
      keepingTokensOf: keepsTokens ? [opened.identity.fingerprint] + opened.kept : [])
    if let map {
      try writeMap(map, from: opened, to: run, small, in: output)
    }
    if let model { terminal.result(CompressionTable(model).text) }
    terminal.result(
      summary(comparison, small, opened.parameters, images: squares.count, place: place))
    if let fineTune {
      try train(fineTune, from: place)
      let tuned = try OpenedTokenizer(
        checkpoint: output, weights: Checkpoint.modelFile, threads: options.threadCount)
      let error = try tuned.codec.meanSquaredError(of: squares)
      terminal.result(
        "  PSNR     \(Display.decimals(PeakSignalToNoise.decibels(meanSquaredError: error), 2)) dB after "
          + "fine-tuning for \(Display.count(fineTune, "step"))")
    }
    if let comparison, model != nil, comparison.secondsAfter > comparison.secondsBefore {
      terminal.say(
        "note: it is smaller, but not faster here"
          + (energy == nil
            ? "" : ": --energy counts weights and products. --max-loss-db and --keep measure time"))
    }
    guard model != nil else { return }
    terminal.say(
      "note: a smaller network trained from the start for as long is a rival worth trying; "
        + "docs/compression.md has both side by side")
  }

  /// Whether energies decide alone, which are those of the weights.
  private var canDoWithoutImages: Bool {
    energy != nil && method != .id && codebook == nil && data == nil && fineTune == nil
  }

  private func train(_ steps: Int, from start: String) throws {
    var arguments = ["--from", start, "--output", output, "--steps", String(steps)]
    arguments += assignments.flatMap { ["--set", $0] }
    arguments += options.threads.map { ["--threads", String($0)] } ?? []
    if options.quiet { arguments.append("--quiet") }
    try TrainCommand.parse(arguments).run()
  }

  private func measuredImages(
    _ opened: OpenedTokenizer, _ terminal: Terminal
  ) throws -> [Image] {
    do {
      var images = try ComparisonImages(
        data: data, count: images ?? 64, leader: opened.run, folder: checkpoint, terminal)
      return try images.squares(size: opened.run.data.imageSize).images
    } catch let missing as MissingImages { throw missing.failure }
  }

  private func refuseNonFinite(_ parameters: ParameterMemory<Device>) throws {
    guard let name = parameters.firstNonFinite() else { return }
    throw Failure(
      .badData,
      "\(checkpoint)/\(weights.file): the tensor \"\(name)\" holds a number that is not finite. The "
        + "weights are damaged, or training diverged; use another checkpoint.")
  }

  private func refuseGrowth(
    _ small: ParameterMemory<Device>, _ whole: ParameterMemory<Device>
  ) throws {
    guard small.layout.count >= whole.layout.count else { return }
    throw Failure(
      .badData,
      "\(checkpoint): nothing was gained: \(Display.count(small.layout.count)) parameters in the place of "
        + "\(Display.count(whole.layout.count)). Nothing was written. Keep less energy")
  }

  /// Refuses a model that is neither faster nor smaller.
  private func refuseNoGain(
    _ pair: MeasuredPair.Result, _ small: ParameterMemory<Device>,
    _ whole: ParameterMemory<Device>
  ) throws {
    let isSmaller = small.layout.count < whole.layout.count
    guard !isSmaller, pair.secondsAfter > 0.98 * pair.secondsBefore else { return }
    throw Failure(
      .badData,
      "\(checkpoint): nothing was gained: no fewer parameters, and no less time. Nothing was written. Allow "
        + "a larger loss, or use another --method")
  }

  private func summary(
    _ pair: MeasuredPair.Result?, _ small: ParameterMemory<Device>,
    _ whole: ParameterMemory<Device>, images: Int, place: String
  ) -> String {
    let size =
      "\(place): \(Display.count(small.layout.count)) of \(Display.count(whole.layout.count)) parameters"
    guard let pair else { return size }
    func times(_ before: Double, _ after: Double) -> String {
      "\(Display.decimals(before * 1000 / Double(images), 2)) -> "
        + "\(Display.decimals(after * 1000 / Double(images), 2)) ms/image, "
        + "\(Display.decimals(before / after, 2)) times as fast"
    }
    return [
      size, "  encode  " + times(pair.encodeBefore, pair.encodeAfter),
      "  decode  " + times(pair.decodeBefore, pair.decodeAfter),
      "  PSNR    \(Display.decimals(pair.psnrBefore, 2)) -> \(Display.decimals(pair.psnrAfter, 2)) dB on "
        + Display.count(images, "image"),
    ].joined(separator: "\n")
  }
}
