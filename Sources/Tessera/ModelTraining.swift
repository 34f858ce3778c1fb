import Autodiff
import CPUBackend
import Configuration
import Execution
import Files
import Training

extension Model {
  /// What a run into a folder tells while it goes on, in the order in which it happens.
  public enum Event: Sendable {
    /// An update was made.
    case step(StepReport)
    /// The weights that are saved were evaluated on the validation batch after a step: its loss and the
    /// means of the recorded statistics.
    case evaluated(loss: Double, statistics: [String: Double], step: Int)
    /// The last weights and their averages were held side by side on the validation batch.
    case compared(AveragesReport, step: Int)
    /// A checkpoint of a step was written.
    case saved(step: Int)
    /// Something that the user should know, and that does not end the run.
    case note(String)
  }

  /// Trains into a folder, with all that a tokenizer's run has: checkpoints, exact resume, averages of
  /// the weights, diagnostics of the optimization, patience, a log, TensorBoard.
  ///
  /// ```swift
  /// let training = TrainingConfiguration(
  ///   steps: 2000, batchSize: 128, averaging: AveragingConfiguration(ema: true, save: .ema))
  /// try model.train(training, to: "checkpoints/mine", validation: held) { step in
  ///   ["x": points(step), "target": values(step)]
  /// }
  /// ```
  ///
  /// A new run begins with the weights in memory. The batch of a step must be a function of the step
  /// alone; then a run that is stopped and resumed ends in the same bits as one that was not. `compare`
  /// reads the folder.
  ///
  /// - Parameters:
  ///   - training: how to train. `batchSize` counts examples; `lanes` is that of the model, or 0. What
  ///     it says of images is not used.
  ///   - monitor: what is measured and recorded, and how often.
  ///   - description: what the folder says of the run.
  ///   - folder: where the run goes; made where it is not there.
  ///   - resuming: whether to go on with the run in the folder; its configuration must be the same, but
  ///     for the number of steps.
  ///   - validation: examples that no step trains on; averages are compared on them, and `patience` looks
  ///     at their loss. Without them nothing is evaluated.
  ///   - progress: called between steps, in the calling thread.
  ///   - shouldStop: asked after each step; where it says so, the run saves and ends. A cancelled task
  ///     stops it as well.
  ///   - batch: the numbers of a step, counted from 0: always `batchSize` examples.
  /// - Returns: how it ended. The model has the weights of the last step, not those of an average.
  /// - Throws: ``TesseraError``: `configuration` for values that make no sense; `argument` for a batch
  ///   that does not fit the inputs; `output` where the folder holds a run already or cannot be written;
  ///   `badFile` where a state is damaged or of another model; `notFinite` where numbers exploded; and
  ///   whatever `batch` throws. Unless numbers exploded, the last step is saved first.
  /// - Complexity: steps times micro-batches times operations.
  @discardableResult
  public func train(
    _ training: TrainingConfiguration, monitor: MonitorConfiguration = MonitorConfiguration(),
    description: String = "", to folder: String, resuming: Bool = false,
    validation: Batch? = nil, progress: @escaping (Event) -> Void = { _ in },
    shouldStop: @escaping () -> Bool = { false }, batch: @escaping (_ step: Int) throws -> Batch
  ) throws -> TrainingResult {
    let run = try checkedRun(training, monitor, description)
    guard !folder.isEmpty else {
      throw TesseraError(.argument, "expected the name of a folder, found an empty one")
    }
    let observer = ModelObserver(progress)
    let held = try validation.map { ($0, try microBatches(of: $0, for: planned.lender.plan)) }
    if !resuming { clearMoments() }
    planned.configuration = run.training
    recorded.planned = run.training.batchSize / recorded.examples
    defer { recorded.planned = lanes }
    let trainer = ModelTrainer(
      run, planned, folder: folder, isResuming: resuming, observer: observer,
      shouldStop: { shouldStop() || Task.isCancelled })
    let source = ModelBatches(expecting: recorded.planned, of: self, batch)
    let end: TrainingResult.End
    do {
      let evaluation = try held.map { batch, size in
        HeldOutBatches(
          try planned.forward(size), on: ModelBatches(expecting: size, of: self) { _ in batch },
          items: recorded.items
        ) { step, result in
          progress(.evaluated(loss: result.loss, statistics: result.statistics, step: step))
        }
      }
      switch try trainer.train(on: source, evaluation: evaluation) {
      case .finished: (end, step) = (.finished, run.training.steps)
      case .patienceEnded(let last, _, _, _): (end, step) = (.patienceEnded, last)
      case .interrupted(let last): (end, step) = (.stopped, last)
      }
    } catch let error as TrainingError {
      throw TesseraError(error)
    }
    return TrainingResult(end: end, step: step, evaluation: nil, checkpoint: folder)
  }

  /// Reads weights that a run saved: those of the last step, or of the average that it was to save.
  ///
  /// - Parameter folder: the run's folder.
  /// - Throws: ``TesseraError``: `notFound`; `badFile` where they are damaged or of another model.
  /// - Complexity: linear in the weights.
  public func readWeights(checkpoint folder: String) throws(TesseraError) {
    _ = try translatingErrors { try Checkpoint(folder: folder).readModel(into: parameters) }
  }

  private func checkedRun(
    _ training: TrainingConfiguration, _ monitor: MonitorConfiguration, _ description: String
  ) throws(TesseraError) -> ModelRunConfiguration {
    var run = ModelRunConfiguration(
      description: description, training: training, monitor: monitor)
    guard training.lanes == 0 || training.lanes == lanes else {
      throw TesseraError(
        .configuration,
        "training.lanes: expected \(lanes), as the model was made with, or 0; found "
          + "\(training.lanes)")
    }
    run.training.lanes = lanes
    let portion = recorded.examples
    guard training.batchSize > 0, training.batchSize.isMultiple(of: portion) else {
      throw TesseraError(
        .configuration,
        "training.batchSize: expected a multiple of \(portion), the \(recorded.items) of a "
          + "micro-batch; found \(training.batchSize)")
    }
    do { try run.validate() } catch { throw TesseraError(error) }
    return run
  }

  /// Lets a new run begin with moments of zero.
  private func clearMoments() {
    for block in [ParameterBlock.firstMoment, .secondMoment] where parameters.hasMemory(block) {
      for (index, parameter) in parameters.layout.parameters.enumerated() where parameter.isTrained
      {
        parameters.write(
          [Float](repeating: 0, count: parameter.shape.count), toParameter: index, of: block)
      }
    }
  }
}

/// What a closure records, as a model that the loop trains: its steps differ in how many micro-batches
/// they have.
final class RecordedModel: TrainableModel {
  /// Examples in a micro-batch; 1 where the inputs do not agree on it.
  let examples: Int
  /// What is counted: examples, or micro-batches.
  let items: String
  /// Micro-batches of the steps that are trained next.
  var planned: Int

  private let recording: (Scope) throws -> Model.Recording
  private let layout: ParameterLayout

  /// Records once, to see what there is.
  init(batch: Int, record: @escaping (Scope) throws -> Model.Recording) throws {
    planned = batch
    recording = record
    let graph = Graph(collectingFaults: true)
    _ = try Self.checked(record(Scope(graph)), in: graph)
    layout = ParameterLayout(graph.parameters)
    let extents = Set(graph.inputs.values.map { $0.shape[0] })
    (examples, items) =
      extents.count == 1 ? (extents.first!, "examples") : (1, "microBatches")
  }

  var variants: [Int] { [planned] }
  func variant(ofStep step: Int) -> Int { planned }
  func batch(_ variant: Int) -> BatchShape {
    BatchShape(items: variant * examples, itemsPerReplay: examples)
  }

  func record(_ variant: Int) throws -> RecordedStep {
    let graph = Graph(collectingFaults: true)
    let recording = try Self.checked(recording(Scope(graph)), in: graph)
    guard ParameterLayout(graph.parameters) == layout else { throw Self.otherLayers }
    return RecordedStep(graph, loss: recording.loss, statistics: recording.statistics)
  }

  func recordEvaluation(_ variant: Int) throws -> RecordedStep { try record(variant) }

  static let otherLayers = TesseraError(
    .argument, "expected the same layers from all calls of record, found different ones")

  /// A recording whose loss, outputs and statistics are what they have to be.
  static func checked(
    _ recording: Model.Recording, in graph: Graph
  ) throws(TesseraError) -> Model.Recording {
    if let fault = graph.fault { throw TesseraError(.argument, fault) }
    for (name, scalar) in recording.statistics.merging(
      ["loss": recording.loss], uniquingKeysWith: { $1 })
    {
      guard scalar.graph === graph, scalar.shape.count == 1, scalar.type == .float32 else {
        throw TesseraError(
          .argument,
          "\(name): expected one number of the scope's graph, found a tensor of shape "
            + "\(scalar.shape)")
      }
    }
    for (name, output) in recording.outputs {
      guard output.graph === graph, output.type == .float32 else {
        throw TesseraError(
          .argument,
          "output \(name): expected numbers of the scope's graph, found indices or another")
      }
    }
    return recording
  }
}

/// The batches that a closure makes, each checked.
private final class ModelBatches: BatchSource {
  private let size: Int
  private let model: Model
  private let make: (Int) throws -> Model.Batch

  init(expecting size: Int, of model: Model, _ make: @escaping (Int) throws -> Model.Batch) {
    (self.size, self.model, self.make) = (size, model, make)
  }

  func withBatch<Result>(step: Int, _ body: (Training.Batch) throws -> Result) throws -> Result {
    let batch = try make(step)
    let found = try model.microBatches(of: batch, for: model.planned.lender.plan)
    guard found == size else {
      let (examples, items) = (model.recorded.examples, model.recorded.items)
      throw TesseraError(
        .argument,
        "the batch of step \(step): expected \(size * examples) \(items), as training.batchSize says; "
          + "found \(found * examples)")
    }
    return try batch.withWords(body)
  }

  func stop() {}
}

extension Model.Batch {
  /// Calls `body` with where the numbers and indices lie.
  func withWords<Result>(_ body: (Training.Batch) throws -> Result) rethrows -> Result {
    try withWords(Array(numbers), Array(indices), [], body)
  }

  private func withWords<Result>(
    _ numbers: [(key: String, value: [Float])], _ indices: [(key: String, value: [Int32])],
    _ words: [(name: String, words: UnsafeRawPointer)],
    _ body: (Training.Batch) throws -> Result
  ) rethrows -> Result {
    func with(_ name: String, _ bytes: UnsafeRawBufferPointer) throws -> Result {
      try withWords(
        numbers.isEmpty ? [] : Array(numbers.dropFirst()),
        numbers.isEmpty ? Array(indices.dropFirst()) : indices,
        words + [(name, bytes.baseAddress!)], body)
    }
    if let first = numbers.first {
      return try first.value.withUnsafeBytes { try with(first.key, $0) }
    }
    if let first = indices.first {
      return try first.value.withUnsafeBytes { try with(first.key, $0) }
    }
    return try body(Training.Batch(words))
  }
}

/// Tells what the loop tells as events.
private final class ModelObserver: RunObserver {
  private let tell: (Model.Event) -> Void

  init(_ tell: @escaping (Model.Event) -> Void) { self.tell = tell }

  func didStep(_ report: StepReport) { tell(.step(report)) }
  func didCompare(_ averages: AveragesReport, step: Int) { tell(.compared(averages, step: step)) }
  func didSave(step: Int, folder: String) { tell(.saved(step: step)) }
  func note(_ text: String) { tell(.note(text)) }
}
