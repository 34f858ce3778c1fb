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
  /// The same for a page.
  private(set) var gallery = ComparisonGallery()

  private let makesPage: Bool
  private var images: ComparisonImages
  private let threads: Int
  private let terminal: Terminal
  private var sizes: [Int] = []
  private var imageCount = 0

  /// An evaluator; for a page it keeps images, and vectors in a plane.
  init(images: ComparisonImages, threads: Int, makesPage: Bool, terminal: Terminal) {
    self.images = images
    self.makesPage = makesPage
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

  /// Evaluates the checkpoint at a place among the entries.
  func evaluate(
    _ folder: String, _ run: RunConfiguration, entry: Int
  ) throws -> (run: EvaluatedRun, details: RunDetails) {
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
    let history = RunHistory(journal: Self.journal(folder), upTo: steps)
    let codebook = Self.codebook(run.tokenizer, opened.parameters)
    let joined = result.depths.joined
    let hasEntries = run.quantizer.codebook != nil
    let evidence = HealthEvidence(
      codes: joined.codes, tokens: joined.tokens, used: joined.used,
      perplexity: joined.perplexity, latents: result.latents,
      quantizationError: hasEntries ? result.quantizationError : nil,
      bottleneck: run.quantizer.depth > 1
        ? .ofSeveralIndices(run.quantizer, opened.parameters, result.depths.depths)
        : Self.bottleneck(run.quantizer, codebook, result.usage),
      psnr: result.psnr, baselinePSNR: squares.baseline, steps: steps,
      plannedSteps: run.training.steps,
      evaluations: Self.evaluations(history))
    terminal.say(
      "\(folder): \(Display.count(result.images, "image")), PSNR "
        + "\(Display.decimals(result.psnr, 2)) dB")
    sheet.add(originals: set.images, reconstructions: samples, size: set.size)
    if !sizes.contains(set.size) { sizes.append(set.size) }
    imageCount = set.count
    var details = RunDetails(history: history)
    if makesPage {
      gallery.add(
        entry: entry, originals: set.images, reconstructions: samples, size: set.size)
      do throws(CodecError) {
        let few = Array(set.images.prefix(ComparisonPlane.images))
        details.plane = ComparisonPlane.plane(
          run.quantizer, latents: try opened.codec.reconstruct(few).flatMap(\.latents),
          codebook: codebook, usage: result.depths.depths[0])
      } catch {
        throw Failure(.badData, "\(folder): \(error)")
      }
    }
    var evaluated = EvaluatedRun(
      quantizer: Self.quantizer(run.quantizer), imageSize: set.size, images: result.images,
      imagesTrainedOn: images.trained(run), usage: result.usage,
      bitsPerPixel: result.bitsPerPixel, psnr: result.psnr, ssim: result.ssim,
      quantizationError: result.quantizationError, parameters: opened.parameters.layout.count,
      steps: steps, trainingRate: Self.median(history[.step, "imagesPerSecond"].values),
      evaluationRate: result.imagesPerSecond, evidence: evidence)
    evaluated.onset = CollapseOnset(history, of: evaluated)
    if run.quantizer.depth > 1 { evaluated.usageByDepth = result.depths.depths }
    return (evaluated, details)
  }

  /// The bytes of a run's journal; none where there is no journal.
  private static func journal(_ folder: String) -> [UInt8] {
    FileManager.default.contents(atPath: folder + "/" + Journal.fileName).map { [UInt8]($0) } ?? []
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
    let kind = configuration.kind
    switch configuration {
    case .fsq(let fsq): return .fsq(levels: fsq.levels, bound: fsq.bound.rawValue)
    case .lfq, .bsq: return .binary(kind: kind, bits: configuration.codeDimension)
    case .residualFSQ(let residual):
      return .deep(
        kind: kind, depth: residual.depth, codes: residual.scalar.codebookSize,
        words: residual.scalar.bound.rawValue)
    case .vq, .cosine, .simvq, .product, .residual:
      let (codes, dimension) = (configuration.codebookSize, configuration.codeDimension)
      let gradient = configuration.codebook!.gradient.rawValue
      if configuration.depth > 1 {
        return .deep(kind: kind, depth: configuration.depth, codes: codes, words: gradient)
      }
      if case .vq = configuration {
        return .vq(codes: codes, dimension: dimension, gradient: gradient)
      }
      return .codebook(kind: kind, codes: codes, dimension: dimension, gradient: gradient)
    }
  }

  /// The codes of a quantizer that searches among codes, `[K, d]`, of a residual one the coarsest;
  /// empty for others.
  private static func codebook(
    _ configuration: TokenizerConfiguration, _ parameters: ParameterMemory<Device>
  ) -> [Float] {
    switch configuration.quantizer {
    case .vq, .cosine, .simvq: return parameters.codes(of: configuration)
    case .residual:
      let name = Tokenizer.codebookNames(configuration.quantizer)[0]
      return parameters.read(parameter: parameters.layout.index(of: name)!)
    case .fsq, .lfq, .bsq, .product, .residualFSQ: return []
    }
  }

  private static func bottleneck(
    _ configuration: QuantizerConfiguration, _ codebook: [Float], _ usage: CodebookUsage
  ) -> HealthEvidence.Bottleneck {
    switch configuration {
    case .fsq(let fsq):
      return .finiteScalar(
        levels: LevelUse(usage, levels: fsq.levels), levelWidths: fsq.levelWidths)
    case .lfq, .bsq:
      // A sign has no width: how far vectors lie apart says nothing of their bits.
      let bits = configuration.codeDimension
      return .finiteScalar(
        levels: LevelUse(usage, levels: Array(repeating: 2, count: bits)), levelWidths: [])
    case .product, .residual, .residualFSQ:
      preconditionFailure("tokens of several indices have evidence of their own")
    case .vq, .cosine, .simvq:
      let dimension = configuration.codeDimension
      let used = usage.counts.indices.filter { usage.counts[$0] > 0 }.flatMap {
        codebook[$0 * dimension..<($0 + 1) * dimension]
      }
      return .vector(
        codebook: VectorSpread(codebook, dimension: dimension),
        usedCodes: VectorSpread(used, dimension: dimension))
    }
  }

  /// The journal's evaluations.
  private static func evaluations(_ history: RunHistory) -> [HealthEvidence.Evaluation] {
    let psnr = history[.evaluation, "psnr"]
    return zip(psnr.steps, psnr.values).map { .init(step: $0, psnr: $1) }
  }

  /// The median: pauses and other work on the machine do not move it.
  private static func median(_ values: [Double]) -> Double? {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return nil }
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2)
      ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  }
}
