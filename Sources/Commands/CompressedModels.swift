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
      [.reconstruct], height: side, width: side, name: "\(checkpoint): its images")

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
      before: (opened.codec, opened.run.tokenizer), images: squares,
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
      let error = try MeasuredPair.meanSquaredError(tuned.codec, squares)
      terminal.result(
        "  PSNR     \(Display.decimals(PeakSignalToNoise.decibels(meanSquaredError: error), 2)) dB after "
          + "fine-tuning for \(Display.count(fineTune, "step"))")
    }
    if let comparison, comparison.secondsAfter > comparison.secondsBefore, energy != nil {
      terminal.say(
        "note: it is smaller, but not faster here: --energy counts weights and products. --max-loss-db and "
          + "--keep measure time")
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

  // MARK: Codebooks

  private func checkCodebook(_ run: RunConfiguration) throws {
    guard let codebook else { return }
    guard case .vq(let quantizer) = run.quantizer else {
      throw Failure(
        .badData,
        "--codebook \(codebook): expected a quantizer of type \"vq\", whose codebook has entries of its own, "
          + "found \"\(run.quantizer.kind)\" in \(checkpoint). Remove --codebook")
    }
    guard codebook < quantizer.codebook.size else {
      throw Failure(
        .badData,
        "--codebook \(codebook): expected fewer than the \(quantizer.codebook.size) entries of \(checkpoint)"
      )
    }
  }

  private struct ReducedCodebook {
    let chosen: CodebookReduction
    let quantizer: QuantizerConfiguration
    let parameters: ParameterMemory<Device>
  }

  /// Tries the ways to a smaller codebook on images, prints what each loses, and takes the best.
  private func reduceCodebook(
    _ opened: OpenedTokenizer, _ size: Int, _ images: [Image], _ terminal: Terminal
  ) throws -> ReducedCodebook {
    guard case .vq(var quantizer) = opened.run.quantizer else {
      preconditionFailure("checked before")
    }
    let (dimension, count) = (quantizer.codebook.dimension, quantizer.codebook.size)
    var usage = CodebookUsage(codes: count)
    for grid in try opened.codec.encode(images) { usage.add(grid.indices) }
    let name = Tokenizer.codebookNames(opened.run.quantizer)[0]
    let index = opened.parameters.layout.parameters.firstIndex { $0.name == name }!
    let codes = opened.parameters.read(parameter: index)
    quantizer.codebook.size = size
    var tokenizer = opened.run.tokenizer
    tokenizer.quantizer = .vq(quantizer)
    let before = try MeasuredPair.meanSquaredError(opened.codec, images)
    var table = TextTable([
      .init("codebook", isText: true), .init("codes"), .init("moved"), .init("PSNR dB"),
    ])
    func decibels(_ error: Double) -> String {
      Display.decimals(PeakSignalToNoise.decibels(meanSquaredError: error), 2)
    }
    table.add(["before", String(count), "0", decibels(before)])
    var best: (error: Double, reduced: ReducedCodebook)?
    for method in codebookBy.map({ [$0] }) ?? CodebookReduction.Method.allCases {
      let reduction = CodebookReduction(
        method, of: codes, dimension: dimension, counts: usage.counts, size: size)
      let parameters = ParameterMemory(Codec<Device>.parameterLayout(tokenizer), on: Device())
      for (place, parameter) in parameters.layout.parameters.enumerated() {
        let old = opened.parameters.layout.parameters.firstIndex { $0.name == parameter.name }!
        parameters.write(
          parameter.name == name ? reduction.codes : opened.parameters.read(parameter: old),
          toParameter: place)
      }
      let codec = Codec(
        tokenizer, parameters: parameters, lanes: options.threadCount,
        pool: LanePool(threads: options.threadCount))
      let error = try MeasuredPair.meanSquaredError(codec, images)
      table.add([
        method.rawValue, String(size), Display.significant(reduction.displacement, 3),
        decibels(error),
      ])
      if error < best?.error ?? .infinity {
        best = (
          error,
          ReducedCodebook(chosen: reduction, quantizer: tokenizer.quantizer, parameters: parameters)
        )
      }
    }
    guard let best else {
      throw Failure(.internal, "\(checkpoint): no codebook of \(size) codes gives finite images")
    }
    terminal.result(table.text(width: CompareCommand.outputWidth))
    terminal.result("taken: \(best.reduced.chosen.method.rawValue)")
    return best.reduced
  }

  /// Writes the new id of each old one.
  private func writeMap(
    _ map: CodebookReduction, from opened: OpenedTokenizer, to run: RunConfiguration,
    _ parameters: ParameterMemory<Device>, in folder: String
  ) throws {
    let identity = Checkpoint.identity(run.tokenizer, WeightsHash(parameters))
    let object = JSONObject([
      "from": .string(opened.identity.fingerprint), "to": .string(identity.fingerprint),
      "method": .string(map.method.rawValue),
      "ids": .array(map.ids.map { .integer(Int($0)) }),
    ])
    try AtomicFile.write(
      JSONValue.object(object).compactText + "\n", to: folder + "/token-map.json")
  }
}

// MARK: - Measuring

/// A tokenizer and what was made of it, on the same images.
private struct MeasuredPair {
  struct Result {
    var encodeBefore = 0.0, encodeAfter = 0.0
    var decodeBefore = 0.0, decodeAfter = 0.0
    var psnrBefore = 0.0, psnrAfter = 0.0

    var secondsBefore: Double { encodeBefore + decodeBefore }
    var secondsAfter: Double { encodeAfter + decodeAfter }
  }

  private static let rounds = 5

  let before: (codec: Codec<Device>, configuration: TokenizerConfiguration)
  let images: [Image]
  let after: Codec<Device>

  /// Seconds of all images, medians of rounds in turns, and PSNR.
  func measure() throws -> Result {
    var result = Result()
    result.psnrBefore = PeakSignalToNoise.decibels(
      meanSquaredError: try Self.meanSquaredError(before.codec, images))
    result.psnrAfter = PeakSignalToNoise.decibels(
      meanSquaredError: try Self.meanSquaredError(after, images))
    var times: [[Double]] = [[], [], [], []]
    for round in 0...Self.rounds {
      for (index, codec) in [before.codec, after].enumerated() {
        let (encode, decode) = try Self.seconds(codec, images)
        // The first round makes plans.
        guard round > 0 else { continue }
        times[index].append(encode)
        times[2 + index].append(decode)
      }
    }
    let medians = times.map { $0.sorted()[$0.count / 2] }
    (result.encodeBefore, result.encodeAfter) = (medians[0], medians[1])
    (result.decodeBefore, result.decodeAfter) = (medians[2], medians[3])
    return result
  }

  private static func seconds(
    _ codec: Codec<Device>, _ images: [Image]
  ) throws -> (encode: Double, decode: Double) {
    func measure(_ work: () throws -> Void) rethrows -> Double {
      let start = ContinuousClock.now
      try work()
      return start.duration(to: .now) / .seconds(1)
    }
    if codec.configuration.quantizer.isContinuous {
      var latents: [LatentGrid] = []
      let encode = try measure { latents = try codec.latents(of: images) }
      return (encode, try measure { _ = try codec.decode(latents: latents) })
    }
    var grids: [TokenGrid] = []
    let encode = try measure { grids = try codec.encode(images) }
    return (encode, try measure { _ = try codec.decode(grids) })
  }

  /// The mean squared error of the images' reconstructions.
  static func meanSquaredError(_ codec: Codec<Device>, _ images: [Image]) throws -> Double {
    let results = try codec.reconstruct(images)
    return zip(images, results).reduce(0.0) {
      $0 + PeakSignalToNoise.meanSquaredError($1.0.pixels, $1.1.image.pixels)
    } / Double(images.count)
  }
}

/// What was made smaller, a layer a row.
struct CompressionTable {
  private let model: CompressedModel

  init(_ model: CompressedModel) { self.model = model }

  /// A line is as wide as it is: layers side by side would be hard to compare.
  var text: String {
    let isMeasured = model.parts.contains { $0.loss != nil }
    var table = TextTable(
      [
        .init("layer", isText: true), .init("rank"), .init("weights k"), .init("M mul-adds"),
        .init("ms"),
      ] + (isMeasured ? [.init("dB alone")] : []))
    func pair(_ a: Double, _ b: Double, _ digits: Int) -> String {
      "\(Display.decimals(a, digits))->\(Display.decimals(b, digits))"
    }
    func row(
      _ name: String, _ rank: String, _ a: LayerCost, _ b: LayerCost, _ loss: String
    ) -> [String] {
      [
        name, rank, pair(Double(a.parameters) / 1e3, Double(b.parameters) / 1e3, 1),
        pair(Double(a.multiplyAdds) / 1e6, Double(b.multiplyAdds) / 1e6, 1),
        pair(a.seconds * 1e3, b.seconds * 1e3, 2),
      ] + (isMeasured ? [loss] : [])
    }
    for part in model.parts {
      table.add(
        row(
          part.name, "\(part.wholeSize)->\(part.size)", part.before, part.after,
          part.loss.map { Display.decimals($0, 3) } ?? ""))
    }
    let (before, after) = (model.parts.map(\.before).sum, model.parts.map(\.after).sum)
    table.add(row("together", "", before, after, ""))
    return table.text(width: .max)
  }
}

extension [LayerCost] {
  fileprivate var sum: LayerCost {
    reduce(into: LayerCost(parameters: 0, multiplyAdds: 0)) { sum, cost in
      sum.parameters += cost.parameters
      sum.multiplyAdds += cost.multiplyAdds
      sum.seconds += cost.seconds
    }
  }
}
