import Autodiff
import FileTestSupport
import Foundation
import Safetensors
import TestSupport
import Testing
import Tokenizers
import Training

/// A checkpoint's weights load in the `VQModel` of diffusers by name, and mean the same there.
struct DiffusersTests {
  static let script = """
    import json, sys, torch
    from diffusers import VQModel
    from safetensors.torch import load_file
    weights, ours, settings = sys.argv[1:]
    model = VQModel(**json.loads(settings)).eval()
    model.load_state_dict(load_file(weights), strict=True)
    ours = load_file(ours)
    with torch.no_grad():
        latents = model.encode(ours["images"]).latents
        quantized, _, (_, _, tokens) = model.quantize(latents)
        decoded = model.decode(quantized, force_not_quantize=True).sample
    print((latents - ours["latents"]).abs().max().item())
    print((decoded - ours["decoded"]).abs().max().item())
    print((tokens.reshape(-1) != ours["tokens"].reshape(-1).long()).sum().item())
    """

  @Test(.enabled(if: PythonPeer.diffusers.isHere, Comment(rawValue: PythonPeer.diffusers.absence)))
  func diffusersReadsACheckpointAndDecodesAlike() throws {
    let small = try SmallRun()
    var configuration = SmallRun.vq(data: small.data, steps: 5)
    configuration.model.attentionLevels = [1]
    let folder = small.folder("run")
    try SmallRun.train(configuration, in: folder)

    let graph = Graph()
    let tokenizer = Tokenizer(configuration.tokenizer, in: Scope(graph))
    let images = graph.input("images", [2, 8, 12, 3])
    let latents = tokenizer.latents(of: images)
    let quantized = tokenizer.bottleneck.quantize(latents)
    let run = GraphRun(
      graph,
      outputs: [
        "latents": latents, "tokens": quantized.indices,
        "decoded": tokenizer.decode(quantized.codes),
      ])
    try Checkpoint(folder: folder).readModel(into: run.parameters)
    let numbers = HashedNumbers.values("images", count: 2 * 8 * 12 * 3)
    let results = run.run(["images": numbers])

    let ours = small.folder("ours.safetensors")
    func image(_ name: String, _ values: [Float], _ shape: [Int])
      -> (name: String, shape: [Int], values: [Float])
    {
      (name, shape, TensorLayout.channelsFirst(values, shape))
    }
    try SafetensorsWriter.write(
      [
        image("images", numbers, [2, 3, 8, 12]),
        image("latents", results["latents"]!, [2, 4, 4, 6]),
        image("decoded", results["decoded"]!, [2, 3, 8, 12]),
        ("tokens", [2, 4, 6], results["tokens"]!),
      ], to: ours)
    let settings = """
      {"down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
       "up_block_types": ["AttnUpDecoderBlock2D", "UpDecoderBlock2D"],
       "block_out_channels": [8, 16], "layers_per_block": 1, "latent_channels": 4,
       "vq_embed_dim": 4, "num_vq_embeddings": 24, "norm_num_groups": 4,
       "mid_block_add_attention": true}
      """
    let output = try PythonPeer.diffusers.run(
      script: Self.script, [folder + "/" + Checkpoint.modelFile, ours, settings])
    let answers = output.split(separator: "\n").suffix(3).compactMap { Double($0) }
    try #require(answers.count == 3, "\(output)")
    #expect(answers[0] < 1e-4, "latents")
    #expect(answers[1] < 1e-4, "pixels")
    #expect(answers[2] == 0, "tokens")
  }

  static let autoencoderScript = """
    import sys, torch
    from diffusers import AutoencoderKL
    from safetensors.torch import load_file
    weights, ours = sys.argv[1:]
    model = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
        up_block_types=["AttnUpDecoderBlock2D", "UpDecoderBlock2D"],
        block_out_channels=[8, 16], layers_per_block=1, latent_channels=4, norm_num_groups=4,
        mid_block_add_attention=True).eval()
    model.load_state_dict(load_file(weights), strict=True)
    ours = load_file(ours)
    with torch.no_grad():
        posterior = model.encode(ours["images"]).latent_dist
        decoded = model.decode(posterior.mode()).sample
        kl = posterior.kl().mean()
    print((posterior.mode() - ours["latents"]).abs().max().item())
    print((decoded - ours["decoded"]).abs().max().item())
    print((kl - ours["kl"]).abs().item() / kl.item())
    """

  /// A checkpoint with a posterior is an `AutoencoderKL`: latents, pixels and KL divergence.
  @Test(.enabled(if: PythonPeer.diffusers.isHere, Comment(rawValue: PythonPeer.diffusers.absence)))
  func autoencoderKLReadsACheckpoint() throws {
    let small = try SmallRun()
    var configuration = SmallRun.configuration("kl", data: small.data, steps: 5)
    configuration.model.attentionLevels = [1]
    configuration.quantizer = .kl(KLConfiguration(channels: 4))
    let folder = small.folder("run")
    try SmallRun.train(configuration, in: folder)

    let graph = Graph()
    let tokenizer = Tokenizer(configuration.tokenizer, in: Scope(graph))
    let images = graph.input("images", [2, 8, 12, 3])
    let quantized = tokenizer.bottleneck.quantize(tokenizer.latents(of: images))
    let run = GraphRun(
      graph,
      outputs: [
        "latents": quantized.codes, "decoded": tokenizer.decode(quantized.codes),
        "kl": quantized.statistics["kl"]!,
      ])
    try Checkpoint(folder: folder).readModel(into: run.parameters)
    let numbers = HashedNumbers.values("images", count: 2 * 8 * 12 * 3)
    let results = run.run(["images": numbers])
    func image(_ name: String, _ values: [Float], _ shape: [Int])
      -> (name: String, shape: [Int], values: [Float])
    {
      (name, shape, TensorLayout.channelsFirst(values, shape))
    }
    let ours = small.folder("ours.safetensors")
    try SafetensorsWriter.write(
      [
        image("images", numbers, [2, 3, 8, 12]),
        image("latents", results["latents"]!, [2, 4, 4, 6]),
        image("decoded", results["decoded"]!, [2, 3, 8, 12]), ("kl", [], results["kl"]!),
      ], to: ours)
    let output = try PythonPeer.diffusers.run(
      script: Self.autoencoderScript, [folder + "/" + Checkpoint.modelFile, ours])
    let answers = output.split(separator: "\n").suffix(3).compactMap { Double($0) }
    try #require(answers.count == 3, "\(output)")
    #expect(answers[0] < 1e-4, "latents")
    #expect(answers[1] < 1e-4, "pixels")
    #expect(answers[2] < 1e-4, "KL divergence")
  }
}
