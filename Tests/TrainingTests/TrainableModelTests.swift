import Autodiff
import CPUBackend
import Execution
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
  private(set) var guesses = [Float](repeating: .nan, count: 8)
  private(set) var slopes = [Float](repeating: .nan, count: 8)

  func take<B: Backend>(_ replay: Session<B>.Replay) {
    let words = replay.words(ofOutput: "guess")
    guesses.withUnsafeMutableBufferPointer {
      replay.read("guess", intoWords: $0.baseAddress! + replay.item * words)
    }
    slopes.withUnsafeMutableBufferPointer {
      replay.read("slope", intoWords: $0.baseAddress! + replay.item * words)
    }
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
