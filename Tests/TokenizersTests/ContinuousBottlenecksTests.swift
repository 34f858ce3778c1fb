import Autodiff
import Foundation
import TestSupport
import Testing
import Tokenizers

/// Bottlenecks that quantize nothing, against formulas in double precision.
@Suite struct ContinuousBottlenecksTests {
  private static let shape: Shape = [2, 2, 3, 4]
  /// Means 0 and 1 and log-variances of two channels, some beyond the clamp.
  private static let z: [Float] = {
    var z = HashedNumbers.values("z", count: 48).map { $0 * 3 }
    z[2] = 25
    z[7] = -40
    return z
  }()
  private static let upstream = HashedNumbers.values("upstream", count: 24)

  private static func clamped(_ value: Double) -> Double { min(max(value, -30), 20) }

  /// `sum(upstream latents) + imageLoss`, and what it is made of.
  private static func twin(_ z: [Double], noise: [Double], weight: Double) -> (
    loss: Double, latents: [Double], divergence: [Double], kl: Double
  ) {
    var (latents, divergence): ([Double], [Double]) = ([], [])
    for place in 0..<12 {
      for channel in 0..<2 {
        let (mean, raw) = (z[place * 4 + channel], z[place * 4 + 2 + channel])
        let logVariance = clamped(raw)
        latents.append(mean + exp(logVariance / 2) * noise[place * 2 + channel])
        divergence.append((mean * mean + exp(logVariance) - 1 - logVariance) / 2)
      }
    }
    // The mean over two images of the sum over each one's latents.
    let kl = divergence.reduce(0, +) / 2
    let pulled = zip(latents, upstream).reduce(0) { $0 + $1.0 * Double($1.1) }
    return (pulled + weight * kl, latents, divergence, kl)
  }

  private func run(keys: [Float]?, weight: Double) -> [String: [Float]] {
    let graph = Graph()
    let bottleneck = KLConfiguration(channels: 2, weight: weight).bottleneck(in: Scope(graph))
    let z = graph.input("z", Self.shape)
    let quantized =
      keys == nil
      ? bottleneck.quantize(z)
      : bottleneck.draw(z, keys: graph.input("keys", [2], type: .index))
    #expect(!quantized.hasIndices && quantized.auxiliaryLoss == nil)
    let pulled = (quantized.codes * graph.input("g", [2, 2, 3, 2])).sum()
    let loss = pulled + quantized.imageLoss!
    let run = GraphRun(
      graph,
      outputs: [
        "latents": quantized.codes, "means": quantized.vectors,
        "divergence": quantized.divergence!, "kl": quantized.statistics["kl"]!, "loss": loss,
        "dz": graph.differentiate(loss, withRespectTo: [z])[0],
      ])
    var inputs = ["z": Self.z, "g": Self.upstream]
    inputs["keys"] = keys
    return run.run(inputs)
  }

  @Test(arguments: [nil, [5, 9] as [Float]])
  func klIsItsFormulaAndSoIsItsGradient(_ keys: [Float]?) {
    let found = run(keys: keys, weight: 0.25)
    let doubles = Self.z.map(Double.init)
    // The noise is what moved the latents.
    let still = Self.twin(doubles, noise: Array(repeating: 0, count: 24), weight: 0.25)
    let noise = (0..<24).map { index in
      let logVariance = Self.clamped(doubles[index / 2 * 4 + 2 + index % 2])
      return (Double(found["latents"]![index]) - still.latents[index]) / exp(logVariance / 2)
    }
    // A latent of no variance tells nothing of its noise.
    let known = (0..<24).filter { doubles[$0 / 2 * 4 + 2 + $0 % 2] > -20 }
    if keys == nil {
      #expect(noise.allSatisfy { $0 == 0 })
      #expect(found["latents"] == found["means"])
    } else {
      #expect(known.allSatisfy { abs(noise[$0]) < 6 } && Set(known.map { noise[$0] }).count > 20)
    }
    let twin = Self.twin(doubles, noise: noise, weight: 0.25)
    func near(_ name: String, _ expected: [Double]) {
      for (a, b) in zip(found[name]!, expected) {
        #expect(abs(Double(a) - b) <= 1e-5 * (1 + abs(b)), "\(name)")
      }
    }
    near("divergence", twin.divergence)
    near("kl", [twin.kl])
    near("loss", [twin.loss])
    for index in 0..<48 {
      var (up, down) = (doubles, doubles)
      up[index] += 1e-5
      down[index] -= 1e-5
      let slope =
        (Self.twin(up, noise: noise, weight: 0.25).loss
          - Self.twin(down, noise: noise, weight: 0.25).loss) / 2e-5
      #expect(
        abs(Double(found["dz"]![index]) - slope) <= 2e-3 * (1 + abs(slope)), "z[\(index)]")
    }
    // Beyond the clamp nothing pulls.
    #expect(found["dz"]![2] == 0 && found["dz"]![7] == 0)
  }

  @Test func noiseIsAFunctionOfTheKey() throws {
    let one = try #require(run(keys: [5, 9], weight: 0)["latents"])
    #expect(one == run(keys: [5, 9], weight: 0)["latents"])
    #expect(one != run(keys: [6, 9], weight: 0)["latents"])
    // Only the image whose key differs.
    #expect(one[12...] == run(keys: [6, 9], weight: 0)["latents"]![12...])
  }

  @Test func noiseIsStandardNormal() {
    let graph = Graph()
    let bottleneck = KLConfiguration(channels: 4).bottleneck(in: Scope(graph))
    let z = graph.input("z", [2, 32, 32, 8])
    let drawn = bottleneck.draw(z, keys: graph.input("keys", [2], type: .index))
    let latents = GraphRun(graph, outputs: ["latents": drawn.codes]).run([
      "z": [Float](repeating: 0, count: 2 * 32 * 32 * 8), "keys": [1, 2],
    ])["latents"]!.map(Double.init)
    let count = Double(latents.count)
    func moment(_ order: Double) -> Double { latents.reduce(0) { $0 + pow($1, order) } / count }
    // Five standard errors of 8192 draws each.
    #expect(abs(moment(1)) < 0.056 && abs(moment(2) - 1) < 0.08)
    #expect(abs(moment(3)) < 0.22 && abs(moment(4) - 3) < 0.55)
  }

  @Test func noneIsTheLatentsThemselvesWithAPenalty() {
    let graph = Graph()
    let bottleneck = PlainConfiguration(channels: 4, penalty: 0.5).bottleneck(in: Scope(graph))
    let z = graph.input("z", Self.shape)
    let quantized = bottleneck.quantize(z)
    #expect(!quantized.hasIndices && quantized.imageLoss == nil && quantized.divergence == nil)
    let run = GraphRun(
      graph,
      outputs: [
        "latents": quantized.codes, "loss": quantized.auxiliaryLoss!,
        "dz": graph.differentiate(quantized.auxiliaryLoss!, withRespectTo: [z])[0],
      ])
    let found = run.run(["z": Self.z])
    #expect(found["latents"] == Self.z)
    let expected = Self.z.reduce(0.0) { $0 + Double($1) * Double($1) } / 48 / 2
    #expect(abs(Double(found["loss"]![0]) - expected) < 1e-4 * expected)
    for (gradient, value) in zip(found["dz"]!, Self.z) {
      #expect(abs(gradient - value / 48) < 1e-6 * max(1, abs(value)))
    }
  }

  /// Names and shapes of `AutoencoderKL`: twice the channels up to the posterior.
  @Test func layoutsAreThoseOfAutoencoders() {
    func shapes(_ quantizer: QuantizerConfiguration) -> [String: [Int]] {
      let graph = Graph()
      _ = Tokenizer(
        TokenizerConfiguration(
          model: ModelConfiguration(channels: [8, 16], latentChannels: 4, normGroups: 4),
          quantizer: quantizer), in: Scope(graph))
      return Dictionary(
        uniqueKeysWithValues: graph.parameters.map { ($0.name, $0.shape.dimensions) })
    }
    let kl = shapes(.kl(KLConfiguration(channels: 4)))
    #expect(kl["encoder.conv_out.bias"] == [8] && kl["quant_conv.bias"] == [8])
    #expect(kl["post_quant_conv.bias"] == [4])
    let narrow = shapes(.kl(KLConfiguration(channels: 3)))
    #expect(narrow["encoder.conv_out.bias"] == [8] && narrow["quant_conv.bias"] == [6])
    let plain = shapes(.plain(PlainConfiguration(channels: 3)))
    #expect(plain["encoder.conv_out.bias"] == [4] && plain["quant_conv.bias"] == [3])
    #expect(!kl.keys.contains { $0.hasPrefix("quantize.") })
  }

  @Test func continuousKindsHaveNoCodes() {
    for quantizer in QuantizerConfiguration.standards where quantizer.isContinuous {
      #expect(["kl", "none"].contains(quantizer.kind))
      #expect(quantizer.codebookSize == 0 && quantizer.depth == 1 && quantizer.levels == nil)
      #expect(!quantizer.canBeDeferred && quantizer.codebook == nil)
      #expect(quantizer.chosen.presentation.isContinuous)
    }
    #expect(QuantizerConfiguration.standards.count { $0.isContinuous } == 2)
  }
}
