import Files
import CPUBackend
import Configuration
import Diagnostics
import Execution
import Foundation
import Inference
import Safetensors
import Testing
import Tokenizers
import Training

/// Averages of the weights in a run, against the iterates that its checkpoints hold.
struct AveragingTests {
  private let small: SmallRun
  private let run: RunConfiguration
  private let folder: String

  /// `theta_1 ... theta_(T+1)`, each the numbers of all tensors.
  private let iterates: [[Double]]
  private let recorder = Recorder()

  init() throws {
    small = try SmallRun()
    folder = small.folder("run")
    var run = SmallRun.averaged(data: small.data)
    run.monitor.checkpointEvery = 1
    run.training.averaging.codebook = .averaged
    self.run = run
    var iterates: [[Double]] = []
    let path = folder + "/" + Checkpoint.stateFile
    recorder.afterSaving = { iterates.append(try! Self.block("parameters.", path)) }
    try SmallRun.train(run, in: folder, recorder: recorder)
    self.iterates = [try Self.block("origin.", path)] + iterates
  }

  private static func block(_ prefix: String, _ path: String) throws -> [Double] {
    let file = try SafetensorsFile(path: path)
    return try file.entries.map(\.name).filter { $0.hasPrefix(prefix) }.sorted().flatMap {
      try file.floats($0).map(Double.init)
    }
  }

  private func rate(_ step: Int) -> Double { run.training.learningRate(ofStep: step - 1) }

  /// The weights of the iterates 1 to T in each average, by its definition.
  private func weights(_ kind: AverageKind) -> [Double] {
    let steps = 10
    let weights: [Double]
    switch kind {
    case .uniform: weights = Array(repeating: 1, count: steps)
    case .rateWeighted: weights = (1...steps).map(rate)
    case .tail: weights = (1...steps).map { $0 > 6 ? 1 : 0 }
    case .polynomial:
      // avg_t = (1 - c_t) avg_(t-1) + c_t theta_t, c_t = 4 / (t + 3).
      var list: [Double] = []
      for t in 1...steps {
        let share = 4 / (Double(t) + 3)
        list = list.map { $0 * (1 - share) } + [share]
      }
      weights = list
    case .ema: weights = (1...steps).map { pow(0.8, Double(steps - $0)) }
    }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }

  @Test func averagesAreThoseOfTheIterates() throws {
    #expect(iterates.count == 11)
    for kind in AverageKind.allCases {
      let path = folder + "/" + Checkpoint.stateFile
      let average = try Self.block("average.\(kind.rawValue).", path)
      let weights = weights(kind)
      var expected = [Double](repeating: 0, count: average.count)
      for (weight, iterate) in zip(weights, iterates) {
        for place in expected.indices { expected[place] += weight * iterate[place] }
      }
      let worst = zip(average, expected).map { abs($0 - $1) }.max()!
      #expect(worst < 2e-7, "\(kind): \(worst)")
      #expect(average != iterates[10], "\(kind) is not just the last iterate")
    }
  }

  /// However often averages are looked at, and with that moved, they are the same bit by bit.
  @Test func lookingAtAveragesChangesNone() throws {
    var quiet = run
    quiet.monitor.checkpointEvery = 100
    quiet.monitor.diagnoseEvery = 100
    quiet.monitor.evaluateEvery = 100
    try SmallRun.train(quiet, in: small.folder("quiet"))
    let path = small.folder("quiet") + "/" + Checkpoint.stateFile
    for block in AverageKind.allCases.flatMap({ ["average.\($0).", "averageRest.\($0)."] }) {
      let numbers = try Self.block(block, path)
      #expect(try numbers == Self.block(block, folder + "/" + Checkpoint.stateFile), "\(block)")
      #expect(numbers.contains { $0 != 0 })
    }
  }

  @Test func theAverageThatIsSavedIsTheModel() throws {
    let model = try SafetensorsFile(path: folder + "/" + Checkpoint.modelFile)
    let state = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
    #expect(model.metadata["weights"] == "tail")
    for entry in model.entries {
      #expect(try model.floats(entry.name) == state.floats("average.tail." + entry.name))
    }
  }

  /// The evaluation is of the model that is saved, and the averages are held side by side on the same
  /// images: there the two must agree.
  @Test func theEvaluationIsOfTheSavedWeights() throws {
    let evaluation = try #require(recorder.evaluations.last)
    let comparison = try #require(recorder.comparisons.last)
    #expect(evaluation.step == 10 && comparison.step == 10)
    #expect(
      comparison.report.entries.map(\.name)
        == ["last"]
        + AverageKind.allCases.flatMap { [$0.rawValue, $0.rawValue + "+codebook"] })
    let tail = try #require(comparison.report.entries.first { $0.name == "tail" })
    // Two evaluation images make half a micro-batch of two: each counts once.
    #expect(abs(tail.psnr - evaluation.result.psnr) < 1e-9)
    let last = try #require(comparison.report.entries.first)
    #expect(last.psnr != tail.psnr && last.jensenGap == nil && tail.jensenGap != nil)
  }

  @Test func theJensenGapIsTheMeanOfAllEvaluationsLessTheAverages() throws {
    var losses: [Double] = []
    #expect(recorder.comparisons.count == 3, "after steps 4, 8 and 10")
    for (_, report) in recorder.comparisons {
      losses.append(report.entries[0].loss)
      let mean = losses.reduce(0, +) / Double(losses.count)
      for entry in report.entries.dropFirst() {
        #expect(abs(try #require(entry.jensenGap) - (mean - entry.loss)) < 1e-12)
      }
    }
  }

  /// What the journal says of motion and regret, from the iterates themselves.
  @Test func theAverageLossFollowsTheIterates() throws {
    let lines = Journal.lines(folder: folder).filter { $0["kind"] == .string("averageLoss") }
    #expect(lines.map { $0["step"]?.double } == [2, 4, 6, 8, 10])
    for line in lines {
      let steps = Int(try #require(line["step"]?.double))
      func squared(_ a: Int, _ b: Int) -> Double {
        zip(iterates[a], iterates[b]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      }
      let path = (1...steps).reduce(0.0) { $0 + squared($1, $1 - 1).squareRoot() }
      expect(line["pathLength"], path, 1e-9)
      expect(line["displacement"], squared(steps, 0).squareRoot(), 1e-9)
      expect(line["straightness"], squared(steps, 0).squareRoot() / path, 1e-9)
      let reports = recorder.reports.prefix(steps)
      expect(line["meanLoss"], reports.reduce(0) { $0 + $1.loss } / Double(steps), 1e-12)
      expect(line["gradientMax"], reports.map(\.gradientNorm).max()!, 1e-12)
      let rates = (1...steps).map(rate)
      expect(
        line["weightedMeanLoss"],
        zip(rates, reports).reduce(0) { $0 + $1.0 * $1.1.loss } / rates.reduce(0, +), 1e-12)
      #expect(try #require(line["identityResidual"]?.double) < 1e-6)
      #expect(line["label"] == .string("proxy"))
    }
    #expect(lines.last?["bound4"] != nil && lines.first?["bound4"] == nil)
  }

  @Test func anAverageThatIsNotKeptCannotBeSaved() throws {
    #expect {
      _ = try RunConfiguration.parse(
        "{\"data\": {\"train\": \"x\"}, \"quantizer\": {\"type\": \"fsq\"}, "
          + "\"training\": {\"averaging\": {\"save\": \"ema\"}}}")
    } throws: { error in
      "\(error)".contains("training.averaging.save") && "\(error)".contains("averaging.ema to true")
    }
  }

  private func expect(
    _ value: JSONValue?, _ expected: Double, _ tolerance: Double,
    at location: SourceLocation = #_sourceLocation
  ) {
    let found = value?.double ?? .nan
    #expect(
      abs(found - expected) <= tolerance * abs(expected), "\(found), not \(expected)",
      sourceLocation: location)
  }
}
