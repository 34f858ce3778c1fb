import Files
import Autodiff
import CPUBackend
import Configuration
import Execution
import FileTestSupport
import Foundation
import Testing
import Training

/// A model that has nothing to do with images: a linear function of three numbers, in two kinds of steps.
private struct LinearModel: TrainableModel {
  /// Items of a replay: two kinds of steps that are planned apart.
  enum Variant { case single, pair }

  let itemsPerStep = 8

  var variants: [Variant] { [.single, .pair] }
  func variant(ofStep step: Int) -> Variant { step.isMultiple(of: 3) ? .single : .pair }
  func batch(_ variant: Variant) -> BatchShape {
    BatchShape(items: itemsPerStep, itemsPerReplay: variant == .single ? 1 : 2)
  }

  func record(_ variant: Variant) -> RecordedStep {
    let graph = Graph()
    let count = batch(variant).itemsPerReplay
    let x = graph.input("x", [1, count, 3])
    let y = graph.input("y", [1, count, 1])
    let guess = matrixProduct(x, Scope(graph).parameter("weight", [1, 3, 1], .constant(0)))
    let loss = meanSquaredError(guess, y)
    return RecordedStep(
      graph, loss: loss, statistics: ["error": meanAbsoluteError(guess, y)],
      outputs: ["guess": guess], gradients: ["slope": guess])
  }

  func recordEvaluation(_ variant: Variant) -> RecordedStep {
    var step = record(variant)
    (step.statistics, step.gradients) = ([:], [:])
    return step
  }
}

/// The guesses of a batch, and the gradients at them.
private final class GuessReader: ReplayReader {
  var guesses: [Float] { Array(UnsafeBufferPointer(start: memory, count: 8)) }
  var slopes: [Float] { Array(UnsafeBufferPointer(start: memory + 8, count: 8)) }

  // No arrays: lanes write at once, each its own places.
  private let memory = UnsafeMutablePointer<Float>.allocate(capacity: 16)

  init() { memory.initialize(repeating: .nan, count: 16) }

  deinit { memory.deallocate() }

  var blocks: [UnsafeMutableRawBufferPointer] {
    [memory, memory + 8].map {
      UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(start: $0, count: 8))
    }
  }

  func take<B: Backend>(_ replay: Session<B>.Replay) {
    let place = memory + replay.item * replay.words(ofOutput: "guess")
    replay.read("guess", intoWords: place)
    replay.read("slope", intoWords: place + 8)
  }
}

/// Batches of points on the function, each a function of its step.
private final class Points: BatchSource {
  static let weight: [Float] = [0.5, -1, 2]
  private(set) var isStopped = false

  static func points(_ step: Int) -> (x: [Float], y: [Float]) {
    let x = (0..<24).map { Float(((step * 24 + $0) * 7919) % 101) / 50 - 1 }
    let y = (0..<8).map { item in
      (0..<3).reduce(Float(0)) { $0 + weight[$1] * x[item * 3 + $1] }
    }
    return (x, y)
  }

  func withBatch<Result>(step: Int, _ body: (Batch) throws -> Result) throws -> Result {
    let (x, y) = Self.points(step)
    return try x.withUnsafeBytes { x in
      try y.withUnsafeBytes { y in
        try body(Batch([("x", x.baseAddress!), ("y", y.baseAddress!), ("unused", y.baseAddress!)]))
      }
    }
  }

  func stop() { isStopped = true }
}

@Suite("Training any model")
struct TrainableModelTests {
  private let configuration = TrainingConfiguration(
    steps: 200, batchSize: 8, lanes: 2, optimizer: .adam(AdamConfiguration(learningRate: 0.05)))

  /// Trains, and returns the losses and the weights.
  private func train(
    lanes: Int = 2, threads: Int = 2, steps: Int = 200
  ) throws -> (losses: [Double], weights: [Float]) {
    var configuration = configuration
    configuration.lanes = lanes
    let model = LinearModel()
    let layout = ParameterLayout(model.record(.single).graph.parameters)
    let parameters = ParameterMemory(layout, on: CPUBackend())
    parameters.initialize(seed: 1)
    let planned = try PlannedSteps(
      model, configuration, parameters: parameters, pool: LanePool(threads: threads))
    let points = Points()
    var losses: [Double] = []
    for index in 0..<steps {
      let variant = model.variant(ofStep: index)
      let step = try planned.step(variant)
      let reader = GuessReader()
      try points.withBatch(step: index) { batch in
        let before = try planned.forward(variant).loss(of: batch)
        let outcome = step.measure(batch, readers: [reader])
        // A pass without gradients tells the same loss.
        #expect(before == outcome.loss)
        step.update(step: index, gradientNorm: outcome.gradientNorm)
        losses.append(outcome.loss)
        let (_, y) = Points.points(index)
        let errors = zip(reader.guesses, y).map { Double($0 - $1) }
        // The slow twin of the statistics, and of the gradient at each guess.
        #expect(abs(outcome.loss - errors.reduce(0) { $0 + $1 * $1 } / 8) < 1e-6)
        #expect(abs(outcome.statistics["error"]! - errors.reduce(0) { $0 + abs($1) } / 8) < 1e-6)
        for (slope, error) in zip(reader.slopes, errors) {
          #expect(abs(Double(slope) - 2 * error / 8) < 1e-6)
        }
      }
    }
    return (losses, parameters.read(parameter: layout.index(of: "weight")!))
  }

  @Test("the weights become those of the function")
  func convergence() throws {
    let (losses, weights) = try train()
    #expect(losses[0] > 0.5 && losses.last! < 1e-4, "\(losses[0]) to \(losses.last!)")
    for (weight, wanted) in zip(weights, Points.weight) { #expect(abs(weight - wanted) < 0.02) }
  }

  @Test("threads change no bit")
  func threads() throws {
    let (one, two) = (try train(threads: 1, steps: 20), try train(threads: 2, steps: 20))
    #expect(one.losses == two.losses && one.weights == two.weights)
  }
}

/// Halves the weight every seventh step, does long work before the twelfth, and remembers both.
private final class Halving: TrainingCallback {
  private let parameters: ParameterMemory<CPUBackend>
  private(set) var halvings = 0
  private(set) var calls: [String] = []

  init(_ parameters: ParameterMemory<CPUBackend>) { self.parameters = parameters }

  func prepares(step: Int) -> Bool { step == 12 }
  func prepare(step: Int) throws { calls.append("prepare \(step)") }
  func changesWeights(after step: Int) -> Bool { step.isMultiple(of: 7) }
  func didUpdate(step: Int) {
    guard changesWeights(after: step) else { return }
    parameters.write(parameters.read(parameter: 0).map { $0 / 2 }, toParameter: 0)
    halvings += 1
  }
  var statistics: [String: Double] { ["halved": Double(halvings)] }
  var counts: [String: Int] { ["halvings": halvings] }
  var warning: String? { halvings == 2 ? "halved twice" : nil }
  func diagnose(step: Int) -> [JSONObject] {
    [JSONObject(["kind": .string("halving"), "step": .integer(step), "n": .integer(halvings)])]
  }
  var numbers: [String: [Double]] { ["halvings": [Double(halvings)]] }
  func restore(_ numbers: [String: [Double]]) -> String? {
    guard let count = numbers["halvings"]?.first else { return "halvings" }
    halvings = Int(count)
    return nil
  }
}

/// What a run told.
private final class Watcher: RunObserver {
  private(set) var reports: [StepReport] = []
  private(set) var saved: [Int] = []
  private(set) var compared: [AveragesReport] = []
  private(set) var failures: [Int] = []

  func didStep(_ report: StepReport) { reports.append(report) }
  func didCompare(_ averages: AveragesReport, step: Int) { compared.append(averages) }
  func didSave(step: Int, folder: String) { saved.append(step) }
  func willFail(step: Int, savedStep: Int, folder: String) { failures.append(step) }
}

@Suite("A run of any model")
struct ModelRunTests {
  private let scratch: ScratchFolder
  init() throws { scratch = try ScratchFolder() }

  private let run = ModelRunConfiguration(
    training: TrainingConfiguration(
      steps: 30, batchSize: 8, lanes: 2, optimizer: .adam(AdamConfiguration(learningRate: 0.05)),
      averaging: AveragingConfiguration(uniform: true, ema: true, emaDecay: 0.8, save: .uniform)),
    monitor: MonitorConfiguration(
      logEvery: 1, evaluateEvery: 10, checkpointEvery: 8, diagnoseEvery: 5))

  private struct Result {
    let end: RunEnd
    let callback: Halving
    let watcher: Watcher
    let source: Points
    let weights: [Float]
  }

  private func train(
    _ folder: String, resuming: Bool = false, stopAfter stop: Int? = nil, failAt: Int? = nil
  ) throws -> Result {
    let model = LinearModel()
    let layout = ParameterLayout(model.record(.single).graph.parameters)
    let parameters = ParameterMemory(layout, on: CPUBackend())
    parameters.initialize(seed: 1)
    let planned = try PlannedSteps(
      model, run.training, parameters: parameters, pool: LanePool(threads: 2))
    let (watcher, source, callback) = (Watcher(), Points(), Halving(parameters))
    let end = try ModelTrainer(
      run, planned, folder: scratch.file(folder), isResuming: resuming, observer: watcher,
      shouldStop: { stop != nil && watcher.reports.last?.step == stop }
    ).train(
      on: failAt.map { FailingPoints(at: $0) } ?? source,
      evaluation: HeldOutBatches(
        try planned.forward(.pair), on: Points(), batches: 2, items: "points"),
      callbacks: [callback])
    return Result(
      end: end, callback: callback, watcher: watcher, source: source,
      weights: parameters.read(parameter: 0))
  }

  /// Points that cannot be read at a step.
  private final class FailingPoints: BatchSource {
    struct Fault: Error {}
    private let step: Int
    init(at step: Int) { self.step = step }
    func withBatch<Result>(step: Int, _ body: (Batch) throws -> Result) throws -> Result {
      if step == self.step { throw Fault() }
      return try Points().withBatch(step: step, body)
    }
    func stop() {}
  }

  @Test("callbacks are asked in their places, and told in reports, lines and warnings")
  func callbacks() throws {
    let result = try train("run")
    #expect(result.end == .finished && result.source.isStopped)
    #expect(result.callback.halvings == 4 && result.callback.calls == ["prepare 12"])
    let reports = result.watcher.reports
    #expect(reports.map { $0.counts["halvings"] } == (1...30).map { $0 / 7 })
    #expect(reports.filter { $0.warning != nil }.map(\.step) == Array(14...20))
    // Saved before the long work, every eighth step, and at the end.
    #expect(result.watcher.saved == [8, 11, 16, 24, 30])
    let lines = try String(contentsOfFile: scratch.file("run/metrics.jsonl"), encoding: .utf8)
      .split(separator: "\n").map { try JSONValue(parsing: String($0)) }
    func steps(_ kind: String) -> [JSONValue?] {
      lines.compactMap {
        guard case .object(let line) = $0, line["kind"] == .string(kind) else { return nil }
        return line["step"]
      }
    }
    #expect(steps("halving") == stride(from: 5, through: 30, by: 5).map { .integer($0) })
    #expect(steps("evaluation") == [.integer(10), .integer(20), .integer(30)])
    #expect(steps("step").count == 30)
    let compared = try #require(result.watcher.compared.last)
    #expect(compared.count == 16 && compared.entries.map(\.name) == ["last", "uniform", "ema"])
  }

  @Test("the saved average is the mean of the iterates, halvings among them")
  func average() throws {
    let result = try train("run")
    // The slow twin: the same steps by hand.
    let model = LinearModel()
    let layout = ParameterLayout(model.record(.single).graph.parameters)
    let parameters = ParameterMemory(layout, on: CPUBackend())
    parameters.initialize(seed: 1)
    let planned = try PlannedSteps(
      model, run.training, parameters: parameters, pool: LanePool(threads: 1))
    var sum = [0.0, 0, 0]
    for index in 0..<30 {
      for (place, weight) in parameters.read(parameter: 0).enumerated() {
        sum[place] += Double(weight)
      }
      let step = try planned.step(model.variant(ofStep: index))
      try Points().withBatch(step: index) { batch in
        let outcome = step.measure(batch)
        step.update(step: index, gradientNorm: outcome.gradientNorm)
      }
      if (index + 1).isMultiple(of: 7) {
        parameters.write(parameters.read(parameter: 0).map { $0 / 2 }, toParameter: 0)
      }
    }
    #expect(parameters.read(parameter: 0) == result.weights)
    let saved = ParameterMemory(layout, on: CPUBackend())
    try Checkpoint(folder: scratch.file("run")).readModel(into: saved)
    for (weight, sum) in zip(saved.read(parameter: 0), sum) {
      #expect(abs(Double(weight) - sum / 30) < 1e-6)
    }
  }

  @Test("a run that was stopped or failed goes on bit by bit", arguments: [1, 7, 11, 14, 20, 29])
  func resuming(after stop: Int) throws {
    let whole = try train("whole")
    #expect(try train("stopped", stopAfter: stop).end == .interrupted(step: stop))
    let resumed = try train("stopped", resuming: true)
    #expect(resumed.end == .finished && resumed.weights == whole.weights)
    #expect(resumed.callback.halvings == whole.callback.halvings)
    #expect(throws: FailingPoints.Fault.self) { try train("failed", failAt: stop) }
    #expect(try train("failed", resuming: true).weights == whole.weights)
    for folder in ["stopped", "failed"] {
      #expect(
        try tensors(scratch.file("whole/model.safetensors"))
          == tensors(scratch.file(folder + "/model.safetensors")))
    }
  }

  @Test("a state without a callback's numbers is refused, and so is another configuration")
  func refusals() throws {
    _ = try train("run", stopAfter: 9)
    let checkpoint = Checkpoint(folder: scratch.file("run"))
    var other = run
    other.training.optimizer = .adam(AdamConfiguration(learningRate: 0.01))
    let model = LinearModel()
    let layout = ParameterLayout(model.record(.single).graph.parameters)
    func attempt(_ run: ModelRunConfiguration, callbacks: [any TrainingCallback]) throws {
      let parameters = ParameterMemory(layout, on: CPUBackend())
      let planned = try PlannedSteps(
        model, run.training, parameters: parameters, pool: LanePool(threads: 1))
      _ = try ModelTrainer(
        run, planned, folder: checkpoint.folder, isResuming: true, observer: Watcher()
      ).train(on: Points(), callbacks: callbacks)
    }
    #expect(
      throws: TrainingError.otherConfiguration(
        folder: checkpoint.folder, differences: ["training.optimizer.learningRate"],
        canBeAllowed: true)
    ) { try attempt(other, callbacks: []) }
    let lacking = #expect(throws: TrainingError.self) {
      try attempt(run, callbacks: [Demanding()])
    }
    #expect(lacking?.description.contains("no usable \"something\"") == true)
  }

  /// A callback whose numbers no state has.
  private final class Demanding: TrainingCallback {
    func restore(_ numbers: [String: [Double]]) -> String? { "something" }
  }
}
