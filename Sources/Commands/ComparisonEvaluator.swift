import CPUBackend
import Configuration
import Datasets
import Diagnostics
import Evaluation
import Execution
import Files
import Formatting
import Foundation
import Imaging
import Priors
import Inference
import Reports
import Safetensors
import TokenFiles
import Tokenizers
import Training

/// Evaluates one run after another on the same images.
final class ComparisonEvaluator {
  /// The originals and reconstructions so far.
  private(set) var sheet = ComparisonSheet()
  /// The same for a page.
  private(set) var gallery = ComparisonGallery()

  private let makesPage: Bool
  private let measuresSpectra: Bool
  private var images: ComparisonImages
  private let weights: String
  private let threads: Int
  private let terminal: Terminal
  private var sizes: [Int] = []
  private var imageCount = 0

  /// Images whose vectors a page shows in a plane.
  private static var planeImages: Int { 8 }

  /// An evaluator; for a page it keeps images, and vectors in a plane.
  ///
  /// - Parameters:
  ///   - weights: which of a checkpoint's weights, a file's name.
  ///   - measuresSpectra: whether the singular values of the layers are wanted.
  init(
    images: ComparisonImages, weights: String, threads: Int, makesPage: Bool,
    measuresSpectra: Bool, terminal: Terminal
  ) {
    self.images = images
    self.makesPage = makesPage
    self.measuresSpectra = measuresSpectra
    self.weights = weights
    self.threads = threads
    self.terminal = terminal
  }

  /// How the runs were compared; nil before the first.
  var evaluationProtocol: EvaluationProtocol? {
    guard !sizes.isEmpty else { return nil }
    return EvaluationProtocol(
      folder: images.folder, kind: images.kind, images: imageCount, of: images.total,
      preparation: images.preparation, sizes: sizes)
  }

  /// Evaluates the checkpoint at a place among the entries.
  func evaluate(
    _ folder: String, _ run: RunConfiguration, entry: Int
  ) throws -> (run: EvaluatedRun, details: RunDetails) {
    let opened = try OpenedTokenizer(checkpoint: folder, weights: weights, threads: threads)
    let steps = try RecordedEntry.steps(folder, weights)
    let set = try images.squares(size: run.data.imageSize)
    var samples: [Image] = []
    var psnr: [Double] = []
    var octaves = OctaveError()
    let result: EvaluationResult
    var need = MemoryNeed()
    need.addReconstruction(
      run.tokenizer, height: set.size, width: set.size, lanes: threads, on: Device())
    try MemoryLimits().check(need, "\(folder): evaluation")
    do {
      // Plans are made and memory is touched before the clock runs.
      _ = try opened.codec.reconstruct([set.images[0]])
      result = try Evaluator.evaluate(set.images, with: opened.codec) { index, image in
        if index < ComparisonSheet.columns { samples.append(image) }
        if makesPage {
          let original = set.images[index].pixels
          psnr.append(PeakSignalToNoise.decibels(original, image.pixels))
          octaves.add(original, image.pixels, width: image.width, height: image.height)
        }
        terminal.progress("\(folder): image \(index + 1) of \(set.images.count)")
      }
    } catch let error as CodecError {
      throw Failure(.badData, "\(folder): \(error)")
    }
    terminal.say(
      "\(folder): \(Display.count(result.images, "image")), PSNR "
        + "\(Display.decimals(result.psnr, 2)) dB")
    sheet.add(originals: set.images, reconstructions: samples, size: set.size)
    if !sizes.contains(set.size) { sizes.append(set.size) }
    imageCount = set.images.count

    let compared = ComparedQuantizer(
      quantizer: run.quantizer.chosen,
      weights: QuantizerWeights(run.tokenizer, opened.parameters), usage: result.depths.depths,
      latentUse: result.latentUse)
    let training = images.training(run, in: folder)
    var details = RecordedEntry.details(folder, run, upTo: steps, withSamples: makesPage)
    details.listedImages = training?.listed
    if makesPage {
      details.octaves = octaves.shares
      details.imagePSNR = psnr
      do throws(CodecError) {
        try show(folder, entry, opened, set, psnr)
        let few = Array(set.images.prefix(Self.planeImages))
        details.plane = compared.plane(try opened.codec.reconstruct(few).flatMap(\.latents))
      } catch {
        throw Failure(.badData, "\(folder): \(error)")
      }
    }
    var evaluated = EvaluatedRun(
      quantizer: compared.quantizer.presentation, imageSize: set.size, images: result.images,
      imagesTrainedOn: training?.shared, usage: result.usage,
      bitsPerPixel: result.bitsPerPixel, psnr: result.psnr, ssim: result.ssim,
      quantizationError: result.quantizationError, parameters: opened.parameters.layout.count,
      steps: steps, trainingRate: details.history[.step, "imagesPerSecond"].median,
      evaluationRate: result.imagesPerSecond,
      evidence: evidence(run, result, compared.bottleneck, set.baseline, steps, details.history))
    evaluated.onset = CollapseOnset(details.history, of: evaluated)
    evaluated.fingerprint = opened.identity.fingerprint
    if measuresSpectra {
      evaluated.spectra = try opened.parameters.layerSpectra(bothUnfoldings: true)
    }
    if run.quantizer.depth > 1 { evaluated.usageByDepth = result.depths.depths }
    return (evaluated, details)
  }

  private func evidence(
    _ run: RunConfiguration, _ result: EvaluationResult, _ bottleneck: HealthEvidence.Bottleneck,
    _ baseline: Double, _ steps: Int, _ history: RunHistory
  ) -> HealthEvidence {
    let joined = result.depths.joined
    let psnr = history[.evaluation, "psnr"]
    return HealthEvidence(
      codes: joined.codes, ids: joined.ids, used: joined.used,
      perplexity: joined.perplexity,
      depths: run.quantizer.depth > 1 ? result.depths.depths : [], latents: result.latents,
      quantizationError: run.quantizer.codebook != nil ? result.quantizationError : nil,
      bottleneck: bottleneck, psnr: result.psnr, baselinePSNR: baseline, steps: steps,
      plannedSteps: run.training.steps,
      evaluations: zip(psnr.steps, psnr.values).map { .init(step: $0, psnr: $1) })
  }

  /// Adds what a run made of some images to the gallery, with their tokens.
  private func show(
    _ folder: String, _ entry: Int, _ opened: OpenedTokenizer, _ set: ComparisonImages.Squares,
    _ psnr: [Double]
  ) throws(CodecError) {
    let name = folder.split(separator: "/").last.map(String.init) ?? folder
    let indices = gallery.indices(psnr, judge: name)
    let results = try opened.codec.reconstruct(indices.map { set.images[$0] })
    gallery.add(
      entry: entry, originals: indices.map { set.images[$0] },
      names: indices.map { set.files[$0] },
      made: zip(indices, results).map { index, result in
        let grid = result.tokens
        return .init(
          image: result.image, psnr: psnr[index],
          tokens: grid.indices.isEmpty
            ? nil
            : .init(width: grid.width, depth: grid.depth, ids: grid.indices.map(Int.init)))
      }, size: set.size)
  }
}

/// A run that is compared: of a tokenizer, of a prior, or of what is judged by its loss alone.
enum ComparedRun {
  case tokenizer(RunConfiguration)
  /// What it is, and the resolved configuration.
  case model(QuantizerPresentation, String)
  case prior(PriorRunConfiguration)

  /// Reads the configuration of a run.
  init(_ checkpoint: Checkpoint) throws {
    switch try checkpoint.kind() {
    case .tokenizer: self = .tokenizer(try checkpoint.readConfiguration())
    case .model: self = .model(.model, try checkpoint.readModelConfiguration().resolved)
    case .solver: self = .model(.solver, try checkpoint.readSolverConfiguration().resolved)
    case .prior: self = .prior(try checkpoint.readPriorConfiguration())
    case .continuous:
      let (run, vectors) = (
        try checkpoint.readContinuousConfiguration(), try checkpoint.readPriorVectors()
      )
      self = .model(
        .continuous(head: run.model.head.word, vectors: vectors.words), run.resolved)
    }
  }
}

/// What a run's folder holds without images.
enum RecordedEntry {
  /// The run, from its configuration, its log, and the header of its weights.
  static func read(
    _ folder: String, _ run: RunConfiguration, withSamples: Bool
  ) throws -> (run: RecordedRun, details: RunDetails) {
    let steps = try steps(folder)
    let details = details(folder, run, upTo: steps, withSamples: withSamples)
    return (
      RecordedRun(
        quantizer: run.quantizer.chosen.presentation,
        parameters: Codec<Device>.parameterLayout(run.tokenizer).count, steps: steps,
        history: details.history), details
    )
  }

  /// A run that is judged by its loss alone, from its configuration and its log.
  static func readModel(
    _ folder: String, _ presentation: QuantizerPresentation, _ resolved: String
  ) throws -> (run: RecordedRun, details: RunDetails) {
    let steps = try steps(folder)
    let details = details(folder, resolved, upTo: steps)
    return (
      RecordedRun(
        quantizer: presentation, parameters: try parameters(folder), steps: steps,
        history: details.history), details
    )
  }

  /// How many numbers a file of weights holds.
  static func parameters(
    _ folder: String, _ weights: String = Checkpoint.modelFile
  ) throws -> Int {
    try SafetensorsFile(path: folder + "/" + weights).entries.reduce(0) { $0 + $1.elementCount }
  }

  /// The log up to a step, the configuration, the samples for a page.
  static func details(
    _ folder: String, _ run: RunConfiguration, upTo steps: Int, withSamples: Bool
  ) -> RunDetails {
    var details = details(folder, run.resolved, upTo: steps)
    if withSamples {
      details.samples = SampleStrips.read(folder, size: run.data.imageSize, upTo: steps)
    }
    return details
  }

  /// The log up to a step, and the configuration.
  static func details(_ folder: String, _ resolved: String, upTo steps: Int) -> RunDetails {
    let bytes =
      FileManager.default.contents(atPath: folder + "/" + Journal.fileName).map { [UInt8]($0) }
    var details = RunDetails(history: RunHistory(journal: bytes ?? [], upTo: steps))
    if case .object(let object)? = try? JSONValue(parsing: resolved) {
      details.configuration = object
    }
    return details
  }

  /// The updates that the weights have had.
  static func steps(_ folder: String, _ weights: String = Checkpoint.modelFile) throws -> Int {
    let path = folder + "/" + weights
    let file = try SafetensorsFile(path: path)
    guard let steps = Checkpoint.step(in: file.metadata) else {
      throw TrainingError.damaged(file: path, reason: "its metadata lack the step")
    }
    return steps
  }
}

/// The runs that the arguments of `compare` name.
///
/// A folder of runs stands for the runs in it. Files and folders without a run are skipped, so
/// that `checkpoints/*` may have a README beside its runs.
struct RunFolders {
  /// The runs' folders, in order; those that are not there among them.
  private(set) var folders: [String] = []
  /// What was skipped or stands for several runs, one sentence each.
  private(set) var notes: [String] = []

  /// Files that only a run has.
  private static let files = [
    Checkpoint.configurationFile, Checkpoint.modelFile, Checkpoint.stateFile, Journal.fileName,
  ]

  /// Looks at the arguments.
  ///
  /// - Throws: a failure where they name no run at all.
  init(_ arguments: [String]) throws {
    var passed: [String] = []
    for argument in arguments {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: argument, isDirectory: &isFolder) else {
        folders.append(argument)
        continue
      }
      guard isFolder.boolValue else {
        let parent = (argument as NSString).deletingLastPathComponent
        let whole = parent.isEmpty ? "." : parent
        passed.append(
          Self.isRun(whole)
            ? "\(argument): expected a run's folder, found a file of one. Name \(whole)."
            : "\(argument): expected a folder that `train` wrote, found a file.")
        continue
      }
      if Self.isRun(argument) {
        folders.append(argument)
        continue
      }
      let runs = Self.runs(in: argument)
      if runs.isEmpty {
        passed.append(
          "\(argument): expected a run's folder or a folder of runs; neither it nor a folder in it "
            + "holds \(Checkpoint.configurationFile). Name a folder that `train` wrote.")
      } else {
        notes.append("\(argument) holds the runs \(runs.joined(separator: ", "))")
        folders += runs
      }
    }
    guard !folders.isEmpty else {
      throw Failure(.noInput, passed.joined(separator: "\n"))
    }
    notes += passed.map { "skipped: " + $0 }
  }

  private static func isRun(_ folder: String) -> Bool {
    files.contains { FileManager.default.fileExists(atPath: folder + "/" + $0) }
  }

  private static func runs(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let start = folder.hasSuffix("/") ? folder : folder + "/"
    return names.filter { !$0.hasPrefix(".") }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      .map { start + $0 }
      .filter { FileManager.default.fileExists(atPath: $0 + "/" + Checkpoint.configurationFile) }
  }
}

/// What a comparison makes of a run's vectors and codes.
struct ComparedQuantizer {
  let quantizer: any Quantizer
  let weights: QuantizerWeights
  /// The usage at each depth.
  let usage: [CodebookUsage]
  /// What the latents carry where nothing is quantized.
  let latentUse: LatentUse?

  /// What a verdict rests on.
  var bottleneck: HealthEvidence.Bottleneck {
    if let latentUse { return .continuous(latentUse) }
    if let levels = quantizer.digitLevels {
      return .finiteScalar(
        levels: LevelUse(usage[0], levels: levels), levelWidths: quantizer.levelWidths)
    }
    if case .groups(let width) = quantizer.arrangement {
      return .vector(
        codebook: sideBySide(weights.tables.map { _ in Array(0..<quantizer.codebookSize) }, width),
        usedCodes: sideBySide(usage.map(\.usedCodes), width))
    }
    let (entries, dimension) = (entries, quantizer.codeDimension)
    return .vector(
      codebook: VectorSpread(entries, dimension: dimension),
      usedCodes: VectorSpread(
        usage[0].usedCodes.flatMap { entries[$0 * dimension..<($0 + 1) * dimension] },
        dimension: dimension))
  }

  /// Vectors before quantization, `[n, d]`, and codes in a plane; nil where they share no space.
  func plane(_ latents: [Float]) -> CodePlane? {
    if quantizer.isContinuous { return nil }
    if let levels = quantizer.digitLevels {
      return CodePlane(digits: quantizer.digits(of: latents), levels: levels)
    }
    if case .groups = quantizer.arrangement { return nil }
    return CodePlane(
      vectors: latents, codebook: entries, dimension: quantizer.codeDimension,
      counts: usage[0].counts)
  }

  /// The codebook in the space of the vectors, `[K, d]`: of several the first, which carries most of a
  /// vector.
  private var entries: [Float] {
    quantizer.arrangement == .single ? weights.codes : weights.tables[0]
  }

  /// Entries of the groups' codebooks side by side.
  private func sideBySide(_ entries: [[Int]], _ width: Int) -> VectorSpread {
    let tables = weights.tables
    var vectors: [Float] = []
    for row in 0..<(entries.map(\.count).max() ?? 0) {
      for (table, entries) in zip(tables, entries) where !entries.isEmpty {
        // A group that uses fewer of its entries than another repeats them.
        let start = entries[row % entries.count] * width
        vectors += table[start..<start + width]
      }
    }
    return VectorSpread(vectors, dimension: quantizer.codeDimension)
  }
}

/// The codebooks in a checkpoint's weights, read when they are asked for.
final class QuantizerWeights {
  private let configuration: TokenizerConfiguration
  private let parameters: ParameterMemory<Device>

  /// Weights of a tokenizer.
  init(_ configuration: TokenizerConfiguration, _ parameters: ParameterMemory<Device>) {
    self.configuration = configuration
    self.parameters = parameters
  }

  /// The vectors of all codes, `[K, d]`, of quantizers with one codebook.
  private(set) lazy var codes: [Float] = parameters.codes(of: configuration)

  /// The codebooks one after another, each `[K, d]`.
  private(set) lazy var tables: [[Float]] = Tokenizer.codebookNames(configuration.quantizer).map {
    parameters.read(parameter: parameters.layout.index(of: $0)!)
  }
}
