import Files
import Autodiff
import CPUBackend
import Configuration
import Execution
import Training

/// A model of one's own: layers and a loss, recorded once, trained on batches of numbers.
///
/// ```swift
/// let model = try Model { scope in
///   let x = scope.graph.input("x", [64, 1, 1, 2])
///   let hidden = silu(Linear(2, 32, in: scope["hidden"])(x))
///   let y = Linear(32, 1, in: scope["output"])(hidden)
///   let target = scope.graph.input("target", [64, 1, 1, 1])
///   return Model.Recording(loss: meanSquaredError(y, target), outputs: ["y": y])
/// }
/// try model.train(steps: 1000) { step in ["x": points(step), "target": values(step)] }
/// ```
///
/// What is recorded is a micro-batch: extents are fixed, with the number of examples outermost. A
/// batch may hold any whole number of micro-batches, which the lanes share; its loss is their
/// mean. The same seed, batches and number of lanes give the same weights to the bit, whatever the
/// number of threads.
///
/// ``train(_:monitor:description:to:resuming:validation:progress:shouldStop:batch:)`` trains into a folder
/// instead, with all that a tokenizer's run has: checkpoints, exact resume, averages of the weights,
/// diagnostics, a log that `compare` reads.
///
/// A model is used by one task at a time.
public final class Model {
  /// What is minimized, and what can be read.
  public struct Recording {
    /// A scalar: what is minimized, the mean over the examples of the micro-batch.
    public var loss: Tensor
    /// Values to read by ``Model/outputs(of:)``, by name; each has the examples outermost.
    public var outputs: [String: Tensor]
    /// Scalars whose mean over a batch is reported, by name, such as an accuracy.
    public var statistics: [String: Tensor]

    /// A loss, outputs and statistics.
    public init(
      loss: Tensor, outputs: [String: Tensor] = [:], statistics: [String: Tensor] = [:]
    ) {
      (self.loss, self.outputs, self.statistics) = (loss, outputs, statistics)
    }
  }

  /// The numbers of a batch: those of each input, example by example.
  public struct Batch: ExpressibleByDictionaryLiteral, Sendable {
    /// Inputs of numbers, by name.
    public var numbers: [String: [Float]]
    /// Inputs of indices, by name.
    public var indices: [String: [Int32]]

    /// A batch of inputs by name.
    public init(_ numbers: [String: [Float]] = [:], indices: [String: [Int32]] = [:]) {
      (self.numbers, self.indices) = (numbers, indices)
    }

    /// A batch written as `["x": points, "target": values]`; of a name that comes twice, the last
    /// counts.
    public init(dictionaryLiteral elements: (String, [Float])...) {
      self.init(Dictionary(elements) { $1 })
    }
  }

  /// The names of the trained tensors, as `hidden.weight`, in the order of their declaration.
  public var parameterNames: [String] { parameters.layout.parameters.map(\.name) }
  /// Trained numbers.
  public var parameterCount: Int { parameters.layout.count }
  /// Updates made so far.
  public internal(set) var step = 0
  /// Micro-batches that are computed side by side.
  public let lanes: Int

  let recorded: RecordedModel
  let planned: PlannedSteps<Device, RecordedModel>
  let parameters: ParameterMemory<Device>
  private let evaluation: Session<Device>
  private let inputs: [String: Value]

  /// Records a model, plans its step and draws its weights.
  ///
  /// - Parameters:
  ///   - lanes: micro-batches that are computed side by side, each with memory of its own; results
  ///     depend on it.
  ///   - threads: threads that compute them; as many as there are cores where nothing is said.
  ///   - seed: of the first weights.
  ///   - record: declares inputs by `scope.graph.input` and layers in `scope`, and returns the
  ///     loss. It is called for each size of batch, and must record the same each time.
  /// - Throws: ``TesseraError``: `argument` where shapes do not fit, with the name of the layer, where
  ///   there is nothing to train, the loss is no scalar, or two records differ; `memory`; and whatever
  ///   `record` throws.
  /// - Complexity: linear in the operations and the weights.
  public init(
    lanes: Int = 1, threads: Int? = nil, seed: UInt64 = 0,
    record: @escaping (Scope) throws -> Recording
  ) throws {
    let threads = try checkedThreads(threads)
    guard (1...TrainingConfiguration.mostLanes).contains(lanes) else {
      throw TesseraError(
        .argument, "lanes: expected 1 to \(TrainingConfiguration.mostLanes), found \(lanes)")
    }
    self.lanes = lanes
    recorded = try RecordedModel(batch: lanes, record: record)
    let graph = Graph(collectingFaults: true)
    let again = try RecordedModel.checked(record(Scope(graph)), in: graph)
    inputs = graph.inputs
    let device = Device()
    let plan = try recorded.record(lanes).plan(recorded.batch(lanes), on: device)
    let evaluated = Plan(graph, outputs: again.outputs, on: device)
    guard plan.parameters == evaluated.parameters else { throw RecordedModel.otherLayers }
    guard plan.hasGradients else {
      throw TesseraError(.argument, "expected a loss that depends on a parameter, found none")
    }
    var need = MemoryNeed()
    // Values and two moments; the gradients are the lanes'.
    need.add("weights and their moments", bytes: 3 * 4 * Double(plan.parameters.words))
    need.add("activations", bytes: plan.bytes(lanes: lanes) + evaluated.bytes(lanes: lanes))
    try MemoryLimits().check(need, "the model")
    let pool = LanePool(threads: min(threads, lanes))
    parameters = ParameterMemory(plan.parameters, on: device)
    parameters.initialize(seed: seed)
    planned = try PlannedSteps(
      recorded, TrainingConfiguration(lanes: lanes), parameters: parameters, pool: pool)
    evaluation = Session(
      evaluated, parameters: parameters, lanes: lanes, pool: pool, borrowingFrom: planned.lender)
  }

  // MARK: Training

  /// Makes updates, each on a batch of its own.
  ///
  /// - Parameters:
  ///   - steps: how many.
  ///   - optimizer: the rule that turns gradients into updates.
  ///   - schedule: how the learning rate changes over these steps.
  ///   - gradientClip: the largest norm of the gradient of all weights together; 0 is off.
  ///   - batch: the numbers of a step, counted from 0 over all calls.
  ///   - progress: called after each step with its number, counted from 1, and its loss.
  /// - Throws: ``TesseraError``: `configuration` for an optimizer or schedule that makes no sense;
  ///   `argument` for a batch that does not fit the inputs; `notFinite` where numbers explode,
  ///   with the weights as they were before the step; and whatever `batch` or `progress` throws,
  ///   such as a `CancellationError`.
  /// - Complexity: steps times micro-batches times operations.
  public func train(
    steps: Int, optimizer: OptimizerConfiguration = .adamw(AdamWConfiguration()),
    schedule: ScheduleConfiguration = .constant(WarmupConfiguration()), gradientClip: Double = 1,
    batch: (_ step: Int) throws -> Batch,
    progress: (_ step: Int, _ loss: Double) throws -> Void = { _, _ in }
  ) throws {
    let training = TrainingConfiguration(
      steps: steps, lanes: lanes, optimizer: optimizer, schedule: schedule,
      gradientClip: gradientClip)
    try translatingErrors { try ModelRunConfiguration(training: training).validate() }
    planned.configuration = training
    for index in 0..<steps {
      let loss = try update(on: batch(step), learningRate: training.learningRate(ofStep: index))
      try progress(step, loss)
    }
  }

  /// Makes one update; returns the loss before it.
  private func update(on batch: Batch, learningRate: Double) throws -> Double {
    let size = try microBatches(of: batch, for: planned.lender.plan)
    let planned = try self.planned.step(size)
    let outcome = batch.withWords { planned.measure($0) }
    guard outcome.loss.isFinite, outcome.gradientNorm.isFinite else {
      throw TesseraError(
        .notFinite,
        "step \(step + 1): \(planned.firstNonFinite() ?? "the gradient") yields a number that is not "
          + "finite. Lower the learning rate, or let it rise over some steps (warmup).")
    }
    planned.update(
      step: step, gradientNorm: outcome.gradientNorm, learningRate: learningRate)
    step += 1
    return outcome.loss
  }

  // MARK: Using

  /// The outputs for a batch, with the weights as they are.
  ///
  /// - Parameter batch: a whole number of micro-batches; inputs that no output needs may be left
  ///   out.
  /// - Returns: the numbers of each output, example by example.
  /// - Throws: ``TesseraError`` `argument` for a batch that does not fit the inputs.
  /// - Complexity: micro-batches times operations.
  public func outputs(of batch: Batch) throws(TesseraError) -> [String: [Float]] {
    let items = try microBatches(of: batch, for: evaluation.plan)
    defer { (evaluation.feed, evaluation.collect) = ({ _ in }, { _ in }) }
    evaluation.feed = { [inputs = evaluation.plan.inputs] replay in
      for (name, operand) in inputs {
        let start = replay.item * operand.shape.count
        batch.numbers[name]?.withUnsafeBufferPointer {
          replay.write(name, $0.baseAddress! + start)
        }
        batch.indices[name]?.withUnsafeBufferPointer {
          replay.write(name, $0.baseAddress! + start)
        }
      }
    }
    let results = evaluation.plan.outputs.mapValues { operand in
      Results(words: operand.shape.count, items: items)
    }
    evaluation.collect = { replay in
      for (name, result) in results { result.read(name, from: replay) }
    }
    evaluation.run(items: items)
    return results.mapValues(\.numbers)
  }

  /// The numbers of a trained tensor, in the order of a checkpoint: a convolution's filter is
  /// `[outputs, inputs, rows, columns]`.
  ///
  /// - Parameter name: one of ``parameterNames``.
  /// - Throws: ``TesseraError`` `argument` where there is none of that name.
  /// - Complexity: linear in its numbers.
  public func values(of name: String) throws(TesseraError) -> [Float] {
    parameters.read(parameter: try index(of: name))
  }

  /// Replaces the numbers of a trained tensor, given in the order of a checkpoint.
  ///
  /// - Parameters:
  ///   - values: as many finite numbers as it has.
  ///   - name: one of ``parameterNames``.
  /// - Throws: ``TesseraError`` `argument` where there is none of that name, or the numbers do not
  ///   fit.
  /// - Complexity: linear in its numbers.
  public func setValues(_ values: [Float], of name: String) throws(TesseraError) {
    let index = try index(of: name)
    let shape = parameters.layout.parameters[index].fileShape
    guard values.count == shape.count else {
      throw TesseraError(
        .argument,
        "\(name): expected \(shape.count) numbers of shape \(shape), found \(values.count)")
    }
    try checkFinite(values, name)
    parameters.write(values, toParameter: index)
  }

  private func index(of name: String) throws(TesseraError) -> Int {
    if let index = parameterNames.firstIndex(of: name) { return index }
    let near = nearest(to: name, among: parameterNames).map { " Did you mean \($0)?" } ?? ""
    throw TesseraError(.argument, "the model has no parameter \(name).\(near)")
  }

  // MARK: Batches

  /// How many micro-batches a batch holds, if it has what a plan reads.
  func microBatches(of batch: Batch, for plan: Plan) throws(TesseraError) -> Int {
    for (name, values) in batch.numbers {
      try check(name, .float32)
      try checkFinite(values, name)
    }
    for name in batch.indices.keys { try check(name, .index) }
    var items: Int?
    for (name, operand) in plan.inputs.sorted(by: { $0.key < $1.key }) {
      let (count, words) = (batch.count(of: name), operand.shape.count)
      guard let count else {
        throw TesseraError(
          .argument, "input \(name): expected its numbers in the batch, found none")
      }
      guard count > 0, count.isMultiple(of: words), items ?? (count / words) == count / words else {
        throw TesseraError(
          .argument,
          "input \(name): expected \(items.map { "\($0 * words)" } ?? "a multiple of \(words)") numbers, "
            + "as its shape is \(operand.shape)\(items.map { " and the batch holds \($0) of them" } ?? "")"
            + "; found \(count)")
      }
      items = count / words
    }
    guard let items else {
      throw TesseraError(.argument, "expected a model with an input, found none")
    }
    return items
  }

  private func check(_ name: String, _ type: ElementType) throws(TesseraError) {
    guard let input = inputs[name] else {
      let near = nearest(to: name, among: Array(inputs.keys)).map { " Did you mean \($0)?" } ?? ""
      throw TesseraError(.argument, "the model has no input \(name).\(near)")
    }
    guard input.type == type else {
      throw TesseraError(
        .argument,
        "input \(name): expected \(input.type == .index ? "indices" : "numbers"), found the other")
    }
  }

  private func checkFinite(_ values: [Float], _ name: String) throws(TesseraError) {
    guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
    throw TesseraError(
      .argument, "\(name): number \(place) is \(values[place]): expected finite numbers")
  }
}

extension Model.Batch {
  /// How many numbers or indices an input has; nil where it is not there.
  fileprivate func count(of name: String) -> Int? {
    numbers[name]?.count ?? indices[name]?.count
  }
}

extension Graph {
  /// The values that are written from outside, by name.
  var inputs: [String: Value] {
    var inputs: [String: Value] = [:]
    for value in values {
      if case .input(let name) = value.role { inputs[name] = value }
    }
    return inputs
  }
}

/// The numbers of an output, which lanes write side by side, each at the places of its own items.
private final class Results: @unchecked Sendable {
  // Unchecked: no two lanes write one place, and nobody reads before all are done.
  private let memory: UnsafeMutableBufferPointer<Float>
  private let words: Int

  init(words: Int, items: Int) {
    self.words = words
    memory = .allocate(capacity: words * items)
    memory.initialize(repeating: 0)
  }

  deinit { memory.deallocate() }

  func read(_ name: String, from replay: Session<Device>.Replay) {
    replay.read(name, intoWords: memory.baseAddress! + replay.item * words)
  }

  var numbers: [Float] { Array(memory) }
}
