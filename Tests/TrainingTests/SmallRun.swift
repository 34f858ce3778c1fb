import CPUBackend
import Datasets
import FileTestSupport
import Foundation
import Imaging
import Ranks
import Safetensors
import Tokenizers
import Training

/// A folder of its own with a few small pictures and room for runs, removed with the object.
final class SmallRun: Sendable {
  private let scratch: ScratchFolder

  var path: String { scratch.path }
  var data: String { folder("data") }

  /// Draws pictures of a disc on a slope, each of its own colours and place.
  init(images: Int = 10, side: Int = 16) throws {
    scratch = try ScratchFolder()
    try scratch.folder("data")
    for index in 0..<images { try Self.draw(index, side: side, in: data) }
  }

  static func draw(_ index: Int, side: Int = 16, in folder: String) throws {
    try ImageEncoder().write(
      picture(index, side: side), to: folder + "/\(100 + index).png", as: .png)
  }

  func folder(_ name: String) -> String { scratch.file(name) }

  static func picture(_ index: Int, side: Int) -> Image {
    func byte(_ value: Int) -> UInt8 { UInt8(truncatingIfNeeded: value) }
    var image = Image(width: side, height: side)
    let (centerX, centerY) = (3 + index * 5 % (side - 6), 3 + index * 7 % (side - 6))
    for y in 0..<side {
      for x in 0..<side {
        let isInside = (x - centerX) * (x - centerX) + (y - centerY) * (y - centerY) < 12
        image[x, y] =
          isInside
          ? PixelColor(byte(200 - index * 13), byte(40 + index * 20), 220)
          : PixelColor(byte(x * 8), byte(y * 8), byte(60 + index * 10))
      }
    }
    return image
  }

  // MARK: Configurations

  static let model = ModelConfiguration(
    channels: [8, 16], latentChannels: 4, middleAttention: true, normGroups: 4)

  /// Finite scalar quantization under AdamW and a cosine.
  static func fsq(data: String, steps: Int = 10) -> RunConfiguration {
    RunConfiguration(
      data: DataConfiguration(
        train: data, validationShare: 0.2, imageSize: 8, resize: .none, crop: .random, flip: true),
      model: model,
      quantizer: .fsq(FiniteScalarConfiguration(levels: [5, 4, 3])),
      training: TrainingConfiguration(
        steps: steps, batchSize: 4, lanes: 2, seed: 11,
        optimizer: .adamw(AdamWConfiguration(learningRate: 3e-3, weightDecay: 0.01)),
        schedule: .cosine(DecayConfiguration(warmup: 2, finalShare: 0.1)), gradientClip: 1),
      monitor: MonitorConfiguration(
        logEvery: 1, evaluateEvery: 4, evaluationImages: 2, samples: 2, checkpointEvery: 3))
  }

  /// Vector quantization with the rotation trick under gradient descent with momentum.
  static func vq(data: String, steps: Int = 10) -> RunConfiguration {
    var run = fsq(data: data, steps: steps)
    run.quantizer = .vq(
      VectorConfiguration(
        codebookSize: 24, codeDimension: 4, gradient: .rotation, codebookWeight: 1,
        commitmentWeight: 0.25))
    run.training.optimizer = .sgd(
      SGDConfiguration(learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-3))
    run.training.schedule = .constant(WarmupConfiguration(warmup: 3))
    run.training.reconstructionLoss = .absolute
    return run
  }

  /// The same with every average, of which one is saved, with a codebook of its own.
  static func averaged(data: String, steps: Int = 10) -> RunConfiguration {
    var run = vq(data: data, steps: steps)
    run.training.averaging = AveragingConfiguration(
      uniform: true, rateWeighted: true, tail: true, tailShare: 0.4, polynomial: true, ema: true,
      emaDecay: 0.8, save: .tail, codebook: .reestimated, evaluationImages: 2)
    run.monitor.diagnoseEvery = 2
    return run
  }

  static func configuration(_ kind: String, data: String, steps: Int = 10) -> RunConfiguration {
    var run = kind == "fsq" ? fsq(data: data, steps: steps) : vq(data: data, steps: steps)
    switch kind {
    case "averaged": return averaged(data: data, steps: steps)
    case "cosine-vq":
      run.quantizer = .cosine(
        CosineConfiguration(codebookSize: 24, codeDimension: 4, gradient: .diveq))
    case "ema":
      // Skeletons, moving averages, replacements, and all averages of the other weights.
      run = averaged(data: data, steps: steps)
      run.quantizer = .vq(
        VectorConfiguration(
          codebookSize: 24, codeDimension: 4, initialization: .skeleton,
          upkeep: CodebookUpkeep(learning: .ema, decay: 0.7, reviveEvery: 3, reviveBelow: 0.5)))
    case "revived":
      // Replacements of codes that gradients train, of which averages are kept.
      run = averaged(data: data, steps: steps)
      run.quantizer = .vq(
        VectorConfiguration(
          codebookSize: 24, codeDimension: 4, initialization: .kMeans,
          upkeep: CodebookUpkeep(decay: 0.5, reviveEvery: 2, reviveBelow: 0.3)))
    case "deferred":
      // Four steps without quantization, then spherical k-means and moving averages.
      run.quantizer = .cosine(
        CosineConfiguration(
          codebookSize: 24, codeDimension: 4, initialization: .kMeans,
          upkeep: CodebookUpkeep(learning: .ema, decay: 0.9)))
      run.training.deferQuantization = 4
    case "deferred-averaged":
      // The same with a codebook that gradients train, its averages and its momentum.
      run = averaged(data: data, steps: steps)
      run.training.deferQuantization = 4
    case "deferred-residual":
      run.quantizer = .residual(
        ResidualConfiguration(
          depth: 2, codebookSize: 16, codeDimension: 4, initialization: .kMeans))
      run.training.deferQuantization = 4
    case "deferred-fsq":
      run = fsq(data: data, steps: steps)
      run.training.deferQuantization = 4
    case "product-ema":
      // Codebooks of groups that follow moving averages, with averages of the other weights.
      run = averaged(data: data, steps: steps)
      run.quantizer = .product(
        ProductConfiguration(
          groups: 2, codebookSize: 16, codeDimension: 4,
          upkeep: CodebookUpkeep(learning: .ema, decay: 0.7, reviveEvery: 3, reviveBelow: 0.5)))
    case "residual-revived":
      // Replacements at each depth of codes that gradients train, of which averages are kept.
      run = averaged(data: data, steps: steps)
      run.quantizer = .residual(
        ResidualConfiguration(
          depth: 2, codebookSize: 16, codeDimension: 4, initialization: .kMeans,
          upkeep: CodebookUpkeep(decay: 0.5, reviveEvery: 2, reviveBelow: 0.3)))
    case "simvq":
      run.quantizer = .simvq(SimVQConfiguration(codebookSize: 24, codeDimension: 4))
    case "lfq": run.quantizer = .lfq(LookupFreeConfiguration(bits: 6))
    case "bsq": run.quantizer = .bsq(BinarySphericalConfiguration(bits: 6))
    case "product-vq":
      run.quantizer = .product(
        ProductConfiguration(groups: 2, codebookSize: 16, codeDimension: 4))
    case "residual-vq":
      run.quantizer = .residual(
        ResidualConfiguration(depth: 3, codebookSize: 16, codeDimension: 4))
    case "kl":
      run = fsq(data: data, steps: steps)
      run.quantizer = .kl(KLConfiguration(channels: 3, weight: 0.01))
      run.monitor.diagnoseEvery = 2
    case "none":
      run = fsq(data: data, steps: steps)
      run.quantizer = .plain(PlainConfiguration(channels: 3))
    default: break
    }
    return run
  }

  // MARK: Training

  /// Trains in a folder.
  @discardableResult
  static func train(
    _ run: RunConfiguration, on opened: Dataset? = nil, in folder: String,
    isResuming: Bool = false, threads: Int = 2,
    allowed: ResumeAllowance = [], start: StartingWeights? = nil,
    recorder: Recorder = Recorder(), stoppingAfter stop: Int? = nil,
    shouldStop: @escaping () -> Bool = { false }
  ) throws -> RunEnd {
    try trainer(
      run, on: opened, in: folder, isResuming: isResuming, threads: threads, allowed: allowed,
      start: start, recorder: recorder, stoppingAfter: stop, shouldStop: shouldStop
    ).train()
  }

  /// What trains in a folder.
  static func trainer(
    _ run: RunConfiguration, on opened: Dataset? = nil, in folder: String,
    isResuming: Bool = false, threads: Int = 2, group: ProcessGroup? = nil,
    allowed: ResumeAllowance = [], start: StartingWeights? = nil,
    recorder: Recorder = Recorder(), stoppingAfter stop: Int? = nil,
    shouldStop: @escaping () -> Bool = { false }
  ) throws -> TokenizerTrainer<CPUBackend> {
    let data = run.data
    let dataset =
      try opened
      ?? Dataset(
        train: data.train, validation: data.validation, validationShare: data.validationShare,
        seed: UInt64(run.training.seed), augmentation: data.augmentation,
        cacheMegabytes: data.cacheMegabytes)
    return try TokenizerTrainer(
      run, dataset: dataset, folder: folder, isResuming: isResuming, start: start,
      allowed: allowed, backend: CPUBackend(), threads: threads, group: group,
      observer: recorder,
      shouldStop: {
        group?.isStopRequested ?? false || stop != nil && recorder.reports.last?.step == stop
          || shouldStop()
      })
  }
}

/// What a run told.
final class Recorder: TrainingObserver {
  private(set) var overview: TrainingOverview?
  private(set) var reports: [StepReport] = []
  private(set) var evaluations: [(step: Int, result: EvaluationResult)] = []
  private(set) var comparisons: [(step: Int, report: AveragesReport)] = []
  private(set) var saved: [Int] = []
  private(set) var notes: [String] = []
  private(set) var failures: [(step: Int, savedStep: Int)] = []
  var afterStep: (StepReport) -> Void = { _ in }
  var afterSaving: () -> Void = {}

  func trainingWillBegin(_ overview: TrainingOverview) { self.overview = overview }

  func didStep(_ report: StepReport) {
    reports.append(report)
    afterStep(report)
  }

  func didEvaluate(_ result: EvaluationResult, step: Int) { evaluations.append((step, result)) }

  func note(_ text: String) { notes.append(text) }

  func willFail(step: Int, savedStep: Int, folder: String) { failures.append((step, savedStep)) }

  func didCompare(_ averages: AveragesReport, step: Int) { comparisons.append((step, averages)) }

  func didSave(step: Int, folder: String) {
    saved.append(step)
    afterSaving()
  }
}

/// The content of a safetensors file, to the last bit.
func tensors(_ path: String) throws -> [String: [UInt8]] {
  let file = try SafetensorsFile(path: path)
  return Dictionary(
    uniqueKeysWithValues: try file.entries.map { entry in
      (entry.name + " \(entry.shape)", try file.withBytes(of: entry) { Array($0) })
    })
}

/// The bytes of a file.
func bytes(_ path: String) throws -> [UInt8] {
  Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}
