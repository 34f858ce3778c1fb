import CPUBackend
import Configuration
import Datasets
import Execution
import FileTestSupport
import Foundation
import Imaging
import Inference
import Safetensors
import TestSupport
import Testing
import TokenFiles
import Tokenizers
import Training

/// Weights of diffusers, beside a configuration: a checkpoint to encode and decode with.
@Suite("Weights from diffusers")
struct ForeignWeightsTests {
  private let folder: ScratchFolder
  private let images = (0..<3).map { SampleImages.image(24, 16, number: $0) }

  init() throws {
    folder = try ScratchFolder()
    for (number, image) in images.enumerated() {
      try folder.write(ImageEncoder().encode(image, as: .png), to: "in/\(number).png")
    }
  }

  /// The configuration that a user writes beside the weights.
  private func configure(_ tokenizer: TokenizerConfiguration) throws {
    let run = RunConfiguration(
      data: DataConfiguration(train: "in", imageSize: 16, resize: .none),
      model: tokenizer.model, quantizer: tokenizer.quantizer)
    try folder.write(run.resolved, to: "checkpoint/" + Checkpoint.configurationFile)
  }

  /// Encodes the images as they are; their ids.
  private func encode() throws -> [[UInt32]] {
    let outcome = try CommandRunner.run(
      "encode",
      ["--checkpoint", "checkpoint", "--output", "t.npy", "--size", "native", "--verify", "in"],
      in: folder.path)
    #expect(outcome.code == 0, "\(outcome)")
    let file = try TokenFile.open(path: folder.file("t.npy"))
    return try (0..<file.count).map { try file.record(at: $0).tokens }
  }

  /// The ids are those of a model that was given the same numbers by hand, which `GoldenModelTests`
  /// compares with diffusers.
  @Test(
    "tensors as diffusers names and lays them out",
    arguments: ["vqmodel-two-levels", "vqmodel-three-levels-attention"])
  func golden(name: String) throws {
    let model = try GoldenModel(name)
    try configure(model.configuration)
    try SafetensorsWriter.write(
      zip(model.parameters, model.weights).map { ($0.name, $0.shape, $1.1) },
      metadata: ["format": "pt", "tessera": Checkpoint.version],
      to: folder.file("checkpoint/" + Checkpoint.modelFile))

    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(model.configuration), on: CPUBackend())
    for (name, numbers) in model.weights {
      parameters.write(numbers, toParameter: try #require(parameters.layout.index(of: name)))
    }
    let codec = Codec(
      model.configuration, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let expected = try codec.encode(images).map { $0.indices.map { UInt32($0) } }
    #expect(try encode() == expected)
    #expect(Set(expected.joined()).count > 8)
  }

  private static let script = """
    import json, sys, torch
    from diffusers import VQModel
    from safetensors.torch import load_file, save_file
    settings, images, folder = sys.argv[1:]
    torch.manual_seed(3)
    model = VQModel(**json.loads(settings)).eval()
    # Codes as far apart as vectors are.
    torch.nn.init.normal_(model.quantize.embedding.weight, std=0.5)
    model.save_pretrained(folder)
    save_file(model.state_dict(), folder + "/model.safetensors",
              metadata={"format": "pt", "tessera": "1"})
    with torch.no_grad():
        latents = model.encode(load_file(images)["images"]).latents
        quantized, _, (_, _, tokens) = model.quantize(latents)
        decoded = model.decode(quantized, force_not_quantize=True).sample
    save_file({"tokens": tokens.reshape(-1).float(), "decoded": decoded.contiguous()},
              folder + "/expected.safetensors")
    """

  @Test(
    "what diffusers saved is encoded and decoded alike",
    .enabled(if: PythonPeer.diffusers.isHere, "\(PythonPeer.diffusers.absence)"))
  func saved() throws {
    let model = try GoldenModel("vqmodel-three-levels-attention")
    try configure(model.configuration)
    let shape = [images.count, 3, 16, 24]
    let numbers = images.flatMap { $0.pixels.map { Float($0) / 127.5 - 1 } }
    try SafetensorsWriter.write(
      [("images", shape, TensorLayout.channelsFirst(numbers, shape))],
      to: folder.file("images.safetensors"))
    _ = try PythonPeer.diffusers.run(
      script: Self.script,
      [model.file.text("configuration"), folder.file("images.safetensors"), folder.file("saved")])
    // What save_pretrained writes does not say that it means a checkpoint.
    try FileManager.default.copyItem(
      atPath: folder.file("saved/diffusion_pytorch_model.safetensors"),
      toPath: folder.file("checkpoint/" + Checkpoint.modelFile))
    let refused = try CommandRunner.run(
      "encode", ["--checkpoint", "checkpoint", "--output", "t.npy", "in"], in: folder.path)
    #expect(refused.code == 65 && refused.errors.contains("version"), "\(refused)")
    try ScratchFolder.put(
      ScratchFolder.read(folder.file("saved/model.safetensors")),
      at: folder.file("checkpoint/" + Checkpoint.modelFile))

    let expected = try SafetensorsFile(path: folder.file("saved/expected.safetensors"))
    let tokens = try expected.floats("tokens").map { UInt32($0) }
    #expect(try encode().flatMap { $0 } == tokens)
    #expect(Set(tokens).count > 8)
    let decoded = try CommandRunner.run(
      "decode", ["--checkpoint", "checkpoint", "--output", "out", "t.npy"], in: folder.path)
    #expect(decoded.code == 0, "\(decoded)")
    let pixels = TensorLayout.channelsLast(try expected.floats("decoded"), shape).map {
      Int((min(max($0, -1), 1) * 127.5 + 127.5).rounded())
    }
    let ours = try images.indices.flatMap {
      try SampleImages.read(folder.file("out/\($0).png")).pixels
    }
    #expect(zip(pixels, ours).allSatisfy { abs($0 - Int($1)) <= 1 })
  }
}
