import Datasets
import FileTestSupport
import Files
import Foundation
import Imaging
import SceneRendering
import Testing
import TokenFiles
import Tokenizers
import Training

/// `compress` as its users run it.
@Suite("compress by command")
struct CompressCommandTests {
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    _ = try SceneDataset.write(
      count: 6, validation: 4, size: 32, seed: 3, to: folder.file("scenes"))
  }

  private func copy(_ kind: TinyCheckpoint.Kind) throws {
    try FileManager.default.copyItem(
      atPath: TinyCheckpoint.of(kind).path, toPath: folder.file("whole"))
  }

  private func tessera(_ arguments: String...) throws -> CommandRunner.Outcome {
    try CommandRunner.run("tessera", arguments, in: folder.path)
  }

  // MARK: Whole ways

  @Test(arguments: ["svd", "id"])
  func whatComesOutIsACheckpointAsAnyOther(_ method: String) throws {
    try copy(.fsq)
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "small", "--method", method, "--keep",
        "0.8", "--budget", "parameters", "--data", "scenes/validation"), 0,
      "layer", "rank", "weights k", "M mul-adds", "dB alone", "together", "small: ", "parameters",
      "times as fast", "dB on 4 images", "docs/compression.md")
    expect(
      try tessera("encode", "--checkpoint", "small", "--output", "t", "--verify", "scenes/train"),
      0, "6 of 6 images decode to the pixels of the forward pass")
    expect(try tessera("decode", "--checkpoint", "small", "--output", "out", "t.safetensors"), 0)
    expect(
      try tessera("compare", "whole", "small", "--data", "scenes/validation"), 0, "small", "whole")
    // Fine-tuning needs no configuration, and keeps what is smaller.
    expect(
      try tessera(
        "train", "--from", "small", "--data", "scenes/train", "--steps", "2", "--output", "tuned"),
      0, "tuned")
    let compression = try #require(try compression(of: "tuned"))
    #expect(try self.compression(of: "small") == compression)
    #expect(try self.compression(of: "whole") == nil)
    // It can be resumed as any run.
    expect(try tessera("train", "--resume", "--output", "tuned", "--steps", "3"), 0)
    // Compressed once is enough.
    expect(
      try tessera("compress", "--checkpoint", "small", "--output", "smaller", "--energy", "0.5"),
      65, "small is compressed already")
    // Weights of one shape are not those of the other.
    expect(
      try tessera(
        "train", "--from", "small", "--config", "whole/config.json", "--data", "scenes/train",
        "--output", "other"), 65, "small/model.safetensors", "the model needs",
      "more tensors differ", "It is compressed")
  }

  private func compression(of name: String) throws -> JSONValue? {
    let text = try String(contentsOfFile: folder.file(name + "/config.json"), encoding: .utf8)
    guard case .object(let object) = try JSONValue(parsing: text),
      case .object(let model)? = object["model"]
    else { throw NoObject() }
    return model["compression"]
  }

  private struct NoObject: Error {}

  @Test func aSmallerDecoderDecodesTheTokensOfTheWholeOne() throws {
    try copy(.vq)
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "small", "--keep", "0.9", "--budget",
        "parameters", "--part", "decoder", "--data", "scenes/validation"), 0)
    func tokens(_ checkpoint: String) throws -> [[UInt32]] {
      expect(
        try tessera(
          "encode", "--checkpoint", checkpoint, "--output", checkpoint + ".safetensors",
          "scenes/train"), 0)
      let file = try TokenFile.open(path: folder.file(checkpoint + ".safetensors"))
      return try (0..<file.count).map { try file.record(at: $0).tokens }
    }
    #expect(try tokens("whole") == tokens("small"))
    expect(
      try tessera("decode", "--checkpoint", "small", "--output", "out", "whole.safetensors"), 0)
    // A smaller encoder gives others, and says so.
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "other", "--keep", "0.9", "--budget",
        "parameters", "--part", "encoder", "--data", "scenes/validation"), 0)
    expect(
      try tessera("decode", "--checkpoint", "other", "--output", "no", "whole.safetensors"), 65)
  }

  @Test func aSmallerCodebookSaysWhereEveryIDWent() throws {
    try copy(.vq)
    let before = try Checkpoint(folder: folder.file("whole")).readConfiguration()
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "small", "--codebook", "7", "--data",
        "scenes/validation"), 0, "skeleton", "k-means", "rarest", "taken: ", "small: ")
    let text = try String(contentsOfFile: folder.file("small/token-map.json"), encoding: .utf8)
    guard case .object(let map) = try JSONValue(parsing: text), case .array(let ids)? = map["ids"]
    else { throw NoObject() }
    #expect(ids.count == before.quantizer.codebookSize)
    let new = ids.compactMap { if case .integer(let id) = $0 { id } else { nil } }
    #expect(new.count == ids.count && new.allSatisfy { 0..<7 ~= $0 })
    #expect(Set(new).count > 1)
    expect(
      try tessera("encode", "--checkpoint", "small", "--output", "t", "--verify", "scenes/train"),
      0)
    let file = try TokenFile.open(path: folder.file("t.safetensors"))
    #expect(file.identity.codebookSize == 7)
    #expect(map["to"] == .string(file.identity.fingerprint))
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "by", "--codebook", "7", "--codebook-by",
        "rarest", "--data", "scenes/validation"), 0, "taken: rarest")
  }

  @Test func fineTuningFollowsAtOnce() throws {
    try copy(.fsq)
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "small", "--energy", "0.6", "--data",
        "scenes/validation", "--fine-tune", "2", "--set", "training.optimizer.learningRate=1e-4"),
      0, "small/compressed: ", "dB after fine-tuning for 2 steps")
    expect(try tessera("encode", "--checkpoint", "small", "--output", "t", "scenes/train"), 0)
    let checkpoint = Checkpoint(folder: folder.file("small"))
    #expect(try checkpoint.readConfiguration().training.steps == 2)
    #expect(checkpoint.hasState)
  }

  /// Energies are those of the weights: no image is needed, and none is looked at.
  @Test func energyNeedsNoImages() throws {
    try copy(.fsq)
    try FileManager.default.removeItem(atPath: folder.file("whole/data.jsonl"))
    let run = try Checkpoint(folder: folder.file("whole")).readConfiguration()
    let text = try String(contentsOfFile: folder.file("whole/config.json"), encoding: .utf8)
    try folder.write(
      text.replacing(try #require(run.data.validation), with: "nowhere"), to: "whole/config.json")
    expect(
      try tessera("compress", "--checkpoint", "whole", "--output", "small", "--energy", "0.6"), 0,
      "Nothing is measured", "small: ")
    expect(
      try tessera("compress", "--checkpoint", "whole", "--output", "no", "--keep", "0.6"), 66,
      "nowhere", "--data")
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "no", "--method", "id", "--energy",
        "0.6"), 66, "nowhere")
    #expect(!FileManager.default.fileExists(atPath: folder.file("no")))
  }

  @Test func aPriorsLinearLayers() throws {
    try copy(.fsq)
    expect(
      try tessera("encode", "--checkpoint", "whole", "--output", "t", "scenes/train"), 0)
    try folder.write(
      """
      {"kind": "prior", "data": {"tokens": ["t.safetensors"], "validationShare": 0.25},
       "model": {"width": 32, "layers": 2, "heads": 2},
       "training": {"steps": 2, "batchSize": 2},
       "monitor": {"logEvery": 1, "evaluateEvery": 2, "evaluationImages": 2}}
      """, to: "prior.json")
    expect(try tessera("train", "--config", "prior.json", "--output", "prior"), 0)
    expect(
      try tessera("compress", "--checkpoint", "prior", "--output", "less", "--keep", "0.5"), 64,
      "prior is a prior", "--energy 0.9")
    expect(
      try tessera("compress", "--checkpoint", "prior", "--output", "less", "--energy", "0.4"), 0,
      "model.layers.0.mlp.gate_proj", "less: ", "tessera score")
    expect(try tessera("score", "--checkpoint", "less", "t.safetensors"), 0, "bits/token")
    expect(
      try tessera(
        "sample", "--checkpoint", "less", "--count", "2", "--output", "drawn.safetensors"), 0)
    expect(
      try tessera("compress", "--checkpoint", "less", "--output", "least", "--energy", "0.4"), 65,
      "less is compressed already")
  }

  // MARK: Bad input

  @Test(arguments: [
    ([], "expected a goal: --max-loss-db 0.3, --keep 0.7 or --energy 0.95"),
    (["--keep", "0"], "--keep: expected a share above 0 and below 1, such as 0.7, found 0.0"),
    (["--keep", "1"], "--keep: expected a share above 0 and below 1"),
    (["--keep", "nan"], "--keep: expected a share above 0 and below 1"),
    (["--keep", "-0.5"], "--keep"),
    (
      ["--energy", "1.2"], "--energy: expected a share above 0 and below 1, such as 0.7, found 1.2"
    ),
    (["--energy", "0.9", "--keep", "0.5"], "--keep and --energy are two goals: choose one"),
    (["--max-loss-db", "0"], "--max-loss-db: expected more than 0 dB"),
    (["--energy", "0.9", "--budget", "time"], "--budget says what --keep counts"),
    (["--energy", "0.9", "--method", "qr"], "--method"),
    (["--energy", "0.9", "--part", "quantizer"], "--part: expected encoder or decoder"),
    (["--codebook", "1"], "--codebook: expected at least 2 entries, found 1"),
    (["--energy", "0.9", "--codebook-by", "rarest"], "--codebook-by belongs to --codebook"),
    (["--energy", "0.9", "--images", "0"], "--images: expected at least 1, found 0"),
    (["--energy", "0.9", "--fine-tune", "0"], "--fine-tune: expected at least 1 step"),
    (["--energy", "0.9", "--set", "training.seed=2"], "--set changes the configuration of --fine"),
  ])
  func wrongUsage(_ arguments: [String], _ words: String) throws {
    let outcome = try CommandRunner.run(
      "tessera", ["compress", "--checkpoint", "whole", "--output", "small"] + arguments,
      in: folder.path)
    #expect(outcome.code == 64, "\(outcome)")
    let text = outcome.errors.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(text.contains(words), "\(outcome)")
  }

  @Test func whatIsNotThereOrNotRight() throws {
    func refused(_ code: Int32, _ arguments: [String], _ words: String...) throws {
      let outcome = try CommandRunner.run(
        "tessera", ["compress", "--checkpoint", "whole", "--output", "small"] + arguments,
        in: folder.path)
      #expect(outcome.code == code, "\(outcome)")
      for word in words { #expect(outcome.errors.contains(word), "\(word) in \(outcome)") }
      #expect(outcome.errors.split(separator: "\n").count { $0.hasPrefix("error:") } == 1)
    }
    try refused(66, ["--energy", "0.9"], "whole")
    try copy(.fsq)
    try refused(66, ["--keep", "0.9", "--data", "nothing"], "nothing")
    try refused(
      65, ["--codebook", "7", "--data", "scenes/validation"], "of type \"vq\"", "\"fsq\"")
    try refused(
      65, ["--keep", "0.01", "--budget", "parameters", "--data", "scenes/validation"],
      "--keep 0.01: expected at least 0.")
    try refused(
      65, ["--energy", "0.9999999", "--data", "scenes/validation"], "nothing was gained")
    #expect(!FileManager.default.fileExists(atPath: folder.file("small")))
    // An output that exists stays.
    try folder.write("mine", to: "small/model.safetensors")
    try refused(73, ["--energy", "0.5", "--data", "scenes/validation"], "small")
    #expect(
      try String(contentsOfFile: folder.file("small/model.safetensors"), encoding: .utf8) == "mine")
  }

  @Test func moreCodesThanThereAreAndImagesThatAreTooSmall() throws {
    try copy(.vq)
    // This one is trained on squares cut out of images as they are.
    try folder.write(
      ImageEncoder().encode(SampleImages.image(9, 8, number: 1), as: .png), to: "tiny/a.png")
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "small", "--energy", "0.9", "--data",
        "tiny"), 65, "a.png")
    let size = try Checkpoint(folder: folder.file("whole")).readConfiguration().quantizer
      .codebookSize
    expect(
      try tessera(
        "compress", "--checkpoint", "whole", "--output", "small", "--codebook", "\(size)",
        "--data", "scenes/validation"), 65, "expected fewer than the \(size) entries of whole")
  }

  /// Layers of model.compression are the model's, and smaller than they were.
  @Test(arguments: [
    (#"{"ranks": {"encoder.nothing": 4}}"#, "encoder.nothing"),
    (#"{"ranks": {"encoder.mid_block.resnets.0.conv1": 100000}}"#, "at most"),
    (#"{"ranks": {"encoder.mid_block.resnets.0.conv1": 0}}"#, "ranks"),
    (#"{"ranks": {}, "pointwiseFirst": ["encoder.conv_in"]}"#, "layers that ranks names too"),
    (#"{"widths": {"encoder.mid_block.resnets.0": 1000}}"#, "a multiple of"),
    (#"{"widths": {"decoder.conv_in": 8}}"#, "names of residual blocks"),
    (#"{"rank": {}}"#, "ranks"),
  ])
  func aConfigurationThatDoesNotFit(_ compression: String, _ words: String) throws {
    try copy(.fsq)
    expect(
      try tessera(
        "train", "--config", "whole/config.json", "--set", "model.compression=" + compression,
        "--data", "scenes/train", "--output", "new"), 65, "model.compression", words)
  }
}
