import Autodiff
import CPUBackend
import Configuration
import Execution
import Foundation
import Inference
import Priors
import Randomness
import Safetensors
import Solvers
import Training

/// How far PyTorch's numbers are from Tessera's, of the same weights and inputs: the norm of the difference
/// over the norm of Tessera's.
struct ContinuousAgreement: Codable {
  /// What the transformer knows of each vector.
  let known: Double
  /// The velocity of the head.
  let velocity: Double
  /// The loss, with the same noise.
  let loss: Double
  /// Its gradient, of the weight that differs most.
  let gradient: Double
  /// That weight.
  let gradientOf: String
  /// Images that were drawn from the same noise, place by place.
  let drawn: Double

  /// What rounding may account for; a drawn image feeds its differences back at each place.
  private static let most = (once: 1e-5, drawn: 1e-4)

  /// One line under the table.
  var text: String {
    func cell(_ x: Double) -> String { String(format: "%.0e", x) }
    return "Of the same weights and noise, PyTorch's numbers in float32 differ from Tessera's by "
      + "\(cell(known)) of the transformer's output, \(cell(velocity)) of the velocity, "
      + "\(cell(loss)) of the loss, at most \(cell(gradient)) of a weight's gradient, and "
      + "\(cell(drawn)) of whole drawn images."
  }

  /// Ends the section where these are two networks.
  func check() throws {
    let all = [
      ("the transformer's output", known, Self.most.once),
      ("the velocity", velocity, Self.most.once),
      ("the loss", loss, Self.most.once),
      ("the gradient of \(gradientOf)", gradient, Self.most.once),
      ("drawn images", drawn, Self.most.drawn),
    ]
    for (name, found, most) in all where !(found <= most) {
      throw BenchmarkError(
        "PyTorch's network is not Tessera's: of the same weights and inputs, \(name) differ by a share "
          + "of \(found), expected at most \(most). Compare Benchmarks/torch_continuous.py with "
          + "Sources/Priors/ContinuousPrior.swift and DiffusionHead.swift.")
    }
  }
}

/// What a continuous prior's weights yield, for another program to compute from them again.
///
/// Inputs and results of the transformer, the head, the loss, the gradients and the drawing, in one
/// safetensors file. Gradients are named `gradient.` and the weight's name.
struct ContinuousNumbers {
  /// The folder of the prior.
  var folder: String
  /// Images that take part.
  var images = 2
  /// Steps of Heun's method.
  var steps: Int

  /// Computes them, and writes them to a file.
  func write(to path: String) throws {
    let prior = try OpenedContinuousPrior(
      folder: folder, weights: Checkpoint.modelFile, backend: Device(), threads: 1)
    let tensors = try computed(prior) + drawn(prior)
    try SafetensorsWriter.write(tensors, to: path)
  }

  private typealias Named = (name: String, shape: [Int], values: [Float])

  /// Normal numbers, always the same.
  private func normal(_ name: String, _ count: Int, deviation: Float = 1) -> [Float] {
    var random = Generator(seed: 0).split(named: name)
    return (0..<count).map { _ in deviation * random.normal() }
  }

  /// What comes of whole sequences.
  private func computed(_ prior: OpenedContinuousPrior<Device>) throws -> [Named] {
    guard let head = prior.run.model.head.diffusion else {
      throw BenchmarkError("\(folder): expected a diffusion head")
    }
    let (grid, width) = (prior.vectors.grid, prior.run.model.transformer.width)
    let rows = images * grid.vectors
    let graph = Graph()
    let network = ContinuousPrior(prior.run.model, grid, in: Scope(graph))
    let keys = graph.input("keys", [images], type: .index)
    let classes = graph.input("classes", [images], type: .index)
    let vectors = graph.input("vectors", [images, grid.vectors, grid.numbers])
    let known = network.known(classes: classes, vectors: vectors)
    let velocity = network.velocity(
      graph.input("states", [rows, grid.numbers]), logLevels: graph.input("log_levels", [rows]),
      condition: network.condition(known.reshaped([rows, width]), isFew: false), isFew: false)
    let loss = network.losses(classes: classes, vectors: vectors, noiseKeys: keys).loss
    graph.differentiate(loss)
    // The same sites and keys give the noise that the loss has drawn.
    let outputs = [
      "known": known, "velocity": velocity, "loss": loss,
      "noise": graph.normalNoise(
        [images, grid.vectors, head.levels, grid.numbers], site: 1, keys: keys),
      "level_noise": graph.normalNoise([images, grid.vectors, head.levels], site: 2, keys: keys),
    ]

    let device = Device()
    let plan = Plan(graph, outputs: outputs, on: device)
    let parameters = ParameterMemory(plan.parameters, on: device)
    try Checkpoint(folder: folder).readModel(into: parameters)
    let session = Session(
      plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let logLevels = normal("levels", rows).map {
      Float(head.noiseMean) + Float(head.noiseDeviation) * $0
    }
    let inputs: [Named] = [
      (
        "vectors", [images, grid.vectors, grid.numbers],
        normal("vectors", images * grid.count, deviation: 0.5)
      ),
      ("states", [rows, grid.numbers], normal("states", rows * grid.numbers)),
      ("log_levels", [rows], logLevels),
    ]
    nonisolated(unsafe) var results: [Named] = []
    session.feed = { [images] replay in
      for (name, _, values) in inputs { replay.write(name, values) }
      replay.write("keys", (0..<Int32(images)).map { $0 })
      replay.write("classes", [Int32](repeating: grid.entry(ofClass: nil), count: images))
    }
    session.collect = { replay in
      for (name, tensor) in outputs {
        var values = [Float](repeating: 0, count: tensor.shape.count)
        replay.read(name, intoWords: &values)
        results.append((name, tensor.shape.dimensions, values))
      }
    }
    session.run(items: 1)
    return inputs + results + gradients(of: session)
  }

  /// The gradients of a session's last run: a step of no length leaves them in the first moment.
  private func gradients(of session: Session<Device>) -> [Named] {
    let parameters = session.parameters
    let all = parameters.layout.parameters
    for (index, parameter) in all.enumerated() {
      parameters.write(
        [Float](repeating: 0, count: parameter.shape.count), toParameter: index, of: .firstMoment)
    }
    let updater = Updater(session)
    _ = updater.sumGradients()
    updater.update(
      .sgd(learningRate: 0, momentum: 0.5, nesterov: false, decay: 0), gradientScale: 1)
    return all.enumerated().map { index, parameter in
      (
        "gradient." + parameter.name, [parameter.shape.count],
        parameters.read(parameter: index, of: .firstMoment)
      )
    }
  }

  /// Images that are drawn place by place, and the noise that they come of.
  private func drawn(_ prior: OpenedContinuousPrior<Device>) -> [Named] {
    let grid = prior.vectors.grid
    let shape = [images, grid.vectors, grid.numbers]
    let options = VectorSamplingOptions(
      solver: .heun, levels: NoiseSchedule().levels(steps: steps))
    let images = prior.sampler().sample(
      (0..<images).map { VectorSampler<Device>.Request(number: $0) }, options)
    let random = Generator(seed: options.seed).split(named: "sample")
    let noise = images.indices.flatMap { image in
      (0..<grid.vectors).flatMap { place in
        var own = random.split(UInt64(image)).split(UInt64(place))
        return (0..<grid.numbers).map { _ in own.normal() }
      }
    }
    return [("draw_noise", shape, noise), ("drawn", shape, images.flatMap(\.self))]
  }
}
