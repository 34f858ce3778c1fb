import Configuration
import Datasets
import Diagnostics
import Evaluation
import Execution
import Foundation
import Imaging
import Inference
import Reports
import Safetensors
import Tokenizers
import Training

/// Evaluates one run after another on the same images.
final class ComparisonEvaluator {
  /// The originals and reconstructions so far.
  private(set) var sheet = ComparisonSheet()

  private var images: ComparisonImages
  private let threads: Int
  private let terminal: Terminal
  private var sizes: [Int] = []
  private var imageCount = 0

  init(images: ComparisonImages, threads: Int, terminal: Terminal) {
    self.images = images
    self.threads = threads
    self.terminal = terminal
  }

  /// How the runs were compared; nil before the first.
  var evaluationProtocol: EvaluationProtocol? {
    guard !sizes.isEmpty else { return nil }
    return EvaluationProtocol(
      folder: images.folder, selection: images.selection, preparation: images.preparation,
      images: imageCount, sizes: sizes)
  }

  /// Evaluates a checkpoint.
  func evaluate(_ folder: String, _ run: RunConfiguration) throws -> EvaluatedRun {
    let opened = try OpenedTokenizer(checkpoint: folder, threads: threads)
    let steps = try Self.steps(folder)
    let squares = try images.squares(size: run.data.imageSize)
    let set = squares.set
    var samples: [Image] = []
    let result: EvaluationResult
    do throws(CodecError) {
      // Plans are made and memory is touched before the clock runs.
      _ = try opened.codec.reconstruct([set.images[0]])
      result = try Evaluator.evaluate(set.images, with: opened.codec) { index, image in
        if index < ComparisonSheet.columns { samples.append(image) }
        terminal.progress("\(folder): image \(index + 1) of \(set.count)")
      }
    } catch {
      throw Failure(.badData, "\(folder): \(error)")
    }
    let lines = Journal.lines(folder: folder)
    let joined = result.depths.joined
    let evidence = HealthEvidence(
      codes: joined.codes, tokens: joined.tokens, used: joined.used,
      perplexity: joined.perplexity, latents: result.latents,
      bottleneck: run.quantizer.depth > 1
        ? .ofSeveralIndices(run.quantizer, opened.parameters, result.depths.depths)
        : Self.bottleneck(run.tokenizer, opened.parameters, result.usage),
      psnr: result.psnr, baselinePSNR: squares.baseline, steps: steps,
      plannedSteps: run.training.steps,
      evaluations: Self.evaluations(lines, upTo: steps))
    terminal.say(
      "\(folder): \(Display.count(result.images, "image")), PSNR "
        + "\(Display.decimals(result.psnr, 2)) dB")
    sheet.add(originals: set.images, reconstructions: samples, size: set.size)
    if !sizes.contains(set.size) { sizes.append(set.size) }
    imageCount = set.count
    var evaluated = EvaluatedRun(
      quantizer: Self.quantizer(run.quantizer), imageSize: set.size, images: result.images,
      imagesTrainedOn: images.trained(run), usage: result.usage,
      bitsPerPixel: result.bitsPerPixel, psnr: result.psnr, ssim: result.ssim,
      quantizationError: result.quantizationError, parameters: opened.parameters.layout.count,
      steps: steps, trainingRate: Self.trainingRate(lines),
      evaluationRate: result.imagesPerSecond, evidence: evidence)
    if run.quantizer.depth > 1 { evaluated.usageByDepth = result.depths.depths }
    return evaluated
  }

  /// The updates that the weights have had.
  private static func steps(_ folder: String) throws -> Int {
    let path = folder + "/" + Checkpoint.modelFile
    let file = try SafetensorsFile(path: path)
    guard let steps = file.metadata["step"].flatMap({ Int($0) }), steps >= 0 else {
      throw TrainingError.damaged(file: path, reason: "its metadata lack the step")
    }
    return steps
  }

  private static func quantizer(_ configuration: QuantizerConfiguration) -> EvaluatedRun.Quantizer {
    switch configuration {
    case .fsq(let fsq): .fsq(levels: fsq.levels, bound: fsq.bound.rawValue)
    case .vq(let vq):
      .vq(codes: vq.codebookSize, dimension: vq.codeDimension, gradient: vq.gradient.rawValue)
    case .cosine(let cosine):
      .codebook(
        kind: configuration.kind, codes: cosine.codebookSize, dimension: cosine.codeDimension,
        gradient: cosine.gradient.rawValue)
    case .simvq(let simvq):
      .codebook(
        kind: configuration.kind, codes: simvq.codebookSize, dimension: simvq.codeDimension,
        gradient: simvq.gradient.rawValue)
    case .lfq, .bsq: .binary(kind: configuration.kind, bits: configuration.codeDimension)
    case .product(let product):
      .deep(
        kind: configuration.kind, depth: product.groups, codes: product.codebookSize,
        words: product.gradient.rawValue)
    case .residual(let residual):
      .deep(
        kind: configuration.kind, depth: residual.depth, codes: residual.codebookSize,
        words: residual.gradient.rawValue)
    case .residualFSQ(let residual):
      .deep(
        kind: configuration.kind, depth: residual.depth, codes: residual.scalar.codebookSize,
        words: residual.scalar.bound.rawValue)
    }
  }

  private static func bottleneck(
    _ configuration: TokenizerConfiguration, _ parameters: ParameterMemory<Device>,
    _ usage: CodebookUsage
  ) -> HealthEvidence.Bottleneck {
    switch configuration.quantizer {
    case .fsq(let fsq):
      return .finiteScalar(
        levels: LevelUse(usage, levels: fsq.levels), levelWidths: fsq.levelWidths)
    case .lfq, .bsq:
      // A sign has no width: how far vectors lie apart says nothing of their bits.
      let bits = configuration.quantizer.codeDimension
      return .finiteScalar(
        levels: LevelUse(usage, levels: Array(repeating: 2, count: bits)), levelWidths: [])
    case .product, .residual, .residualFSQ:
      preconditionFailure("tokens of several indices have evidence of their own")
    case .vq, .cosine, .simvq:
      let codebook = parameters.codes(of: configuration)
      let dimension = configuration.quantizer.codeDimension
      let used = usage.counts.indices.filter { usage.counts[$0] > 0 }.flatMap {
        codebook[$0 * dimension..<($0 + 1) * dimension]
      }
      return .vector(
        codebook: VectorSpread(codebook, dimension: dimension),
        usedCodes: VectorSpread(used, dimension: dimension))
    }
  }

  /// The journal's evaluations up to the step of the weights.
  private static func evaluations(
    _ lines: [JSONObject], upTo steps: Int
  ) -> [HealthEvidence.Evaluation] {
    lines.compactMap { line in
      guard line["kind"] == .string("evaluation"), case .integer(let step)? = line["step"],
        step <= steps, let psnr = number(line["psnr"])
      else { return nil }
      return .init(step: step, psnr: psnr)
    }.sorted { $0.step < $1.step }
  }

  /// The median of the journal's lines: pauses and other work on the machine do not move it.
  private static func trainingRate(_ lines: [JSONObject]) -> Double? {
    let rates = lines.compactMap { line in
      line["kind"] == .string("step") ? number(line["imagesPerSecond"]) : nil
    }.sorted()
    guard !rates.isEmpty else { return nil }
    let middle = rates.count / 2
    return rates.count.isMultiple(of: 2) ? (rates[middle - 1] + rates[middle]) / 2 : rates[middle]
  }

  private static func number(_ value: JSONValue?) -> Double? {
    switch value {
    case .number(let number)?: number
    case .integer(let integer)?: Double(integer)
    default: nil
    }
  }
}
