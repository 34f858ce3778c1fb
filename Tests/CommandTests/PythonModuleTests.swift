import FileTestSupport
import Foundation
import Imaging
import Testing

/// `python/tessera.py` reads checkpoints and token files as the commands do.
@Suite(
  "tessera.py", .enabled(if: PythonPeer.torch.isHere, "\(PythonPeer.torch.absence)"), .serialized)
struct PythonModuleTests {
  /// Imports the module; the first argument is the folder that it is in, the second that of the test.
  private static let beginning = """
    import os, sys
    sys.dont_write_bytecode = True
    sys.path.insert(0, sys.argv[1])
    os.chdir(sys.argv[2])
    import numpy, tessera, torch
    def refused(call, *words):
        try:
            call()
        except tessera.TesseraError as error:
            assert all(word in str(error) for word in words), error
        else:
            raise AssertionError(f"nothing was refused; expected {words}")

    """

  private func run(_ script: String, in folder: String, _ arguments: [String] = []) throws -> String
  {
    let module = CommandRunner.repository.appendingPathComponent("python").path
    return try PythonPeer.torch.run(script: Self.beginning + script, [module, folder] + arguments)
  }

  /// Each quantizer: all ids are those of `encode`, pixels those of `decode` to within 1.
  @Test func everyCheckpointIsReadAlike() throws {
    let script = """
      width, height = int(sys.argv[3]), int(sys.argv[4])
      pixels = numpy.fromfile("pixels", numpy.uint8).reshape(-1, height, width, 3)
      for name in sys.argv[5:]:
          model = tessera.load(name)
          decoded = numpy.fromfile(name + ".decoded", numpy.uint8).reshape(pixels.shape).astype(int)
          file, _ = tessera.read_safetensors(name + "/model.safetensors")
          assert set(file) == set(model.state_dict()), name
          if model.is_continuous:
              ours = numpy.array(tessera.read_safetensors(name + ".safetensors")[0]["latents"])
              wrong = (numpy.abs(model.encode(pixels).numpy() - ours) > 1e-4).sum()
          else:
              ours = tessera.read_tokens(name + ".safetensors").ids.astype(numpy.int64)
              ids = model.encode(tessera.from_pixels(pixels))
              assert ids.dtype == torch.int64 and ids.shape == ours.shape, (name, ids.shape)
              wrong = (ids.numpy() != ours).sum()
          with torch.no_grad():
              images = model.decode(torch.from_numpy(ours))
          difference = numpy.abs(tessera.to_pixels(images).numpy().astype(int) - decoded).max()
          best = tessera.load(name, "best") if os.path.exists(name + "/best.safetensors") else None
          print("RESULT", name, wrong, ours.size, len(numpy.unique(ours)), difference, best is not None)
      """
    let names = ExchangeSubjects.names
    let size = [String(ExchangeSubjects.width), String(ExchangeSubjects.height)]
    let output = try run(script, in: ExchangeSubjects.folder(), size + names)
    let results = output.split(separator: "\n").filter { $0.hasPrefix("RESULT ") }
      .map { $0.split(separator: " ").dropFirst().map(String.init) }
    try #require(results.map { $0[0] } == names, "\(output)")
    for result in results {
      let (name, wrong, kinds) = (result[0], Int(result[1])!, Int(result[3])!)
      // More than one in a thousand is no matter of rounding.
      #expect(wrong * 1000 <= Int(result[2])!, "\(name): \(wrong) of \(result[2]) differ")
      #expect(kinds >= ExchangeSubjects.leastKinds(name), "\(name)")
      #expect(Int(result[4])! <= 1, "\(name): pixels")
      #expect(result[5] == "True" || ExchangeSubjects.compressed.contains(name), "\(name): best")
    }
  }

  /// Networks of other families, whose checkpoints have `model.layout`: their parts, by their definitions.
  @Test func layoutsOfOtherFamilies() throws {
    let script = """
      import torch.nn.functional as F
      torch.manual_seed(1)
      with torch.no_grad():
          x = torch.rand(2, 3, 32, 32) * 2 - 1
          config = {"model": {"channels": [8, 16, 24], "latentChannels": 4, "normGroups": 4, "layout": {}},
                    "quantizer": {"type": "lfq", "bits": 5}}
          def network(**layout):
              config["model"]["layout"] = layout
              return tessera.Tokenizer(config).eval()

          # The affine map of the input.
          model = network(inputScale=0.5, inputOffset=0.5)
          plain = network()
          plain.load_state_dict(model.state_dict())
          assert (model.latents(x) - plain.latents(x / 2 + 0.5)).abs().max() < 1e-6

          # Patches, levels without halving.
          model = network(patch=4, halvings=[0], doublings=[2])
          assert model.downsampling == 8 and model.encoder.conv_in.weight.shape == (8, 48, 3, 3)
          assert model.latents(x).shape == (2, 4, 4, 5) and model(x).shape == x.shape
          names = model.state_dict().keys()
          assert "encoder.down_blocks.0.downsamplers.0.conv.weight" in names
          assert not any(name.startswith("encoder.down_blocks.1.downsamplers") for name in names)
          assert "decoder.up_blocks.0.upsamplers.0.conv.weight" in names
          assert not any(name.startswith("decoder.up_blocks.1.upsamplers") for name in names)

          # Blocks and channels of each level, more in the middle.
          model = network(encoderBlocks=[1, 2, 3], decoderBlocks=[3, 1, 2], decoderChannels=[8, 8, 16],
                          middleBlocks=4)
          assert [len(level.resnets) for level in model.encoder.down_blocks] == [1, 2, 3]
          assert [len(level.resnets) for level in model.decoder.up_blocks] == [2, 1, 3]
          assert model.decoder.conv_in.weight.shape[0] == 16 and len(model.decoder.mid_block.resnets) == 4
          assert model(x).shape == x.shape

          # Zeros all around, and a filter to four pixels each.
          model = network(halvingPadding="around", doubling="depth-to-space", adaptiveNorm=True)
          half, h = model.encoder.down_blocks[0].downsamplers[0], torch.randn(2, 8, 6, 4)
          expected = F.conv2d(h, half.conv.weight, half.conv.bias, stride=2, padding=1)
          assert (half(h) - expected).abs().max() < 1e-6
          double, h = model.decoder.up_blocks[0].upsamplers[0], torch.randn(1, 24, 3, 2)
          four, eight = double.conv(h), double(h)
          for row in (0, 1):
              for column in (0, 1):
                  k = 2 * row + column
                  part = four[:, 24 * k:24 * k + 24]
                  assert torch.equal(eight[:, :, row::2, column::2], part)
          norm, h, codes = model.decoder.up_blocks[1].adaptive_norm, torch.randn(1, 24, 6, 4), torch.randn(1, 5, 3, 2)
          grouped = h.view(1, 4, -1)
          grouped = ((grouped - grouped.mean(2, keepdim=True))
                     / (grouped.var(2, keepdim=True, unbiased=False) + 1e-6).sqrt()).view(h.shape)
          scale = norm.gamma(torch.sqrt(codes.view(1, 5, 6).var(2, unbiased=True) + 1e-6)).view(1, 24, 1, 1)
          shift = norm.beta(codes.view(1, 5, 6).mean(2)).view(1, 24, 1, 1)
          assert (norm(h, codes) - (grouped * scale + shift)).abs().max() < 1e-5

          # Other quantizers of theirs.
          config["quantizer"] = {"type": "vq", "codebookSize": 9, "codeDimension": 5, "metric": "inner"}
          model, z = network(), torch.randn(1, 4, 4, 5)
          assert torch.equal(model.quantize.ids(z), (z @ model.quantize.embedding.weight.T).argmax(-1))
          wide = tessera.FiniteScalarQuantizer({"levels": [8, 5], "bound": "tanh-wide"})
          z = torch.linspace(-3, 3, 601, dtype=torch.float64)
          half, shift = 7 * 1.001 / 2, numpy.arctanh(0.5 / (7 * 1.001 / 2))
          first = torch.round(torch.tanh(z + shift) * half - 0.5) + 4
          second = torch.round(torch.tanh(z) * 4 * 1.001 / 2) + 2
          ids = wide.ids(torch.stack([z, z], -1))
          assert torch.equal(ids, (first + 8 * second).long()) and ids.unique().numel() > 8
      refused(lambda: network(waves=3), "model.layout", "waves")
      print("RESULT", "ok")
      """
    #expect(try run(script, in: ExchangeSubjects.folder()).contains("RESULT ok"))
  }

  /// Token files of three formats, ragged or not, in shards or not, with classes: read, written, decoded.
  @Test func tokenFilesAreReadAndWritten() throws {
    let folder = try ScratchFolder()
    let checkpoint = try TinyCheckpoint.of(.residual).path
    for (number, name) in ["cat/a", "cat/b", "dog/c", "d", "dog/e"].enumerated() {
      let image = SampleImages.image(32, number % 2 == 0 ? 32 : 48, number: number)
      try folder.write(ImageEncoder().encode(image, as: .png), to: "in/\(name).png")
    }
    for format in ["safetensors", "npy", "bin"] {
      for size in ["native", "32x32"] {
        for shard in [[], ["--shard", "2"]] {
          let output = "\(format)-\(size)-\(shard.count).\(format)"
          let arguments = ["--checkpoint", checkpoint, "--output", output, "--size", size]
          let outcome = try CommandRunner.run(
            "encode", arguments + ["--format", format] + shard + ["in"], in: folder.path)
          #expect(outcome.code == 0, "\(outcome)")
        }
      }
    }
    let script = """
      from pathlib import Path
      FORMATS = ["safetensors", "npy", "bin"]
      def facts(t):
          return [g.tolist() for g in t], t.labels.tolist(), t.classes, t.paths, t.sizes.tolist(), t.padded_sizes.tolist()
      for size in ("native", "32x32"):
          files = [f"{kind}-{size}-{parts}.{kind}" for kind in FORMATS for parts in (0, 2)]
          every = [tessera.read_tokens(file) for file in files]
          first = every[0]
          assert first.is_ragged == (size == "native") and len(first) == 5 and first.depth == 3
          assert first.classes == ["cat", "dog"] and sorted(first.labels.tolist()) == [-1, 0, 0, 1, 1]
          assert first[-1].shape == (16, 16, 3) and first.ids.dtype == numpy.uint8
          for file, tokens in zip(files, every):
              assert facts(tokens) == facts(first), file
              for kind in FORMATS:
                  for parts in (None, 2):
                      name = f"{Path(file).stem}-as-{kind}-{parts}.{kind}"
                      tessera.write_tokens(name, tokens, images_per_shard=parts)
                      assert facts(tessera.read_tokens(name)) == facts(first), name
          listed = [torch.from_numpy(grid.astype(numpy.int64)) for grid in first]
          tessera.write_tokens(f"listed-{size}.bin", listed, like=first, labels=[0, 0, 1, -1, 1], classes=["x", "y"])
          listed = tessera.read_tokens(f"listed-{size}.bin")
          assert listed.classes == ["x", "y"] and [g.tolist() for g in listed] == facts(first)[0]
      tessera.write_tokens("bare.safetensors", numpy.array(tessera.read_tokens("npy-32x32-0.npy").ids))

      tokens, write = tessera.read_tokens("bin-32x32-0.bin"), tessera.write_tokens
      refused(lambda: tessera.read_tokens("gone.npy"), "gone.npy", "gone-00001.npy")
      refused(lambda: tessera.read_tokens("in/d.png"), "d.png", ".safetensors")
      refused(lambda: write("x.txt", tokens), "x.txt", ".npy")
      refused(lambda: write("x.bin", tokens.ids), "x.bin", "like=")
      refused(lambda: write("x.npy", [numpy.zeros((2, 2, 3), int), numpy.zeros((1, 2, 3), int)]), "like=")
      refused(lambda: write("x.npy", tokens.ids + 40, like=tokens), "image 0", "expected 0 to 39")
      refused(lambda: write("x.npy", numpy.zeros((1, 2, 2, 2), int), like=tokens), "[2, 2, 2]", "[h, w, 3]")
      refused(lambda: write("x.npy", tokens.ids * 1.0, like=tokens), "float", "whole numbers")
      refused(lambda: write("x.npy", tokens.ids, like=tokens, labels=[0, 1, 2, 3, 4]), "labels", "2 classes")
      refused(lambda: write("x.npy", [], like=tokens), "no images")
      assert not any(path.name.startswith("x.") for path in Path(".").iterdir())
      os.remove("bin-native-2-00002.bin")
      refused(lambda: tessera.read_tokens("bin-native-2.bin"), "-00003.bin", "-00002.bin")
      os.remove("npy-native-2-00003.npy")
      refused(lambda: tessera.read_tokens("npy-native-2.npy"), "-00002.npy", "behind it")
      with open("safetensors-native-2-00001.safetensors", "r+b") as file:
          file.truncate(os.path.getsize("safetensors-native-2-00001.safetensors") - 1)
      refused(lambda: tessera.read_tokens("safetensors-native-2.safetensors"), "-00001", "cut short")
      with open("bin-native-0.bin", "ab") as file:
          file.write(b"0")
      refused(lambda: tessera.read_tokens("bin-native-0.bin"), "bin-native-0.bin.json", "bytes")
      os.remove("npy-native-0.npy.json"); os.rename("bin-native-0.bin.json", "npy-native-0.npy.json")
      refused(lambda: tessera.read_tokens("npy-native-0.npy"), "another kind")
      print("RESULT", "ok")
      """
    let output = try run(script, in: folder.path)
    try #require(output.contains("RESULT ok"), "\(output)")
    let written = [
      "listed-native.bin", "listed-32x32.bin", "bare.safetensors", "npy-native-0-as-bin-2.bin",
      "bin-32x32-2-as-npy-None.npy", "npy-native-2-as-safetensors-2.safetensors",
    ]
    for name in written {
      let decoded = try CommandRunner.run(
        "decode", ["--checkpoint", checkpoint, "--output", name + ".out", name], in: folder.path)
      #expect(decoded.code == 0, "\(name): \(decoded)")
      #expect(decoded.output.contains("5 images decoded"), "\(name): \(decoded)")
    }
  }

  /// Errors in loading, encoding and decoding say what to do.
  @Test func faultsAreTold() throws {
    let script = """
      import json
      model, deep = tessera.load("vq"), tessera.load("residual-vq")
      refused(lambda: tessera.load("nowhere"), "nowhere", "folder of a checkpoint")
      refused(lambda: tessera.load("vq", "last"), "last", "best")
      refused(lambda: tessera.load("fsq-id", "best"), "best.safetensors", "keepBest")
      refused(lambda: model.encode(torch.zeros(1, 3, 32, 30)), "30x32", "multiples of 4")
      refused(lambda: model.encode(torch.zeros(1, 32, 32, 3)), "[1, 32, 32, 3]", "[N, 3, H, W]")
      refused(lambda: model.encode(torch.full((1, 3, 32, 32), torch.nan)), "not finite")
      refused(lambda: model.decode(torch.full((1, 4, 4), 300)), "300", "0 to 299")
      refused(lambda: model.decode(torch.full((1, 4, 4), -1)), "-1", "0 to 299")
      refused(lambda: model.decode(torch.zeros(4, 4)), "[4, 4]", "[N, h, w]")
      refused(lambda: deep.decode(torch.zeros(1, 4, 4)), "[N, h, w, 3]")
      refused(lambda: tessera.load("kl").codes(torch.zeros(1, 4, 4)), "latents")
      refused(lambda: tessera.read_tokens("kl.safetensors"), "tessera-latents")
      refused(lambda: tessera.read_tokens("vq/model.safetensors"), "no tensor")
      refused(lambda: tessera.read_safetensors("vq/config.json"), "cut short")
      os.makedirs("broken", exist_ok=True)
      config = json.load(open("vq/config.json"))
      def broken(change):
          other = json.loads(json.dumps(config))
          change(other)
          json.dump(other, open("broken/config.json", "w"))
          return lambda: tessera.load("broken")
      os.path.exists("broken/model.safetensors") or os.symlink("../vq/model.safetensors", "broken/model.safetensors")
      refused(broken(lambda c: c.update(kind="prior")), "is a prior", "export")
      refused(broken(lambda c: c["quantizer"].update(type="magic")), "magic", "fsq")
      refused(broken(lambda c: c["quantizer"].update(type="fsq", levels=[8], bound="cosh")), "cosh", "ifsq")
      refused(broken(lambda c: c["quantizer"].update(codebookSize=301)), "embedding", "[301, 4]", "[300, 4]")
      refused(broken(lambda c: c["model"].update(channels=[16, 32])), "config.json and weights")
      refused(broken(lambda c: c["model"].pop("channels")), "channels", "missing")
      open("broken/config.json", "w").write("{")
      refused(lambda: tessera.load("broken"), "not JSON")
      print("RESULT", "ok")
      """
    #expect(try run(script, in: ExchangeSubjects.folder()).contains("RESULT ok"))
  }
}
