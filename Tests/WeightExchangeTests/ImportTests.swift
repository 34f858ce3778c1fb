import FileTestSupport
import Foundation
import Safetensors
import TestSupport
import Testing
import Tokenizers
import WeightExchange

/// What files of weights may hold beside a tokenizer, and what may be wrong with them.
struct ImportTests {
  private typealias Tensors = [(name: String, shape: [Int], numbers: [Float])]
  private let folder: ScratchFolder
  private let path: String

  init() throws {
    folder = try ScratchFolder()
    path = folder.file("weights.safetensors")
  }

  private func open(
    _ name: String, prefix: String = "", hints: ImportedTokenizer.Hints = .init(),
    _ change: (inout [(name: String, shape: [Int], numbers: [Float])]) -> Void = { _ in }
  ) throws -> ImportedTokenizer {
    try FamilyWeights(name).write(to: path, prefix: prefix, change)
    return try ImportedTokenizer(path: path, hints)
  }

  private func fault(
    _ name: String, hints: ImportedTokenizer.Hints = .init(),
    _ change: (inout [(name: String, shape: [Int], numbers: [Float])]) -> Void
  ) -> String {
    do { _ = try open(name, hints: hints, change) } catch {
      #expect(error is ImportError, "\(error)")
      return "\(error)"
    }
    return ""
  }

  /// Wrapped, beside a discriminator and another network, and with averages.
  @Test func whatIsNoTokenizerIsDroppedByName() throws {
    let plain = try open("taming")
    let imported = try open("taming", prefix: "state_dict.first_stage_model.") { tensors in
      tensors.append(
        ("state_dict.first_stage_model.loss.discriminator.main.0.weight", [2], [1, 2]))
      tensors.append(("state_dict.first_stage_model.colorize", [1], [1]))
      tensors.append(("state_dict.model.diffusion_model.out.weight", [1], [1]))
    }
    #expect(imported.configuration == plain.configuration && imported.used == plain.used)
    let notes = imported.notes.joined(separator: "; ")
    for words in [
      "state_dict.first_stage_model.", "loss.* (1 tensor)", "state_dict.model.*", "colorize",
    ] {
      #expect(notes.contains(words), "\(words) in \(notes)")
    }
    let name = "encoder.conv_in.weight"
    #expect(try imported.floats(name) == plain.floats(name))
  }

  @Test func averagesArePreferredUnlessTheyAreNotWanted() throws {
    func both(_ averages: Bool) throws -> Float {
      let imported = try open(
        "llamagen", prefix: "model.", hints: .init(prefersAverages: averages)
      ) { tensors in
        tensors += tensors.map {
          (
            name: "ema." + $0.name.dropFirst("model.".count), shape: $0.shape,
            numbers: $0.numbers.map { $0 + 1 }
          )
        }
      }
      return try imported.floats("encoder.conv_in.bias")[0]
    }
    #expect(try both(true) == (try both(false)) + 1)
    // Lightning's averages have names without points.
    let imported = try open("taming") { tensors in
      tensors += tensors.map {
        (
          name: "model_ema." + $0.name.filter { $0 != "." }, shape: $0.shape,
          numbers: $0.numbers.map { $0 + 1 }
        )
      }
    }
    let plain = try open("taming")
    #expect(
      try imported.floats("quant_conv.bias") == plain.floats("quant_conv.bias").map { $0 + 1 })
    #expect(imported.used == plain.used)
  }

  @Test func attentionIsReadUnderItsOldNames() throws {
    let names = ["to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"]
    let plain = try open("diffusers", hints: .init(groups: 16))
    let old = try open("diffusers", hints: .init(groups: 16)) { tensors in
      for index in tensors.indices {
        for (new, old) in names {
          tensors[index].name = tensors[index].name.replacingOccurrences(
            of: ".\(new).", with: ".\(old).")
        }
        // And as 1x1 convolutions.
        if tensors[index].name.contains("attentions"), tensors[index].shape.count == 2 {
          tensors[index].shape += [1, 1]
        }
      }
    }
    #expect(old.configuration == plain.configuration)
    let name = "encoder.mid_block.attentions.0.to_q.weight"
    #expect(try old.floats(name) == plain.floats(name))
  }

  @Test func faultsAreTold() throws {
    let cases: [(String, (inout [(name: String, shape: [Int], numbers: [Float])]) -> Void)] = [
      (
        "1 tensors have no place in a tokenizer of family taming: \"decoder.other.weight\"",
        { $0.append(("decoder.other.weight", [1], [1])) }
      ),
      (
        "2 tensors of the model are not there: \"decoder.mid_block.resnets.0.conv1.weight\"",
        {
          $0.removeAll {
            $0.name.hasPrefix("decoder.mid.block_1.") && $0.name.hasSuffix("1.weight")
          }
        }
      ),
      (
        "it has no tensor that is \"decoder.conv_in.weight\" here",
        { $0.removeAll { $0.name == "decoder.conv_in.weight" } }
      ),
      (
        "has shape [32, 32, 5, 5], and the model that the other tensors show needs [32, 32, 3, 3]",
        {
          let index = $0.firstIndex { $0.name == "encoder.down.0.block.0.conv1.weight" }!
          $0[index].shape = [32, 32, 5, 5]
          $0[index].numbers = [Float](repeating: 0, count: 32 * 32 * 25)
        }
      ),
      (
        "expected a tensor \"encoder.conv_in.weight\"",
        { $0.removeAll { $0.name.hasPrefix("encoder.conv_in") } }
      ),
      (
        "expected the tensors of a known family",
        { $0.removeAll { $0.name.hasPrefix("encoder.down.") } }
      ),
      (
        "its encoder has attention at levels [] and its decoder at [1]",
        { $0.removeAll { $0.name.hasPrefix("encoder.down.1.attn.") } }
      ),
      (
        "its encoder takes 4 channels",
        {
          let index = $0.firstIndex { $0.name == "encoder.conv_in.weight" }!
          $0[index].shape = [32, 4, 3, 3]
          $0[index].numbers = [Float](repeating: 0, count: 32 * 36)
        }
      ),
    ]
    for (expected, change) in cases {
      let found = fault("taming", change)
      #expect(found.contains(expected), "expected \(expected), found \(found)")
      #expect(found.contains("weights.safetensors"))
    }
    #expect(fault("taming", hints: .init(family: .llamagen), { _ in }).contains("llamagen"))
    #expect(fault("taming", hints: .init(groups: 7), { _ in }).contains("--norm-groups"))
    #expect(fault("llamagen", hints: .init(family: .taming), { _ in }).contains("have no place"))
  }

  /// Two families with the same tensors, which compute different ids.
  @Test func whatCannotBeToldApartHasToBeNamed() throws {
    let four = { (tensors: inout [(name: String, shape: [Int], numbers: [Float])]) in
      for tensor in tensors where tensor.name.hasPrefix("encoder.down.0.block.0.") {
        for block in 1..<4
        where !tensors.contains(where: {
          $0.name.contains("down.0.block.3.") && $0.name.hasSuffix(tensor.name.suffix(12))
        }) {
          tensors.append(
            (
              name: tensor.name.replacingOccurrences(of: "block.0", with: "block.\(block)"),
              shape: tensor.shape, numbers: tensor.numbers
            ))
        }
      }
    }
    #expect(fault("taming", four).contains("--from ibq, or --from taming"))
  }

  @Test func settingsBesideTheWeightsCount() throws {
    try folder.write(#"{"_class_name": "VQGANModel", "sample_size": 64}"#, to: "config.json")
    let imported = try open("open-muse")
    #expect(imported.family == .openMUSE && imported.imageSize == 64)
    #expect(imported.configuration.model.layout.inputScale == 0.5)
    try folder.write(#"{"norm_num_groups": 16}"#, to: "config.json")
    #expect(try open("diffusers").configuration.model.normGroups == 16)
    try folder.write(#"{"norm_num_groups": 16, "norm_type": "spatial"}"#, to: "config.json")
    #expect(fault("diffusers", { _ in }).contains("norm_type is \"spatial\""))
    try folder.write("[1]", to: "other.json")
    #expect(throws: ImportError.self) {
      try ImportedTokenizer(path: path, settings: folder.file("other.json"))
    }
  }

  /// Of every family the encoder alone: the decoder's tensors are not there, and none is missed.
  @Test(arguments: FamilyTests.cases.map(\.name)) func anEncoderAloneIsTaken(_ name: String) throws
  {
    let golden = try FamilyWeights(name)
    let family = try #require(FamilyTests.cases.first { $0.name == name }).family
    let hints = ImportedTokenizer.Hints(
      family: family, groups: family == .diffusers || family == .amused ? 16 : nil)
    let prefix = name == "chameleon-encoder" ? "model.vqmodel." : ""
    let half = try open(name, prefix: prefix, hints: hints) { tensors in
      tensors.removeAll { $0.name.hasPrefix("decoder.") }
    }
    #expect(!half.configuration.hasDecoder)
    #expect(half.notes.contains { $0.contains("an encoder alone") })
    let whole = try open(name, hints: hints)
    #expect(half.configuration.quantizer == whole.configuration.quantizer)
    let results = try golden.run(half)
    if !half.configuration.quantizer.isContinuous {
      #expect(results["indices"] == (try golden.file.numbers(name + ".ids")))
    } else {
      let latents = try golden.file.numbers(name + ".latents")
      #expect(largestDifference(results["codes"]!, latents) < 1e-4)
    }
  }

  /// transformers' Janus and Chameleon, as they lie in a whole model.
  @Test func modelsOfTransformersAreRecognized() throws {
    #expect(try open("janus", prefix: "model.vqmodel.").family == .janus)
    let chameleon = try open("chameleon-encoder", prefix: "model.vqmodel.")
    #expect(chameleon.family == .chameleon && !chameleon.configuration.hasDecoder)
    #expect(chameleon.configuration.model.layout.inputScale == 0.9945)
    #expect(chameleon.notes.contains { $0.contains("post_quant_conv.* (2 tensors)") })
  }

  /// How generative models take latents stands in the settings alone.
  @Test func theScaleOfLatentsIsTakenOver() throws {
    func scaling(_ settings: String) throws -> [Double] {
      try folder.write(settings, to: "config.json")
      guard
        case .kl(let quantizer) = try open("diffusers-kl", hints: .init(groups: 16))
          .configuration.quantizer
      else { return [] }
      return [quantizer.scalingFactor, quantizer.shiftFactor]
    }
    #expect(try scaling("{}") == [1, 0])
    #expect(try scaling(#"{"_class_name": "AutoencoderKL"}"#) == [0.18215, 0])
    #expect(
      try scaling(
        #"{"_class_name": "AutoencoderKL", "scaling_factor": 0.3611, "shift_factor": 0.1159}"#)
        == [0.3611, 0.1159])
    #expect(try scaling(#"{"scaling_factor": 1, "shift_factor": null}"#) == [1, 0])
    try folder.write(#"{"scaling_factor": 0}"#, to: "config.json")
    #expect(fault("diffusers-kl", hints: .init(groups: 16)) { _ in }.contains("scaling_factor 0"))
  }

  /// Halves as Cosmos has them; constants that are in both count once.
  @Test func halvesOfATokenizerAreOne() throws {
    let golden = try FamilyWeights("cosmos-di")
    try golden.write(to: path)
    let whole = try ImportedTokenizer(path: path)
    func write(_ name: String, _ levels: [Float], _ isPart: (String) -> Bool) throws {
      try golden.write(to: folder.file("half.safetensors")) { tensors in
        tensors.removeAll { !isPart($0.name) }
        let quantizer = name == "encoder.jit" ? "quantizer" : "inv_quant.quantizer"
        tensors.append((quantizer + "._levels", [levels.count], levels))
      }
      try FileManager.default.createDirectory(
        atPath: folder.file("halves"), withIntermediateDirectories: true)
      try FileManager.default.moveItem(
        atPath: folder.file("half.safetensors"), toPath: folder.file("halves/" + name))
    }
    try write("encoder.jit", [8, 8, 8, 5, 5, 5]) {
      $0.hasPrefix("encoder.") || $0.hasPrefix("quant_conv.")
    }
    let encoder = try ImportedTokenizer(path: folder.file("halves"))
    #expect(!encoder.configuration.hasDecoder && encoder.family == .cosmos)
    try write("decoder.jit", [8, 8, 8, 5, 5, 5]) {
      $0.hasPrefix("decoder.") || $0.hasPrefix("post_quant_conv.") || $0 == "quant_conv.bias"
    }
    let both = try ImportedTokenizer(path: folder.file("halves"))
    #expect(both.configuration == whole.configuration && both.used == whole.used)
    // A decoder alone is no tokenizer, and levels that make no sense are told.
    try FileManager.default.removeItem(atPath: folder.file("halves/encoder.jit"))
    try write("encoder.jit", [8, 1]) { $0.hasPrefix("encoder.") || $0.hasPrefix("quant_conv.") }
    let fault = #expect(throws: ImportError.self) {
      try ImportedTokenizer(path: folder.file("halves"))
    }
    #expect(fault?.description.contains("found [8, 1]") ?? false)
    try FileManager.default.removeItem(atPath: folder.file("halves/encoder.jit"))
    #expect(throws: ImportError.self) { try ImportedTokenizer(path: folder.file("halves")) }
  }

  /// Files of several parts, 16 bits wide.
  @Test func partsAndNarrowNumbersAreRead() throws {
    let golden = try FamilyWeights("llamagen")
    try golden.write(to: path)
    let plain = try ImportedTokenizer(path: path)
    let parts = [golden.shapes.prefix(50), golden.shapes.dropFirst(50)].map(Array.init)
    var map: [String] = []
    for (index, shapes) in parts.enumerated() {
      let writer = try SafetensorsWriter(
        path: folder.file("m/part-\(index).safetensors").replacingOccurrences(of: "/m/", with: "/"),
        tensors: shapes.map { TensorDeclaration(name: $0.name, type: .bf16, shape: $0.shape) },
        metadata: [:])
      let byName = Dictionary(uniqueKeysWithValues: shapes.map { ($0.name, $0.shape) })
      for entry in writer.entries {
        let halves = golden.numbers(entry.name, byName[entry.name]!).map {
          UInt16($0.bitPattern >> 16)
        }
        try halves.withUnsafeBytes { try writer.append($0, to: entry.name) }
        map.append("\"\(entry.name)\": \"part-\(index).safetensors\"")
      }
      try writer.finish()
    }
    try folder.write(
      "{\"weight_map\": {\(map.joined(separator: ", "))}}", to: "model.safetensors.index.json")
    let imported = try ImportedTokenizer(path: folder.file("model.safetensors.index.json"))
    #expect(imported.configuration == plain.configuration)
    #expect(imported.notes.contains("BF16 widened to F32"))
    let name = "encoder.conv_in.weight"
    let expected = try plain.floats(name).map { Float(bitPattern: $0.bitPattern & 0xFFFF_0000) }
    #expect(try imported.floats(name) == expected)
  }
}
