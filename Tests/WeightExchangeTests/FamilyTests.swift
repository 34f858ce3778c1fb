import Autodiff
import Execution
import FileTestSupport
import Foundation
import Safetensors
import TestSupport
import Testing
import Tokenizers
import WeightExchange

/// Imported weights give the ids and pixels of the peers' own code; see `Tests/Golden/golden_families.py`.
struct FamilyTests {
  /// Names of the golden cases, and the families that they are of.
  static let cases: [(name: String, family: TokenizerFamily)] = [
    ("diffusers", .diffusers), ("diffusers-kl", .diffusers), ("amused", .amused),
    ("taming", .taming), ("latent-diffusion-kl", .taming), ("gumbel", .gumbel),
    ("llamagen", .llamagen), ("chameleon", .chameleon), ("rq-vae", .rqvae),
    ("open-muse", .openMUSE), ("maskgit", .maskgit), ("ibq", .ibq), ("show-o", .showO),
    ("cosmos-di", .cosmos), ("open-magvit2", .openMAGVIT2), ("janus", .janus),
    ("chameleon-encoder", .chameleon),
  ]

  @Test(arguments: cases.map(\.name)) func idsAndPixelsAreThePeers(_ name: String) throws {
    let golden = try FamilyWeights(name)
    let folder = try ScratchFolder()
    let path = folder.path + "/weights.safetensors"
    // The image processor is told by where the weights lie.
    try golden.write(to: path, prefix: name == "chameleon-encoder" ? "model.vqmodel." : "")
    let family = try #require(Self.cases.first { $0.name == name }).family
    let imported = try ImportedTokenizer(
      path: path,
      .init(family: family, groups: family == .diffusers || family == .amused ? 16 : nil))
    #expect(imported.used > 50)
    let results = try golden.run(imported)

    if imported.configuration.quantizer.isContinuous {
      let latents = try golden.file.numbers(name + ".latents")
      #expect(largestDifference(results["codes"]!, latents) < 1e-4)
    } else {
      #expect(results["indices"] == (try golden.file.numbers(name + ".ids")))
    }
    guard imported.configuration.hasDecoder else { return }
    let decoded = try golden.file.numbers(name + ".decoded")
    let scale = max(1, decoded.map(abs).max() ?? 1)
    #expect(largestDifference(results["decoded"]!, decoded) < 1e-4 * scale)
  }

  /// Those that names and shapes tell apart are recognized; small networks look like no published one.
  @Test(arguments: [
    "diffusers", "diffusers-kl", "taming", "latent-diffusion-kl", "gumbel", "llamagen", "rq-vae",
    "maskgit",
    "cosmos-di", "open-magvit2",
  ])
  func familiesAreRecognized(_ name: String) throws {
    let golden = try FamilyWeights(name)
    let folder = try ScratchFolder()
    let path = folder.path + "/weights.safetensors"
    try golden.write(to: path)
    let family = try #require(Self.cases.first { $0.name == name }).family
    let imported = try ImportedTokenizer(
      path: path, .init(groups: family == .diffusers ? 16 : nil))
    #expect(imported.family == family)
  }
}

/// A peer's weights, by the rule of `Tests/Golden/hashed_values.py`.
struct FamilyWeights {
  let name: String
  let file: GoldenFile
  let shapes: [(name: String, shape: [Int])]
  let amplitude: Float

  init(_ name: String) throws {
    self.name = name
    file = try GoldenFile("families")
    let rows = try #require(try file.json(name + ".tensors") as? [[Any]])
    shapes = rows.map { ($0[0] as? String ?? "", $0[1] as? [Int] ?? []) }
    amplitude = try #require(Float(file.text(name + ".amplitude")))
  }

  /// The numbers of a tensor.
  func numbers(_ name: String, _ shape: [Int]) -> [Float] {
    let count = shape.reduce(1, *)
    let isCodebook =
      name == "quantize.embedding.weight" || name == "quantize.embed.weight"
      || name.hasPrefix("quantizer.codebooks.")
    if isCodebook {
      let parts = name.split(separator: ".")
      let source = parts[1] == "codebooks" ? "quantizer.codebooks.0.weight" : name
      return HashedNumbers.values(source, count: count, amplitude: amplitude)
    }
    if shape.count >= 2 {
      let fanIn = Double(count / shape[0])
      var amplitude: Float = 1
      while fanIn > 3 / Double(amplitude * amplitude) { amplitude /= 2 }
      return HashedNumbers.values(name, count: count, amplitude: amplitude)
    }
    if name.hasSuffix(".bias") {
      return HashedNumbers.values(name, count: count, amplitude: 1 / 16)
    }
    return HashedNumbers.values(name, count: count, amplitude: 1 / 4).map { 1 + $0 }
  }

  /// Writes them as safetensors.
  ///
  /// - Parameters:
  ///   - prefix: stands before each name.
  ///   - change: what is done to names and shapes.
  func write(
    to path: String, prefix: String = "",
    _ change: (inout [(name: String, shape: [Int], numbers: [Float])]) -> Void = { _ in }
  ) throws {
    var tensors = shapes.map {
      (name: prefix + $0.name, shape: $0.shape, numbers: numbers($0.name, $0.shape))
    }
    change(&tensors)
    let writer = try SafetensorsWriter(
      path: path,
      tensors: tensors.map { TensorDeclaration(name: $0.name, type: .f32, shape: $0.shape) },
      metadata: [:])
    let byName = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.numbers) })
    for entry in writer.entries { try writer.append(byName[entry.name]!, to: entry.name) }
    try writer.finish()
  }

  /// The ids, codes and pixels of the golden image.
  func run(_ imported: ImportedTokenizer) throws -> [String: [Float]] {
    let graph = Graph()
    let tokenizer = Tokenizer(imported.configuration, in: Scope(graph))
    let quantized = tokenizer.bottleneck.quantize(
      tokenizer.latents(of: graph.input("images", [1, 32, 32, 3])))
    var outputs = ["codes": quantized.codes]
    if imported.configuration.hasDecoder { outputs["decoded"] = tokenizer.decode(quantized.codes) }
    if quantized.hasIndices { outputs["indices"] = quantized.indices }
    let run = GraphRun(graph, outputs: outputs)
    for parameter in graph.parameters {
      run.set(parameter.name, try imported.floats(parameter.name))
    }
    let image = HashedNumbers.values("image", count: 3 * 32 * 32)
    return run.run(["images": TensorLayout.channelsLast(image, [1, 3, 32, 32])])
  }
}
