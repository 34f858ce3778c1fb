import Autodiff
import Configuration
import Execution
import Foundation
import TestSupport
import Testing
import Tokenizers

/// Networks that differ from the standard ones: shapes, gradients, and what configurations say of them.
struct ModelLayoutTests {
  /// One change each, and all at once.
  static let layouts: [(name: String, layout: ModelLayout)] = {
    func changed(_ change: (inout ModelLayout) -> Void) -> ModelLayout {
      var layout = ModelLayout()
      change(&layout)
      return layout
    }
    return [
      ("unit range", changed { ($0.inputScale, $0.inputOffset) = (0.5, 0.5) }),
      ("patch", changed { $0.patch = 2 }),
      ("blocks", changed { ($0.encoderBlocks, $0.decoderBlocks) = ([2, 1], [1, 3]) }),
      ("decoder channels", changed { $0.decoderChannels = [8, 12] }),
      ("middle", changed { $0.middleBlocks = 3 }),
      ("fewer halvings", changed { ($0.halvings, $0.doublings) = ([1], [0]) }),
      ("padding around", changed { $0.halvingPadding = .around }),
      ("depth to space", changed { $0.doubling = .depthToSpace }),
      ("adaptive norm", changed { $0.adaptiveNorm = true }),
      (
        "all",
        changed {
          ($0.inputScale, $0.inputOffset, $0.patch) = (0.5, 0.5, 2)
          ($0.encoderBlocks, $0.decoderBlocks) = ([2, 1], [1, 2])
          ($0.decoderChannels, $0.middleBlocks) = ([4, 8], 1)
          ($0.halvingPadding, $0.doubling, $0.adaptiveNorm) = (.around, .depthToSpace, true)
        }
      ),
    ]
  }()

  /// The slope of the loss along a direction of all parameters, by the reverse sweep and by differences.
  @Test(arguments: layouts.map(\.name)) func gradientsAreThoseOfDifferences(_ name: String) throws {
    let layout = try #require(Self.layouts.first { $0.name == name }).layout
    var model = ModelConfiguration(channels: [4, 8], latentChannels: 2, normGroups: 2)
    model.layout = layout
    let configuration = TokenizerConfiguration(
      model: model, quantizer: .plain(PlainConfiguration(channels: 2)))
    let side = 4 * model.downsampling
    let graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    let images = graph.input("images", [2, side, side, 3])
    let latents = tokenizer.latents(of: images)
    #expect(latents.shape == [2, 4, 4, 2])
    let decoded = tokenizer.decode(latents)
    #expect(decoded.shape == images.shape)
    let loss = meanSquaredError(decoded, images)
    graph.differentiate(loss)
    let run = GraphRun(graph, outputs: ["loss": loss])
    let pixels = HashedNumbers.values("images", count: 2 * side * side * 3)

    func place(_ step: Float) {
      for parameter in graph.parameters {
        let count = parameter.shape.count
        let isScale = parameter.name.hasSuffix("weight") && parameter.shape.rank == 1
        let start = HashedNumbers.values(parameter.name, count: count, amplitude: 0.25)
        let direction = HashedNumbers.values(parameter.name + ".direction", count: count)
        run.set(parameter.name, zip(start, direction).map { $0 + step * $1 + (isScale ? 1 : 0) })
      }
    }
    func value(_ step: Float) -> Double {
      place(step)
      return Double(run.run(["images": pixels])["loss"]![0])
    }
    let step: Float = 1 / 4096
    let difference = (value(step) - value(-step)) / Double(2 * step)
    _ = value(0)
    var slope = 0.0
    for (name, gradient) in run.gradients() {
      let direction = HashedNumbers.values(name + ".direction", count: gradient.count)
      slope += zip(gradient, direction).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      let isAlive = gradient.contains { $0 != 0 }
      #expect(isAlive, "\(name) has no gradient")
    }
    #expect(abs(slope - difference) < 0.01 * max(abs(difference), 0.1), "\(slope), \(difference)")
  }

  /// The definition of the patch: channel (c p + r) p + s is pixel (r, s) of channel c.
  @Test func pixelsBecomeChannels() {
    let graph = Graph()
    let x = graph.input("x", [1, 2, 4, 3])
    let run = GraphRun(
      graph,
      outputs: [
        "channels": x.unshuffled(by: 2), "back": x.unshuffled(by: 2).shuffled(by: 2),
        "space": x.unshuffled(by: 2).depthToSpace(by: 2),
      ])
    let numbers = (0..<24).map(Float.init)
    let results = run.run(["x": numbers])
    var expected: [Float] = []
    for column in 0..<2 {
      for channel in 0..<3 {
        for r in 0..<2 {
          for s in 0..<2 { expected.append(Float((r * 4 + column * 2 + s) * 3 + channel)) }
        }
      }
    }
    #expect(results["channels"] == expected)
    #expect(results["back"] == numbers)
    // Channel (2 r + s) C + c becomes pixel (r, s) of channel c.
    var space: [Float] = []
    for r in 0..<2 {
      for column in 0..<4 {
        for c in 0..<3 {
          space.append(expected[column / 2 * 12 + (2 * r + column % 2) * 3 + c])
        }
      }
    }
    #expect(results["space"] == space)
  }

  @Test func whatDoesNotFitIsTold() {
    func problem(_ json: String) -> String {
      do { _ = try ModelConfiguration.parse(json) } catch { return "\(error)" }
      return ""
    }
    let cases: [(String, String)] = [
      (#"{"layout": {"encoderBlocks": [1, 2, 3]}}"#, "an entry for each of the 2 levels"),
      (#"{"layout": {"decoderChannels": [32]}}"#, "an entry for each of the 2 levels"),
      (#"{"layout": {"decoderChannels": [33, 64]}}"#, "multiples of normGroups = 32"),
      (#"{"layout": {"halvings": [2]}}"#, "different levels from 0 to 1"),
      (#"{"layout": {"halvings": [0, 1]}}"#, "2 levels, as the encoder halves"),
      (#"{"layout": {"patch": 0}}"#, "patch"),
      (#"{"layout": {"doubling": "x"}}"#, "depth-to-space"),
    ]
    for (json, expected) in cases {
      #expect(problem(json).contains(expected), "\(json): \(problem(json))")
    }
  }

  @Test func standardNetworksSayNothingOfIt() throws {
    #expect(!ModelConfiguration.standard.resolved.contains("layout"))
    for (_, layout) in Self.layouts {
      var model = ModelConfiguration(channels: [32, 64])
      model.layout = layout
      model.layout.decoderChannels = layout.decoderChannels.map { $0 * 32 }
      #expect(try ModelConfiguration.parse(model.resolved) == model)
    }
    var patched = ModelConfiguration(channels: [32, 64])
    patched.layout.patch = 4
    #expect(patched.downsampling == 8)
  }
}
