import Autodiff
import Execution
import Foundation
import Priors
import Testing
import TestSupport

/// Patches, heads and the steps of a solver, against their definitions.
struct ContinuousPriorTests {
  // MARK: Patches

  private func blocks(_ patches: Patches, isMirrored: Bool = false) -> [[Int]] {
    (0..<patches.rows * patches.columns).map { place in
      var block = [Int](repeating: -1, count: patches.numbers)
      patches.eachNumber(ofBlock: place, isMirrored: isMirrored) { block[$0] = $1 }
      return block
    }
  }

  @Test func fourPatchesOfSixteenNumbers() throws {
    let patches = try #require(Patches(height: 4, width: 4, channels: 1, patch: 2))
    #expect(blocks(patches) == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]])
    #expect(
      blocks(patches, isMirrored: true)
        == [[3, 2, 7, 6], [1, 0, 5, 4], [11, 10, 15, 14], [9, 8, 13, 12]])
  }

  /// Reshaping, transposing and reshaping, index by index.
  @Test(arguments: [(6, 4, 3, 2), (5, 10, 2, 5), (3, 3, 4, 1), (4, 4, 3, 4)])
  func patchesAreATransposition(_ height: Int, _ width: Int, _ channels: Int, _ patch: Int) throws {
    let patches = try #require(
      Patches(height: height, width: width, channels: channels, patch: patch))
    let found = blocks(patches)
    for row in 0..<height / patch {
      for column in 0..<width / patch {
        for y in 0..<patch {
          for x in 0..<patch {
            for c in 0..<channels {
              #expect(
                found[row * (width / patch) + column][(y * patch + x) * channels + c]
                  == ((row * patch + y) * width + column * patch + x) * channels + c)
            }
          }
        }
      }
    }
    #expect(Set(found.flatMap(\.self)).count == patches.count)
  }

  @Test func sidesThatDoNotDivideAreRefused() {
    #expect(Patches(height: 4, width: 6, channels: 3, patch: 4) == nil)
    #expect(Patches(height: 4, width: 4, channels: 3, patch: 0) == nil)
  }

  // MARK: Gaussian head

  /// The density of (0.2, 0.5) about (0.1, 0.7) with deviation 0.1.
  @Test func squaredErrorIsADensity() throws {
    let grid = VectorGrid(rows: 1, columns: 1, numbers: 2, classes: 0)
    let graph = Graph()
    let prior = ContinuousPrior(
      ContinuousConfiguration(
        transformer: TransformerConfiguration(width: 4, layers: 1, heads: 1),
        head: .gaussian(GaussianHeadConfiguration())), grid, in: Scope(graph))
    let losses = prior.losses(
      classes: graph.input("classes", [1], type: .index),
      vectors: graph.input("vectors", [1, 1, 2]),
      noiseKeys: graph.input("noise", [1], type: .index))
    let nats = try #require(losses.nats), squares = try #require(losses.squaredError)
    let run = GraphRun(
      graph, outputs: ["nats": nats, "squares": squares, "loss": losses.loss])
    run.set("head.mean.bias", [0.1, 0.7])
    run.set("head.log_deviation", [logf(0.1), logf(0.1)])
    let found = run.run { _ in ["classes": [0], "noise": [0], "vectors": [0.2, 0.5]] }
    #expect(abs(2 * found["nats"]![0] + 0.267293119579) < 1e-5)
    #expect(abs(found["squares"]![0] - 0.025) < 1e-6)
    #expect(abs(found["loss"]![0] - found["nats"]![0] - found["squares"]![0]) < 1e-6)
  }

  // MARK: Diffusion head

  /// A diffusion head in double precision, layer by layer as its definition reads.
  private struct Twin {
    let head: DiffusionHeadConfiguration
    let weights: (_ name: String) -> [Double]

    func linear(_ x: [Double], _ name: String) -> [Double] {
      let (w, b) = (weights("head." + name + ".weight"), weights("head." + name + ".bias"))
      return b.indices.map { out in
        x.indices.reduce(b[out]) { $0 + w[out * x.count + $1] * x[$1] }
      }
    }

    func silu(_ x: [Double]) -> [Double] { x.map { $0 / (1 + exp(-$0)) } }

    func normalized(_ x: [Double], by modulation: [Double]) -> [Double] {
      let n = Double(x.count)
      let mean = x.reduce(0, +) / n
      let variance = x.reduce(0) { $0 + pow($1 - mean, 2) } / n
      return x.indices.map {
        (x[$0] - mean) / sqrt(variance + 1e-6) * (1 + modulation[x.count + $0]) + modulation[$0]
      }
    }

    /// F of an input, the logarithm of a noise level and what is known.
    func network(_ x: [Double], _ logLevel: Double, _ known: [Double]) -> [Double] {
      let frequencies = (0..<32).map { pow(2, Double($0) * 7 / 31 - 2) }
      let angles = frequencies.map { $0 * logLevel / 4 }
      let time = linear(
        silu(linear(angles.map { sin($0) } + angles.map { cos($0) }, "time.0")), "time.1")
      let y = silu(zip(time, linear(known, "condition")).map(+))
      var h = linear(x, "input")
      for block in 0..<head.layers {
        let name = "blocks.\(block)."
        let normal = normalized(h, by: linear(y, name + "modulation"))
        let change = linear(silu(linear(normal, name + "mlp.0")), name + "mlp.1")
        let gate = linear(y, name + "gate")
        h = h.indices.map { h[$0] + gate[$0] * change[$0] }
      }
      return linear(normalized(h, by: linear(y, "final_modulation")), "output")
    }

    /// (x - D(x, sigma)) / sigma by the definition of D.
    func velocity(_ x: [Double], _ logLevel: Double, _ known: [Double]) -> [Double] {
      let (sigma, s) = (exp(logLevel), 0.5)
      let root = sqrt(sigma * sigma + s * s)
      let f = network(x.map { $0 / root }, logLevel, known)
      return x.indices.map {
        let denoised = s * s / (root * root) * x[$0] + sigma * s / root * f[$0]
        return (x[$0] - denoised) / sigma
      }
    }
  }

  /// A prior over two vectors of five numbers, of which places know twelve.
  private func smallPrior(_ head: DiffusionHeadConfiguration) -> (Graph, ContinuousPrior) {
    let graph = Graph()
    let prior = ContinuousPrior(
      ContinuousConfiguration(
        transformer: TransformerConfiguration(width: 12, layers: 1, heads: 1),
        head: .diffusion(head)),
      VectorGrid(rows: 1, columns: 2, numbers: 5, classes: 0), in: Scope(graph))
    return (graph, prior)
  }

  /// Weights that follow from their names, which are returned for a twin.
  private func setHashedWeights(of run: GraphRun) -> [String: [Double]] {
    var all: [String: [Double]] = [:]
    for parameter in run.parameters.layout.parameters {
      let numbers = HashedNumbers.values(parameter.name, count: parameter.shape.count)
      run.set(parameter.name, numbers)
      all[parameter.name] = numbers.map(Double.init)
    }
    return all
  }

  @Test(arguments: [true, false]) func velocityIsItsTwins(isFew: Bool) {
    let head = DiffusionHeadConfiguration(width: 20, layers: 2)
    let (graph, prior) = smallPrior(head)
    let condition = prior.condition(graph.input("known", [3, 12]), isFew: isFew)
    let velocity = prior.velocity(
      graph.input("x", [3, 5]), logLevels: graph.input("l", [3]), condition: condition,
      isFew: isFew)
    let run = GraphRun(graph, outputs: ["v": velocity])
    let all = setHashedWeights(of: run)
    let known = HashedNumbers.values("known", count: 36)
    let x = HashedNumbers.values("x", count: 15, amplitude: 20)
    let levels: [Float] = [-6.2, 0.3, 4.38]
    let found = run.run { _ in ["known": known, "x": x, "l": levels] }["v"]!
    let twin = Twin(head: head) { all[$0]! }
    for row in 0..<3 {
      let expected = twin.velocity(
        x[5 * row..<5 * row + 5].map(Double.init), Double(levels[row]),
        known[12 * row..<12 * row + 12].map(Double.init))
      for i in 0..<5 {
        let error = abs(Double(found[5 * row + i]) - expected[i]) / (1 + abs(expected[i]))
        #expect(error < 1e-4, "\(found[5 * row + i]) \(expected[i])")
      }
    }
  }

  /// The gradient of a weighted sum of velocities, by states, levels and what is known, as solvers that learn
  /// their steps need it, against differences of the twin.
  @Test func theGradientOfTheVelocityIsItsTwins() {
    let head = DiffusionHeadConfiguration(width: 20, layers: 2)
    let (graph, prior) = smallPrior(head)
    let inputs = [
      graph.input("x", [3, 5]), graph.input("l", [3]), graph.input("known", [3, 12]),
    ]
    let velocity = prior.velocity(
      inputs[0], logLevels: inputs[1], condition: prior.condition(inputs[2], isFew: false),
      isFew: false)
    let loss = (velocity * graph.input("weights", [3, 5])).sum()
    let gradients = graph.differentiate(loss, withRespectTo: inputs)
    let run = GraphRun(
      graph, outputs: ["x": gradients[0], "l": gradients[1], "known": gradients[2]])
    let all = setHashedWeights(of: run)
    let values: [String: [Float]] = [
      "x": HashedNumbers.values("x", count: 15), "l": [-1.2, 0.3, 1.38],
      "known": HashedNumbers.values("known", count: 36),
      "weights": HashedNumbers.values("weights", count: 15),
    ]
    let found = run.run { _ in values }
    let twin = Twin(head: head) { all[$0]! }
    let weights = values["weights"]!.map(Double.init)
    for name in ["x", "l", "known"] {
      for index in values[name]!.indices {
        func loss(_ step: Double) -> Double {
          var moved = values.mapValues { $0.map(Double.init) }
          moved[name]![index] += step
          return (0..<3).reduce(0) { sum, row in
            let v = twin.velocity(
              Array(moved["x"]![5 * row..<5 * row + 5]), moved["l"]![row],
              Array(moved["known"]![12 * row..<12 * row + 12]))
            return sum + (0..<5).reduce(0) { $0 + v[$1] * weights[5 * row + $1] }
          }
        }
        let expected = (loss(1e-5) - loss(-1e-5)) / 2e-5
        let error = abs(Double(found[name]![index]) - expected) / (1 + abs(expected))
        #expect(error < 1e-4, "\(name) \(index): \(found[name]![index]), expected \(expected)")
      }
    }
  }

  /// The loss is that of D, weighted by 1 / c_out^2, where F is the twin's.
  @Test func lossIsThatOfTheDenoisedVectors() {
    let head = DiffusionHeadConfiguration(width: 8, layers: 1, levels: 3)
    let grid = VectorGrid(rows: 1, columns: 1, numbers: 4, classes: 0)
    let graph = Graph()
    let prior = ContinuousPrior(
      ContinuousConfiguration(
        transformer: TransformerConfiguration(width: 8, layers: 1, heads: 1),
        head: .diffusion(head)), grid, in: Scope(graph))
    let (classes, keys) = (
      graph.input("classes", [2], type: .index), graph.input("noise", [2], type: .index)
    )
    let vectors = graph.input("vectors", [2, 1, 4])
    let loss = prior.losses(classes: classes, vectors: vectors, noiseKeys: keys).loss
    let known = prior.known(classes: classes, vectors: vectors)
    let run = GraphRun(
      graph,
      outputs: [
        "loss": loss, "known": known,
        "n": graph.normalNoise([2, 1, 3, 4], site: 1, keys: keys),
        "l": graph.normalNoise([2, 1, 3], site: 2, keys: keys),
      ])
    let all = setHashedWeights(of: run)
    let x = HashedNumbers.values("x", count: 8)
    let found = run.run { _ in ["classes": [0, 0], "noise": [11, -4], "vectors": x] }
    let twin = Twin(head: head) { all[$0]! }
    var sum = 0.0
    for image in 0..<2 {
      let known = found["known"]![8 * image..<8 * image + 8].map(Double.init)
      for level in 0..<3 {
        let logLevel = Double(found["l"]![3 * image + level]) * 1.2 - 1.2
        let sigma = exp(logLevel)
        let noised = (0..<4).map {
          Double(x[4 * image + $0]) + sigma * Double(found["n"]![(3 * image + level) * 4 + $0])
        }
        let v = twin.velocity(noised, logLevel, known)
        for i in 0..<4 {
          let error = noised[i] - sigma * v[i] - Double(x[4 * image + i])
          sum += error * error * (sigma * sigma + 0.25) / pow(sigma * 0.5, 2) / 24
        }
      }
    }
    #expect(abs(Double(found["loss"]![0]) - sum) < 1e-4 * sum, "\(found["loss"]![0]) \(sum)")
  }
}
