import FileTestSupport
import Foundation
import Tessera
import Testing

/// Models of one's own that train into a folder.
struct ModelTrainingTests {
  /// A classifier of points in the plane: inside a circle or outside, in batches of 16.
  private func classifier(lanes: Int = 2, threads: Int = 1, seed: UInt64 = 1) throws -> Model {
    try Model(lanes: lanes, threads: threads, seed: seed) { scope in
      let points = scope.graph.input("points", [16, 1, 1, 2])
      let classes = scope.graph.input("classes", [16], type: .index)
      let hidden = silu(Linear(2, 16, in: scope["hidden"])(points))
      let scores = Linear(16, 2, in: scope["scores"])(hidden).reshaped([16, 2])
      return Model.Recording(
        loss: crossEntropy(scores, classes).mean(), outputs: ["scores": scores],
        statistics: ["size": (scores * scores).mean()])
    }
  }

  private func batch(_ step: Int, size: Int = 64) -> Model.Batch {
    let points = (0..<2 * size).map { Float(((step * 131 + $0) * 7919) % 2003) / 1001.5 - 1 }
    let classes = (0..<size).map { index -> Int32 in
      let (x, y) = (points[2 * index], points[2 * index + 1])
      return x * x + y * y < 0.5 ? 1 : 0
    }
    return Model.Batch(["points": points], indices: ["classes": classes])
  }

  private func training(steps: Int) -> TrainingConfiguration {
    TrainingConfiguration(
      steps: steps, batchSize: 64, seed: 1,
      optimizer: .adamw(AdamWConfiguration(learningRate: 0.02)),
      schedule: .cosine(DecayConfiguration(warmup: 5)),
      averaging: AveragingConfiguration(
        uniform: true, rateWeighted: true, tail: true, polynomial: true, ema: true, emaDecay: 0.9,
        save: .ema))
  }

  private let monitor = MonitorConfiguration(
    logEvery: 1, evaluateEvery: 20, checkpointEvery: 25, diagnoseEvery: 10)

  /// The events of a run, in words.
  private final class Events {
    var losses: [Double] = []
    var evaluations: [(step: Int, loss: Double)] = []
    var comparisons: [AveragesReport] = []
    var saved: [Int] = []

    func take(_ event: Model.Event) {
      switch event {
      case .step(let report): losses.append(report.loss)
      case .evaluated(let loss, _, let step): evaluations.append((step, loss))
      case .compared(let report, _): comparisons.append(report)
      case .saved(let step): saved.append(step)
      case .note: break
      }
    }
  }

  @Test("a classifier learns, and its averages are compared and saved")
  func learning() throws {
    let folder = try ScratchFolder()
    let (model, events) = (try classifier(), Events())
    let held = batch(1_000_000, size: 256)
    let result = try model.train(
      training(steps: 200), monitor: monitor, description: "points in a circle",
      to: folder.path + "/run", validation: held, progress: events.take
    ) { batch($0) }
    #expect(result.end == .finished && result.step == 200 && model.step == 200)
    #expect(events.losses.count == 200 && events.losses.last! < events.losses[0] / 2)
    #expect(events.saved.last == 200 && events.evaluations.map(\.step).last == 200)
    let report = try #require(events.comparisons.last)
    #expect(report.count == 256 && report.items == "examples")
    #expect(
      report.entries.map(\.name) == [
        "last", "uniform", "rateWeighted", "tail", "polynomial", "ema",
      ])
    // What is saved is the average, and it is what was evaluated.
    let ema = try classifier(seed: 9)
    try ema.readWeights(checkpoint: folder.path + "/run")
    let scores = try #require(try ema.outputs(of: held)["scores"])
    let right = zip(0..., held.indices["classes"]!).count { index, wanted in
      (scores[2 * index + 1] > scores[2 * index]) == (wanted == 1)
    }
    #expect(right > 230, "\(right) of 256")
    var loss = 0.0
    for (index, wanted) in held.indices["classes"]!.enumerated() {
      let pair = [Double(scores[2 * index]), Double(scores[2 * index + 1])]
      loss += log(exp(pair[0]) + exp(pair[1])) - pair[Int(wanted)]
    }
    #expect(abs(loss / 256 - events.evaluations.last!.loss) < 1e-5)
    #expect(abs(loss / 256 - report.entries.last!.loss) < 1e-5)
  }

  @Test("stopped and resumed it ends in the same bits", arguments: [1, 24, 40, 59])
  func resuming(after stop: Int) throws {
    let folder = try ScratchFolder()
    let (whole, parts) = (folder.path + "/whole", folder.path + "/parts")
    let held = batch(1_000_000)
    func train(_ path: String, resuming: Bool = false, until end: Int = .max, threads: Int = 1)
      throws -> [[Float]]
    {
      let (model, events) = (try classifier(threads: threads), Events())
      let result = try model.train(
        training(steps: 60), monitor: monitor, to: path, resuming: resuming, validation: held,
        progress: events.take, shouldStop: { events.losses.count >= end }
      ) { batch($0) }
      #expect(result.end == (end == .max ? .finished : .stopped))
      return try model.parameterNames.map { try model.values(of: $0) }
    }
    let wanted = try train(whole)
    _ = try train(parts, until: stop)
    #expect(try train(parts, resuming: true, threads: 2) == wanted)
    let model = "/model.safetensors"
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: whole + model))
        == Data(contentsOf: URL(fileURLWithPath: parts + model)))
    #expect(try text(whole) == text(parts))
  }

  /// The lines of a run's log, but for starts and for what time says.
  private func lines(_ folder: String) throws -> [[String: Any]] {
    try String(contentsOfFile: folder + "/metrics.jsonl", encoding: .utf8).split(separator: "\n")
      .map { line in
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        var members = try #require(object as? [String: Any])
        for key in ["seconds", "examplesPerSecond"] { members[key] = nil }
        return members
      }
      .filter { $0["kind"] as? String != "run" }
  }

  /// The same, to be compared.
  private func text(_ folder: String) throws -> [Data] {
    try lines(folder).map {
      try JSONSerialization.data(withJSONObject: $0, options: [.sortedKeys])
    }
  }

  @Test("its log has the diagnostics of every run")
  func journal() throws {
    let folder = try ScratchFolder()
    let path = folder.file("run")
    try classifier().train(
      training(steps: 20), monitor: monitor, to: path, validation: batch(1_000_000)
    ) { batch($0) }
    let lines = try lines(path)
    for kind in ["tensors", "step", "cosines", "averageLoss", "evaluation", "averages"] {
      #expect(lines.contains { $0["kind"] as? String == kind }, "\(kind)")
    }
    #expect(lines.first?["modules"] as? [String] == ["hidden", "hidden", "scores", "scores"])
    #expect(lines.last?["kind"] != nil && lines.contains { $0["size"] != nil })
    #expect(FileManager.default.fileExists(atPath: path + "/state.safetensors"))
  }

  @Test("patience ends a run that learns nothing")
  func patience() throws {
    let folder = try ScratchFolder()
    var training = training(steps: 200)
    training.optimizer = .sgd(SGDConfiguration(learningRate: 1e-30, momentum: 0))
    training.patience = 2
    let result = try classifier().train(
      training, monitor: monitor, to: folder.path + "/run", validation: batch(1_000_000)
    ) { batch($0) }
    #expect(result.end == .patienceEnded && result.step == 60)
  }

  @Test("what does not fit is refused, and nothing that is there is lost")
  func faults() throws {
    let folder = try ScratchFolder()
    let path = folder.file("run")
    func attempt(
      _ training: TrainingConfiguration, resuming: Bool = false,
      _ make: @escaping (Int) throws -> Model.Batch
    ) -> TesseraError? {
      do {
        try classifier().train(
          training, monitor: monitor, to: path, resuming: resuming, batch: make)
        return nil
      } catch { return error as? TesseraError }
    }
    var uneven = training(steps: 2)
    uneven.batchSize = 40
    #expect(attempt(uneven) { batch($0) }?.description.contains("multiple of 16") == true)
    var lanes = training(steps: 2)
    lanes.lanes = 3
    #expect(attempt(lanes) { batch($0) }?.kind == .configuration)
    #expect(attempt(training(steps: 0)) { batch($0) }?.kind == .configuration)
    #expect(attempt(training(steps: 2), resuming: true) { batch($0) }?.kind == .notFound)
    #expect(!FileManager.default.fileExists(atPath: path))
    let small = attempt(training(steps: 2)) { batch($0, size: 32) }
    #expect(small?.description.contains("expected 64 examples") == true)

    // An error of the caller's own comes through, and the steps before it are saved.
    struct Own: Error {}
    let other = folder.path + "/other"
    #expect(throws: Own.self) {
      try classifier().train(training(steps: 9), monitor: monitor, to: other) { step in
        if step == 5 { throw Own() }
        return batch(step)
      }
    }
    let resumed = try classifier().train(
      training(steps: 9), monitor: monitor, to: other, resuming: true
    ) { step in
      #expect(step >= 5)
      return batch(step)
    }
    #expect(resumed.step == 9)
    let again = #expect(throws: TesseraError.self) {
      try classifier().train(training(steps: 9), monitor: monitor, to: other) { batch($0) }
    }
    #expect(again?.kind == .output)
  }
}
