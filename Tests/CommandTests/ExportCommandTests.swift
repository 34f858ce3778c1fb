import FileTestSupport
import Foundation
import Safetensors
import Testing

/// `tessera export` of tokenizers: what diffusers and ONNX Runtime make of the folders, and what is refused.
@Suite("tessera export", .serialized)
struct ExportCommandTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func export(
    _ name: String, to target: String, _ output: String, _ options: String...
  ) throws -> CommandRunner.Outcome {
    let arguments = ["export", "--checkpoint", name, "--to", target]
    return try CommandRunner.run(
      "tessera", arguments + ["--output", scratch.file(output)] + options,
      in: ExchangeSubjects.folder())
  }

  /// What a script printed of each name, behind the word RESULT.
  private func results(_ output: String) -> [String: [Int]] {
    let lines = output.split(separator: "\n").filter { $0.hasPrefix("RESULT ") }
      .map { $0.split(separator: " ").map(String.init) }
    return Dictionary(
      uniqueKeysWithValues: lines.map { line in (line[1], line.dropFirst(2).compactMap { Int($0) })
      })
  }

  private var arguments: [String] {
    get throws {
      [
        try ExchangeSubjects.folder(), scratch.path, String(ExchangeSubjects.width),
        String(ExchangeSubjects.height),
      ]
    }
  }

  private static let reading = """
    import os, sys, numpy
    from safetensors.numpy import load_file
    subjects, exports, width, height = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    pixels = numpy.fromfile(subjects + "/pixels", numpy.uint8).reshape(-1, height, width, 3)
    def ours(name):
        file = load_file(f"{subjects}/{name}.safetensors")
        codes = file["latents"] if "latents" in file else file["tokens"].astype(numpy.int64)
        return codes, numpy.fromfile(f"{subjects}/{name}.decoded", numpy.uint8).reshape(pixels.shape)
    def report(name, codes, decoded):
        expected, images = ours(name)
        assert codes.shape == expected.shape, (name, codes.shape, expected.shape)
        if codes.dtype == numpy.int64:
            wrong, kinds = (codes != expected).sum(), len(numpy.unique(codes))
        else:
            wrong, kinds = (numpy.abs(codes - expected) > 2e-4).sum(), codes.size
        print("RESULT", name, wrong, codes.size, kinds, numpy.abs(decoded.astype(int) - images).max())

    """

  private func check(_ results: [String: [Int]], _ names: [String], _ output: String) throws {
    try #require(Set(results.keys) == Set(names), "\(output)")
    for (name, result) in results {
      try #require(result.count == 4, "\(output)")
      // More than one in a thousand is no matter of rounding.
      #expect(result[0] * 1000 <= result[1], "\(name): \(result[0]) of \(result[1]) differ")
      #expect(result[2] >= ExchangeSubjects.leastKinds(name), "\(name)")
      #expect(result[3] <= 1, "\(name): pixels")
    }
  }

  // MARK: diffusers

  /// `from_pretrained` alone loads each folder; ids, means and pixels are ours.
  @Test(.enabled(if: PythonPeer.diffusers.isHere, "\(PythonPeer.diffusers.absence)"))
  func diffusersLoadsTheFolders() throws {
    let names = ["vq", "cosine-vq", "simvq", "kl", "vq-svd", "vq-id"]
    for name in names {
      let outcome = try export(name, to: "diffusers", name)
      #expect(outcome.code == 0, "\(outcome)")
      #expect(outcome.output.contains(name == "kl" ? "AutoencoderKL" : "VQModel"), "\(outcome)")
    }
    let script = """
      import torch
      from diffusers import AutoencoderKL, VQModel
      x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
      for name in sys.argv[5:]:
          kind = AutoencoderKL if name == "kl" else VQModel
          model, loading = kind.from_pretrained(f"{exports}/{name}", output_loading_info=True)
          assert not any(loading.values()), loading
          with torch.no_grad():
              if name == "kl":
                  means = model.encode(x).latent_dist.mode()
                  codes, images = means.permute(0, 2, 3, 1).numpy(), model.decode(means).sample
              else:
                  latents = model.encode(x).latents
                  ids = model.quantize(latents)[2][2].reshape(len(x), *latents.shape[2:])
                  shape = (*ids.shape, model.config.vq_embed_dim)
                  codes = ids.numpy()
                  images = model.decode(ids, force_not_quantize=True, shape=shape).sample
                  assert (images - model(x).sample).abs().max() < 1e-3, name
          assert model.config.scaling_factor == 1 and model.config.sample_size == 32
          decoded = ((images.clamp(-1, 1) + 1) * 127.5).round().permute(0, 2, 3, 1).numpy()
          report(name, codes, decoded)
      """
    let output = try PythonPeer.diffusers.run(script: Self.reading + script, arguments + names)
    try check(results(output), names, output)
  }

  /// Latents of either go to the other's decoder: ours are [N, h, w, d], theirs [N, d, h, w] and scaled.
  @Test(.enabled(if: PythonPeer.diffusers.isHere, "\(PythonPeer.diffusers.absence)"))
  func latentsAreExchanged() throws {
    let folder = scratch.file("scaled")
    try FileManager.default.copyItem(
      atPath: try ExchangeSubjects.folder() + "/kl", toPath: folder)
    let path = folder + "/config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try text.replacing(
      #""type": "kl","#, with: #""type": "kl", "scalingFactor": 0.3611, "shiftFactor": 0.1159,"#
    ).write(toFile: path, atomically: true, encoding: .utf8)
    func tessera(_ arguments: String...) throws {
      expect(try CommandRunner.run("tessera", arguments, in: scratch.path), 0)
    }
    try tessera("export", "--checkpoint", "scaled", "--to", "diffusers", "--output", "kl")
    try tessera(
      "encode", "--checkpoint", "scaled", "--output", "ours", "--scale",
      try ExchangeSubjects.folder() + "/in")
    try tessera("decode", "--checkpoint", "scaled", "--output", "own", "ours.safetensors")
    let script = """
      import json, numpy, sys, torch
      from PIL import Image
      from diffusers import AutoencoderKL
      from safetensors import safe_open
      from safetensors.torch import load_file, save_file
      folder = sys.argv[1]
      vae = AutoencoderKL.from_pretrained(f"{folder}/kl")
      c = vae.config
      assert (c.scaling_factor, c.shift_factor) == (0.3611, 0.1159)
      with safe_open(f"{folder}/ours.safetensors", "pt") as file:
          facts = file.metadata()
          assert float(facts["scaling_factor"]) == 0.3611 and float(facts["shift_factor"]) == 0.1159
          names = json.loads(facts["paths"])
          latents = file.get_tensor("latents").permute(0, 3, 1, 2)
      with torch.no_grad():
          images = vae.decode(latents / c.scaling_factor + c.shift_factor).sample
          own = [numpy.asarray(Image.open(f"{folder}/own/{n.rsplit('.', 1)[0]}.png")) for n in names]
          own = torch.from_numpy(numpy.stack(own)).permute(0, 3, 1, 2).float()
          decoded = ((images.clamp(-1, 1) + 1) * 127.5).round()
          assert (decoded - own).abs().max() <= 1
          again = (vae.encode(own / 127.5 - 1).latent_dist.mode() - c.shift_factor) * c.scaling_factor
          save_file({"latents": again.half().contiguous()}, f"{folder}/theirs.safetensors")
          numpy.save(f"{folder}/theirs.npy", again.contiguous().numpy())
          images = vae.decode(again / c.scaling_factor + c.shift_factor).sample
          decoded = ((images.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
          numpy.save(f"{folder}/expected.npy", decoded.numpy())
      """
    _ = try PythonPeer.diffusers.run(script: script, [scratch.path])
    let compare = """
      import numpy, sys
      from PIL import Image
      expected = numpy.load(f"{sys.argv[1]}/expected.npy").astype(int)
      for index, image in enumerate(expected):
          found = numpy.asarray(Image.open(f"{sys.argv[1]}/{sys.argv[2]}/{index + 1:05}.png")).astype(int)
          assert abs(found - image).max() <= int(sys.argv[3]), (index, abs(found - image).max())
      """
    for (file, tolerance) in [("theirs.npy", "1"), ("theirs.safetensors", "4")] {
      let output = file + ".out"
      try tessera("decode", "--checkpoint", "scaled", "--scaled", "--output", output, file)
      _ = try PythonPeer.diffusers.run(script: compare, [scratch.path, output, tolerance])
    }
  }

  /// Without Python: the tensors of the chosen weights, under diffusers' name, and the words of its configuration.
  @Test func chosenWeightsAreWritten() throws {
    let best = try ExchangeSubjects.folder() + "/vq/best.safetensors"
    #expect(try export("vq", to: "diffusers", "best", "--weights", "best").code == 0)
    #expect(try export("vq", to: "diffusers", "last").code == 0)
    let written = try SafetensorsFile(
      path: scratch.file("best/diffusion_pytorch_model.safetensors"))
    let original = try SafetensorsFile(path: best)
    #expect(Set(written.entries.map(\.name)) == Set(original.entries.map(\.name)))
    for entry in written.entries {
      #expect(try written.floats(entry.name) == original.floats(entry.name), "\(entry.name)")
    }
    let last = try SafetensorsFile(path: scratch.file("last/diffusion_pytorch_model.safetensors"))
    let lastOriginal = try SafetensorsFile(
      path: try ExchangeSubjects.folder() + "/vq/model.safetensors")
    #expect(
      try last.floats("quant_conv.weight") == lastOriginal.floats("quant_conv.weight"))
    let text = try String(contentsOfFile: scratch.file("best/config.json"), encoding: .utf8)
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(object["_class_name"] as? String == "VQModel")
    #expect(object["block_out_channels"] as? [Int] == [16, 32, 32])
    #expect(
      object["down_block_types"] as? [String] == [
        "DownEncoderBlock2D", "AttnDownEncoderBlock2D", "DownEncoderBlock2D",
      ])
    #expect(object["norm_num_groups"] as? Int == 8)
    #expect(object["vq_embed_dim"] as? Int == 4 && object["latent_channels"] as? Int == 6)
  }

  // MARK: ONNX

  /// Every quantizer, and compressed models: the files are valid, and ONNX Runtime gives the same ids and pixels.
  @Test(.enabled(if: PythonPeer.onnx.isHere, "\(PythonPeer.onnx.absence)"))
  func onnxRuntimeAgrees() throws {
    let names = ExchangeSubjects.names
    for name in names {
      let outcome = try export(name, to: "onnx", name)
      #expect(outcome.code == 0, "\(outcome)")
      #expect(outcome.output.contains("encode.onnx of "), "\(outcome)")
    }
    let script = """
      import onnx, onnxruntime
      for name in sys.argv[5:]:
          runs = []
          for part in ("encode", "decode"):
              path = f"{exports}/{name}/{part}.onnx"
              model = onnx.load(path)
              onnx.checker.check_model(model, full_check=True)
              facts = {entry.key: entry.value for entry in model.metadata_props}
              assert set(facts) == {"fingerprint", "quantizer", "codebook_size", "depth", "downsampling"}, facts
              options = onnxruntime.SessionOptions()
              options.log_severity_level = 3
              runs.append(onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]))
          port = runs[1].get_inputs()[0].name
          codes = runs[0].run(None, {"pixels": pixels})[0]
          decoded = runs[1].run(None, {port: ours(name)[0]})[0]
          assert decoded.dtype == numpy.uint8
          report(name, codes, decoded)
          # Other batches and sizes, which the networks see as alone.
          some = pixels[:2, :16, :24]
          other = runs[0].run(None, {"pixels": some})[0]
          for index in range(2):
              alone = runs[0].run(None, {"pixels": some[index:index + 1]})[0]
              assert numpy.abs(other[index] - alone[0]).max() < 1e-3, name
          assert runs[1].run(None, {port: other})[0].shape == (2, 16, 24, 3)
      """
    let output = try PythonPeer.onnx.run(script: Self.reading + script, arguments + names)
    try check(results(output), names, output)
  }

  // MARK: Faults

  /// Refuses with an exit code, and words that name what is wrong and the way out.
  private func expect(_ outcome: CommandRunner.Outcome, _ code: Int32, _ words: String...) {
    #expect(outcome.code == code, "\(outcome)")
    for word in words { #expect(outcome.errors.contains(word), "expected \(word): \(outcome)") }
  }

  @Test func whatDiffusersLacksIsRefused() throws {
    for name in ["fsq-tanh", "lfq", "bsq", "product-vq", "residual-vq", "residual-fsq", "none"] {
      let kind = name == "fsq-tanh" ? "fsq" : name
      expect(
        try export(name, to: "diffusers", name), 65, name, "quantizer.type \"\(kind)\"", "--to onnx"
      )
    }
    expect(
      try export("fsq-svd", to: "diffusers", "svd"), 65, "quantizer.type \"fsq\"",
      "python/tessera.py")
    expect(
      try export("kl-narrow", to: "diffusers", "narrow"), 65, "quantizer.channels 3",
      "model.latentChannels 6")
    #expect(try scratch.contents().isEmpty, "nothing is written")
  }

  @Test func outputsAreNotReplacedUnasked() throws {
    for (target, file) in [("diffusers", "config.json"), ("onnx", "decode.onnx")] {
      try scratch.write("mine", to: target + "/" + file)
      expect(try export("vq", to: target, target), 73, file, "--force")
      #expect(try ScratchFolder.read(scratch.file(target + "/" + file)) == Array("mine".utf8))
      #expect(scratch.files().filter { $0.hasPrefix(target) } == [target + "/" + file])
      #expect(try export("vq", to: target, target, "--force").code == 0)
      #expect(try ScratchFolder.read(scratch.file(target + "/" + file)).count > 100)
      // A file where a folder should be.
      try scratch.write("mine", to: target + "-file")
      expect(try export("vq", to: target, target + "-file"), 73, target + "-file")
    }
  }

  @Test func checkpointsThatAreNoneAreRefused() throws {
    for target in ["diffusers", "onnx"] {
      expect(try export("nowhere", to: target, "out"), 66, "nowhere")
      // No best weights in a compressed checkpoint.
      expect(
        try export("fsq-svd", to: target, "out", "--weights", "best"), 66, "best.safetensors")
    }
    expect(try export("vq", to: "tflite", "out"), 64, "diffusers", "onnx", "transformers")
    #expect(try scratch.contents().isEmpty, "nothing is written")
  }
}
