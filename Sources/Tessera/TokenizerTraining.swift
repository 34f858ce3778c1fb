import CPUBackend
import Configuration
import Datasets
import Execution
import Files
import Training

/// What a training run tells while it goes on, in the order in which it happens.
public enum TrainingEvent: Sendable {
  /// The images are open, and the run begins or goes on.
  case began(TrainingOverview)
  /// An update was made.
  case step(StepReport)
  /// The model was evaluated on the fixed set of images after a step.
  case evaluated(EvaluationResult, step: Int)
  /// The last weights and their averages were held side by side after a step.
  case compared(AveragesReport, step: Int)
  /// A checkpoint of a step was written.
  case saved(step: Int)
  /// Something that the user should know, and that does not end the run, such as an image that is
  /// skipped.
  case note(String)
}

/// How a training run ended.
public struct TrainingResult: Sendable {
  /// Why it ended.
  public enum End: Sendable, Equatable {
    /// All steps were made.
    case finished
    /// Evaluations improved no more, `training.patience`.
    case patienceEnded
    /// Someone asked to stop; the run can go on by `resuming`.
    case stopped
  }

  /// Why it ended.
  public let end: End
  /// Updates made so far; the state of this step is saved.
  public let step: Int
  /// The last evaluation of this call; nil where there was none.
  public let evaluation: EvaluationResult?
  /// The folder of the run.
  public let checkpoint: String
}

extension Tokenizer {
  /// Trains a tokenizer on a folder of images, and writes checkpoints into a folder.
  ///
  /// ```swift
  /// let run = RunConfiguration(data: DataConfiguration(train: "photos", imageSize: 64))
  /// try Tokenizer.train(run, to: "checkpoints/photos") { event in
  ///   if case .step(let report) = event { print(report.step, report.loss) }
  /// }
  /// let tokenizer = try Tokenizer(checkpoint: "checkpoints/photos")
  /// ```
  ///
  /// The run is the one that the command `train` makes of the same configuration, to the bit. The
  /// call returns when the run has ended, which takes minutes to days; other threads help
  /// meanwhile.
  ///
  /// - Parameters:
  ///   - configuration: what to train; every value is checked before anything is read.
  ///   - folder: where the run goes; made where it is not there.
  ///   - resuming: whether to go on with the run in the folder, bit by bit as if it had not
  ///     stopped; its configuration must be the same, but for the number of steps.
  ///   - start: the folder of a checkpoint whose weights a new run begins with; nil draws them.
  ///   - threads: threads that compute; as many as there are cores where nothing is said.
  ///   - progress: called between steps, in the calling thread.
  ///   - shouldStop: asked after each step and in long work between steps, there from any thread:
  ///     where it says so, the run saves and ends. A cancelled task stops it as well.
  /// - Returns: how it ended.
  /// - Throws: ``TesseraError``: `configuration` for values that make no sense; `notFound`,
  ///   `badFile` and `argument` for images that are not there, damaged or too few; `output` where
  ///   the folder holds a run already or cannot be written; `memory` before anything is allocated;
  ///   `notFinite` where numbers exploded; `stopped` where someone asked to stop before the first
  ///   step. Unless numbers exploded, the last step is saved first.
  /// - Complexity: steps times images of a batch times operations of the model; memory grows with
  ///   the lanes, not with the batch.
  @discardableResult
  public static func train(
    _ configuration: RunConfiguration, to folder: String, resuming: Bool = false,
    startingFrom start: String? = nil, threads: Int? = nil,
    progress: @escaping (TrainingEvent) -> Void = { _ in },
    shouldStop: @escaping @Sendable () -> Bool = { false }
  ) throws(TesseraError) -> TrainingResult {
    guard !folder.isEmpty, start?.isEmpty != true else {
      throw TesseraError(.argument, "expected the name of a folder, found an empty one")
    }
    guard !resuming || start == nil else {
      throw TesseraError(
        .argument, "startingFrom starts a new run, resuming continues an existing one: choose one")
    }
    let threads = try checkedThreads(threads)
    do {
      return try run(
        configuration, to: folder, resuming: resuming, startingFrom: start, threads: threads,
        progress, shouldStop)
    } catch DatasetError.stopped {
      throw TesseraError(.stopped, "stopped before anything was computed; \(folder) is as it was")
    } catch {
      throw TesseraError(error)
    }
  }

  private static func run(
    _ configuration: RunConfiguration, to folder: String, resuming: Bool,
    startingFrom start: String?, threads: Int, _ progress: @escaping (TrainingEvent) -> Void,
    _ shouldStop: @escaping @Sendable () -> Bool
  ) throws -> TrainingResult {
    try configuration.validate()
    // As a file that says the same would be read: what was left to choose is chosen.
    let given = try RunConfiguration.parse(configuration.resolved)
    let checkpoint = Checkpoint(folder: folder)
    let lock = try checkpoint.lockForTraining(resuming: resuming)
    defer { lock?.release() }
    let run = try TokenizerTrainer<Device>.choosingLanes(
      given, cores: threads, folder: resuming ? folder : nil)
    let dataset = try Self.dataset(
      run, in: Checkpoint(folder: start ?? folder),
      isRecorded: resuming || start != nil, progress)
    let observer = EventObserver(progress)
    let trainer = try TokenizerTrainer(
      run, dataset: dataset, folder: folder, isResuming: resuming,
      start: start.map { try StartingWeights(folder: $0) }, lock: lock, backend: Device(),
      threads: threads, observer: observer,
      shouldStop: { shouldStop() || Task.isCancelled })
    let end: TrainingResult.End
    switch try trainer.train() {
    case .finished: end = .finished
    case .patienceEnded(let step, _, _, _): (end, observer.step) = (.patienceEnded, step)
    case .interrupted(let step): (end, observer.step) = (.stopped, step)
    }
    return TrainingResult(
      end: end, step: observer.step, evaluation: observer.evaluation, checkpoint: folder)
  }

  /// The images of a run, if there is memory for it.
  private static func dataset(
    _ run: RunConfiguration, in checkpoint: Checkpoint, isRecorded: Bool,
    _ progress: (TrainingEvent) -> Void
  ) throws -> Dataset {
    let need = MemoryNeed(training: run, on: Device())
    try MemoryLimits().check(need, "training")
    let folders =
      isRecorded
      ? try checkpoint.imageFolders(run)
      : RunImageFolders(train: run.data.train, validation: run.data.validation)
    let dataset = try Dataset(run, in: folders, beside: need)
    for image in dataset.rejected { progress(.note("skipped: \(image.reason)")) }
    for image in dataset.doubtful { progress(.note("used all the same: \(image.reason)")) }
    for note in dataset.notes { progress(.note(note)) }
    let images = min(run.monitor.evaluationImages, max(1, dataset.validation.count))
    try MemoryLimits().check(
      MemoryNeed(training: run, evaluationImages: images, on: Device()), "training")
    return dataset
  }
}

/// Tells what a trainer tells as events, and remembers the last.
private final class EventObserver: TrainingObserver {
  var step = 0
  var evaluation: EvaluationResult?
  private let tell: (TrainingEvent) -> Void

  init(_ tell: @escaping (TrainingEvent) -> Void) { self.tell = tell }

  func trainingWillBegin(_ overview: TrainingOverview) {
    step = overview.firstStep
    tell(.began(overview))
  }

  func didStep(_ report: StepReport) {
    step = report.step
    tell(.step(report))
  }

  func didEvaluate(_ result: EvaluationResult, step: Int) {
    evaluation = result
    tell(.evaluated(result, step: step))
  }

  func didCompare(_ averages: AveragesReport, step: Int) { tell(.compared(averages, step: step)) }

  func didSave(step: Int, folder: String) { tell(.saved(step: step)) }

  func note(_ text: String) { tell(.note(text)) }
}
