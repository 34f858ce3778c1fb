import Autodiff
import Execution
import Priors
import Solvers

/// Goes through the places of a few sequences at once with a continuous prior: what is known of each vector,
/// given those before it.
///
/// Keys and values of the places before are cached. Rows of a batch are computed as if each were alone. A walk
/// belongs to one thread; several read the same arranged weights.
package final class VectorWalk<B: Backend> {
  /// Sequences that are gone through at once.
  package let rows: Int
  /// What the vectors are.
  package let grid: VectorGrid

  private let trunk: Session<B>
  /// The velocity of a diffusion head; nil of a gaussian one.
  private let head: Session<B>?
  /// What a diffusion head sees of noise levels.
  private let embedder: Session<B>?
  /// What it saw of levels that all sequences had, which come again at each place.
  private var knownEmbeddings: [Float: [Float]] = [:]
  /// Noise levels that are remembered at most.
  private static var mostEmbeddings: Int { 1024 }

  private let classes, position: UnsafeMutablePointer<Int32>
  private let before, weights: UnsafeMutablePointer<Float>
  private let condition, states, logLevels, embeddings, velocities: UnsafeMutablePointer<Float>
  private let channels: Int
  /// What the transformer knows of the place, `[rows, channels]`.
  package let known: UnsafeMutablePointer<Float>
  /// The mean of a gaussian head, and its standard deviations, `[rows, numbers]` each.
  package let mean, deviation: UnsafeMutablePointer<Float>

  /// Plans the steps.
  ///
  /// - Parameter other: a walk through as many sequences with the same weights.
  package init(
    _ configuration: ContinuousConfiguration, _ grid: VectorGrid, parameters: ParameterMemory<B>,
    rows: Int, besides other: VectorWalk<B>? = nil
  ) {
    (self.rows, self.grid) = (rows, grid)
    let width = configuration.transformer.width
    let alone = LanePool(threads: 1)
    let graph = Graph()
    let prior = ContinuousPrior(configuration, grid, in: Scope(graph))
    let next = prior.next(
      classes: graph.input("classes", [rows], type: .index),
      vectors: graph.input("vectors", [rows, grid.numbers]),
      weights: graph.input("weights", [rows, 2]),
      position: graph.input("position", [1], type: .index))
    var outputs = ["known": next]
    if let diffusion = configuration.head.diffusion {
      channels = diffusion.width
      outputs["condition"] = prior.condition(next, isFew: true)
      func session(
        _ name: String, sharing other: Session<B>?, _ make: (Graph, ContinuousPrior) -> Tensor
      ) -> Session<B> {
        let graph = Graph()
        let output = make(graph, ContinuousPrior(configuration, grid, in: Scope(graph)))
        return Session(
          Plan(graph, outputs: [name: output], on: parameters.backend), parameters: parameters,
          lanes: 1, pool: alone, sharing: other)
      }
      embedder = session("embeddings", sharing: other?.embedder) { graph, prior in
        prior.embedding(ofLogLevels: graph.input("logLevels", [rows]), isFew: true)
      }
      head = session("velocity", sharing: other?.head) { graph, prior in
        prior.velocity(
          graph.input("states", [rows, grid.numbers]),
          logLevels: graph.input("logLevels", [rows]),
          embedding: graph.input("embeddings", [rows, diffusion.width]),
          condition: graph.input("condition", [rows, diffusion.width]), isFew: true)
      }
    } else {
      channels = 1
      (outputs["mean"], outputs["deviation"]) = prior.normal(next)
      (head, embedder) = (nil, nil)
    }
    trunk = Session(
      Plan(graph, outputs: outputs, on: parameters.backend), parameters: parameters,
      lanes: 1, pool: alone, sharing: other?.trunk)
    func room(_ count: Int) -> UnsafeMutablePointer<Float> {
      let room = UnsafeMutablePointer<Float>.allocate(capacity: count)
      room.initialize(repeating: 0, count: count)
      return room
    }
    (classes, position) = (.allocate(capacity: rows), .allocate(capacity: 1))
    (before, weights) = (room(rows * grid.numbers), room(rows * 2))
    (known, condition) = (room(rows * width), room(rows * channels))
    (states, velocities) = (room(rows * grid.numbers), room(rows * grid.numbers))
    (mean, deviation) = (room(rows * grid.numbers), room(rows * grid.numbers))
    (logLevels, embeddings) = (room(rows), room(rows * channels))
    connect(isGaussian: head == nil)
  }

  deinit {
    for buffer in [classes, position] { buffer.deallocate() }
    for buffer in [
      before, weights, known, condition, states, velocities, mean, deviation, logLevels, embeddings,
    ] {
      buffer.deallocate()
    }
  }

  /// What the steps read and write, once and for all.
  private func connect(isGaussian: Bool) {
    let (classes, before, weights, position) = (classes, before, weights, position)
    let (known, condition, mean, deviation) = (known, condition, mean, deviation)
    let (states, logLevels, embeddings, velocities) = (states, logLevels, embeddings, velocities)
    trunk.feed = { replay in
      replay.write("classes", classes)
      replay.write("vectors", before)
      replay.write("weights", weights)
      replay.write("position", position)
    }
    trunk.collect = { replay in
      replay.read("known", intoWords: known)
      if isGaussian {
        replay.read("mean", intoWords: mean)
        replay.read("deviation", intoWords: deviation)
      } else {
        replay.read("condition", intoWords: condition)
      }
    }
    head?.feed = { replay in
      replay.write("states", states)
      replay.write("logLevels", logLevels)
      replay.write("embeddings", embeddings)
      replay.write("condition", condition)
    }
    embedder?.feed = { $0.write("logLevels", logLevels) }
    embedder?.collect = { $0.read("embeddings", intoWords: embeddings) }
    head?.collect = { $0.read("velocity", intoWords: velocities) }
  }

  /// Arranges the weights, which the first step would do.
  func prepare() {
    trunk.prepare()
    embedder?.prepare()
    head?.prepare()
  }

  /// Begins sequences, each with the entry of its class.
  package func begin(_ entry: (_ row: Int) -> Int32) {
    position.pointee = -1
    for row in 0..<rows {
      classes[row] = entry(row)
      (weights[2 * row], weights[2 * row + 1]) = (1, 0)
    }
    before.update(repeating: 0, count: rows * grid.numbers)
  }

  /// Computes what is known of the next place of all sequences.
  package func expect() {
    position.pointee += 1
    trunk.run(items: 1)
  }

  /// Notes a number of the vector that a sequence has at the place.
  @inline(__always)
  package func note(_ x: Float, _ row: Int, number: Int) {
    before[row * grid.numbers + number] = x
    (weights[2 * row], weights[2 * row + 1]) = (0, 1)
  }

  /// The velocities of a diffusion head at states of the place, `[rows, numbers]`; valid until the next.
  ///
  /// - Parameters:
  ///   - state: a number of a row.
  ///   - logLevel: the logarithm of a row's noise level.
  package func velocity(
    _ state: (_ row: Int, _ number: Int) -> Float, logLevel: (_ row: Int) -> Float
  ) -> UnsafePointer<Float> {
    for row in 0..<rows {
      logLevels[row] = logLevel(row)
      for number in 0..<grid.numbers {
        states[row * grid.numbers + number] = state(row, number)
      }
    }
    embedLevels()
    head?.run(items: 1)
    return UnsafePointer(velocities)
  }

  /// Finds what the head sees of the noise levels: remembered where all rows have a level that they had.
  private func embedLevels() {
    let level = logLevels[0]
    let isShared = (1..<rows).allSatisfy { logLevels[$0] == level }
    if isShared, let embedding = knownEmbeddings[level] {
      for row in 0..<rows {
        (embeddings + row * channels).update(from: embedding, count: channels)
      }
      return
    }
    embedder?.run(items: 1)
    if isShared && knownEmbeddings.count < Self.mostEmbeddings {
      knownEmbeddings[level] = Array(UnsafeBufferPointer(start: embeddings, count: channels))
    }
  }
}
