import CPUBackend
import Configuration
import Datasets
import Execution
import FileTestSupport
import Foundation
import Imaging
import Inference
import Safetensors
import SceneRendering
import TestSupport
import Testing
import TokenFiles
import Tokenizers
import Training

/// Autoencoders whose latents are not quantized, as a user has them: trained, encoded, decoded, compared.
@Suite("Latents") struct LatentCommandTests {
  /// Runs of a few steps on drawn scenes, made once for all tests.
  final class Runs: Sendable {
    let scratch: ScratchFolder
    let kl, none, fsq, other: String
    var images: String { scratch.file("scenes/validation") }

    init() throws {
      scratch = try ScratchFolder()
      _ = try SceneDataset.write(
        count: 8, validation: 4, size: 32, seed: 1, to: scratch.file("scenes"))
      (kl, none) = (scratch.file("kl"), scratch.file("none"))
      (fsq, other) = (scratch.file("fsq"), scratch.file("other"))
      try train(kl, #"{"type": "kl", "channels": 3}"#)
      try train(none, #"{"type": "none", "channels": 3}"#)
      try train(fsq, #"{"type": "fsq"}"#)
      try train(other, #"{"type": "kl", "channels": 3}"#, ["--set", "training.seed=5"])
    }

    @discardableResult
    func train(
      _ folder: String, _ quantizer: String, _ options: [String] = []
    ) throws -> CommandRunner.Outcome {
      let configuration = """
        {
          "data": {"train": "\(scratch.file("scenes/train"))", "validation": "\(images)",
            "imageSize": 32},
          "model": {"channels": [32, 32], "latentChannels": 4}, "quantizer": \(quantizer),
          "training": {"steps": 4, "batchSize": 4, "lanes": 2},
          "monitor": {"logEvery": 1, "evaluateEvery": 2, "diagnoseEvery": 2}
        }
        """
      try scratch.write(configuration, to: "c.json")
      let outcome = try CommandRunner.run(
        "train",
        ["--config", scratch.file("c.json"), "--output", folder, "--threads", "2"] + options)
      try #require(outcome.code == 0, "\(outcome)")
      return outcome
    }
  }

  private static let made: Result<Runs, any Error> = Result {
    atexit {
      if let runs = try? LatentCommandTests.made.get() {
        try? FileManager.default.removeItem(atPath: runs.scratch.path)
      }
    }
    return try Runs()
  }
  private let runs: Runs
  private let folder: ScratchFolder

  init() throws {
    runs = try Self.made.get()
    folder = try ScratchFolder()
  }

  private func encode(
    _ checkpoint: String, _ output: String, _ options: [String] = []
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      "encode",
      ["--checkpoint", checkpoint, "--output", folder.file(output)] + options + [runs.images])
  }

  private func decode(
    _ checkpoint: String, _ file: String, _ options: [String] = []
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      "decode",
      ["--checkpoint", checkpoint, "--output", folder.file("out")] + options + [folder.file(file)])
  }

  private func refused(
    _ code: Int32, _ words: [String], _ body: () throws -> CommandRunner.Outcome
  ) rethrows {
    let outcome = try body()
    #expect(outcome.code == code, "\(outcome)")
    for text in words { #expect(outcome.errors.contains(text), "\(outcome)") }
  }

  /// The codec of a checkpoint, opened without any command.
  private func codec(_ path: String) throws -> Codec<CPUBackend> {
    let checkpoint = Checkpoint(folder: path)
    let run = try checkpoint.readConfiguration()
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    _ = try checkpoint.readModel(into: parameters)
    return Codec(run.tokenizer, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
  }

  @Test(
    "decoded latents are the codec's reconstruction, bit by bit", arguments: ["safetensors", "npy"])
  func roundTrip(_ ending: String) throws {
    for checkpoint in [runs.kl, runs.none] {
      let encoded = try encode(checkpoint, "l.\(ending)", ["--verify", "--force"])
      #expect(encoded.code == 0, "\(encoded)")
      #expect(encoded.output.contains("4 images, latents 16x16x3; mean "), "\(encoded)")
      #expect(encoded.output.contains("verified: 4 of 4 images"), "\(encoded)")
      #expect(!encoded.output.contains(" code"), "\(encoded)")
      let decoded = try decode(checkpoint, "l.\(ending)", ["--force"])
      #expect(decoded.code == 0, "\(decoded)")
      let file = try LatentFile.open(path: folder.file("l.\(ending)"))
      let codec = try codec(checkpoint)
      #expect(file.identity.quantizer == (checkpoint == runs.kl ? "kl" : "none"))
      for (index, path) in file.paths.enumerated() {
        let image = try SampleImages.read(runs.images + "/" + path)
        let whole = try codec.reconstruct([image])[0]
        #expect(try file.latents(of: index) == whole.latents)
        let name = path.replacing(".jpg", with: ".png")
        #expect(try SampleImages.read(folder.file("out/\(name)")) == whole.image)
      }
    }
  }

  @Test("standardized latents have mean 0 and deviation 1, and decode alike")
  func standardized() throws {
    let outcome = try encode(runs.kl, "s.npy", ["--standardize"])
    #expect(outcome.code == 0 && outcome.output.contains("16x16x3, standardized;"), "\(outcome)")
    #expect(try encode(runs.kl, "l.npy").code == 0)
    let standard = try LatentFile.open(path: folder.file("s.npy"))
    let plain = try LatentFile.open(path: folder.file("l.npy"))
    #expect(standard.isStandardized && standard.mean == plain.mean)
    var sums = Array(repeating: (first: 0.0, second: 0.0), count: 3)
    var stored = [Float](repeating: 0, count: 16 * 16 * 3)
    for index in 0..<4 {
      try stored.withUnsafeMutableBufferPointer { try standard.copy(index, to: $0.baseAddress!) }
      for (place, value) in stored.enumerated() {
        sums[place % 3].first += Double(value)
        sums[place % 3].second += Double(value) * Double(value)
      }
      for (a, b) in zip(try standard.latents(of: index), try plain.latents(of: index)) {
        #expect(abs(a - b) < 1e-5 * max(1, abs(b)))
      }
    }
    for sum in sums {
      #expect(abs(sum.first / 1024) < 1e-4 && abs(sum.second / 1024 - 1) < 1e-3)
    }
    #expect(try decode(runs.kl, "s.npy").code == 0)
    for (index, path) in plain.paths.enumerated() {
      let image = try SampleImages.read(
        folder.file("out/" + path.replacing(".jpg", with: ".png")))
      let expected = try codec(runs.kl).reconstruct([
        try SampleImages.read(runs.images + "/" + path)
      ])[0].image
      #expect(
        zip(image.pixels, expected.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 }, "\(index)")
    }
  }

  /// Latents of one file, image by image.
  private func latents(_ name: String) throws -> [[Float]] {
    let file = try LatentFile.open(path: folder.file(name))
    return try (0..<file.count).map { try file.latents(of: $0) }
  }

  @Test("drawn latents are a function of seed and name, about their means")
  func sampled() throws {
    for (name, options) in [
      ("mean.npy", []), ("a.npy", ["--sample"]), ("b.npy", ["--sample", "--threads", "1"]),
      ("c.npy", ["--sample", "--seed", "7"]),
    ] {
      let outcome = try encode(runs.kl, name, options)
      #expect(outcome.code == 0, "\(outcome)")
    }
    let (mean, a) = (try latents("mean.npy"), try latents("a.npy"))
    #expect(a == (try latents("b.npy")))
    #expect(a != (try latents("c.npy")) && a != mean)
    #expect(try LatentFile.open(path: folder.file("a.npy")).seed == 1)
    #expect(try LatentFile.open(path: folder.file("mean.npy")).seed == nil)
    // An image alone is drawn as among others.
    let file = try LatentFile.open(path: folder.file("a.npy"))
    let alone = try CommandRunner.run(
      "encode",
      ["--checkpoint", runs.kl, "--output", folder.file("one.npy"), "--sample"]
        + [runs.images + "/" + file.paths[2]])
    #expect(alone.code == 0, "\(alone)")
    #expect(try latents("one.npy")[0] == a[2])
    // The draw is the bottleneck's own: the mean of many is the mean, their spread that of exp(logvar / 2).
    let codec = try codec(runs.kl)
    let image = try SampleImages.read(runs.images + "/" + file.paths[0])
    let draws = try codec.latents(
      of: Array(repeating: image, count: 400), drawnBy: (0..<400).map { Int32($0) })
    let divergence = try codec.reconstruct([image])[0].divergences
    for place in [0, 100, 500] {
      let values = draws.map { Double($0.numbers[place]) }
      let average = values.reduce(0, +) / 400
      let variance = values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / 399
      #expect(abs(average - Double(mean[0][place])) < 5 * (variance / 400).squareRoot())
      // KL = 1/2 (m^2 + v - 1 - log v) holds for the v that was drawn with.
      let m = Double(mean[0][place])
      let expected = (m * m + variance - 1 - log(variance)) / 2
      #expect(abs(expected - Double(divergence[place])) < 0.1 * max(1, Double(divergence[place])))
    }
    try refused(64, ["are no distributions to draw from"]) {
      try encode(runs.none, "n.npy", ["--sample"])
    }
    try refused(64, ["--seed is that of --sample"]) {
      try encode(runs.kl, "n.npy", ["--seed", "1"])
    }
    try refused(64, ["--verify", "forward pass"]) {
      try encode(runs.kl, "n.npy", ["--sample", "--verify"])
    }
    try refused(64, ["--sample is for latents"]) { try encode(runs.fsq, "n.npy", ["--sample"]) }
  }

  @Test("scaled latents are those of generative models, and decode alike")
  func scaled() throws {
    try refused(64, ["no quantizer.scalingFactor"]) { try encode(runs.kl, "s.npy", ["--scale"]) }
    let scaled = folder.file("scaled")
    try FileManager.default.copyItem(atPath: runs.kl, toPath: scaled)
    let path = scaled + "/config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try text.replacing(
      #""type": "kl","#, with: #""type": "kl", "scalingFactor": 0.25, "shiftFactor": 0.5,"#
    ).write(toFile: path, atomically: true, encoding: .utf8)
    #expect(try encode(scaled, "plain.safetensors").code == 0)
    #expect(try encode(scaled, "s.safetensors", ["--scale"]).code == 0)
    let (file, plain) = (
      try LatentFile.open(path: folder.file("s.safetensors")),
      try LatentFile.open(path: folder.file("plain.safetensors"))
    )
    let scaling = LatentScaling(factor: 0.25, shift: 0.5)
    #expect(file.scaling == scaling && file.isStandardized)
    #expect(plain.scaling == scaling && !plain.isStandardized)
    var numbers = [Float](repeating: 0, count: 16 * 16 * 3)
    for image in 0..<4 {
      try numbers.withUnsafeMutableBufferPointer { try file.copy(image, to: $0.baseAddress!) }
      let expected = try plain.latents(of: image)
      for (a, b) in zip(numbers, expected) { #expect(abs(a - (b - 0.5) * 0.25) < 1e-6) }
      for (a, b) in zip(try file.latents(of: image), expected) { #expect(abs(a - b) < 1e-6) }
    }
    #expect(try decode(scaled, "s.safetensors").code == 0)
    try refused(64, ["says itself whether"]) {
      try decode(scaled, "s.safetensors", ["--scaled", "--force"])
    }
    try refused(64, ["choose one"]) { try encode(scaled, "n.npy", ["--scale", "--standardize"]) }

    // Other programs: channels first, scaled or not, of 16 or 32 bits, without a word on it.
    let first = try plain.latents(of: 0)
    func channelsFirst(_ change: (Float) -> Float) -> [Float] {
      (0..<first.count).map { change(first[$0 % 256 * 3 + $0 / 256]) }
    }
    func put(_ numbers: [Float], _ name: String = "latents") throws {
      try SafetensorsWriter.write(
        [(name, [1, 3, 16, 16], numbers)], metadata: [:], to: folder.file("theirs.safetensors"))
    }
    let expected = try SampleImages.read(
      folder.file("out/" + plain.paths[0].replacing(".jpg", with: ".png")))
    for (name, options, change) in [
      ("latents", [], { $0 }), ("z", [], { $0 }),
      ("latents", ["--scaled"], { ($0 - 0.5) * 0.25 }),
    ] as [(String, [String], (Float) -> Float)] {
      try put(channelsFirst(change), name)
      let outcome = try decode(scaled, "theirs.safetensors", ["--force"] + options)
      #expect(outcome.code == 0, "\(outcome)")
      #expect(
        outcome.errors.contains("assumed to be those of \(scaled), [N, d, h, w]"), "\(outcome)")
      let image = try SampleImages.read(folder.file("out/00001.png"))
      #expect(zip(image.pixels, expected.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    }
    try put(channelsFirst { $0.isFinite ? .nan : $0 })
    try refused(65, ["theirs.safetensors", "00001"]) {
      try decode(scaled, "theirs.safetensors", ["--force"])
    }
    try SafetensorsWriter.write(
      [("latents", [1, 5, 16, 16], [Float](repeating: 0, count: 1280))], metadata: [:],
      to: folder.file("theirs.safetensors"))
    try refused(65, ["[1, 5, 16, 16]", "expected [N, 3, h, w] or [N, h, w, 3]"]) {
      try decode(scaled, "theirs.safetensors", ["--force"])
    }
    try SafetensorsWriter.write(
      [("a", [1, 3, 1, 1], [1, 2, 3]), ("b", [1, 3, 1, 1], [1, 2, 3])], metadata: [:],
      to: folder.file("theirs.safetensors"))
    try refused(65, ["2 tensors, none of them named \"latents\""]) {
      try decode(scaled, "theirs.safetensors", ["--force"])
    }
    try refused(64, ["--scaled is for latents"]) {
      _ = try encode(runs.fsq, "t.safetensors")
      return try decode(runs.fsq, "t.safetensors", ["--scaled"])
    }
  }

  @Test("options of tokens are refused with a sentence")
  func options() throws {
    for (options, word) in [
      (["--shard", "2"], "--shard"), (["--resume"], "--resume"), (["--prior", "p"], "--prior"),
      (["--standardize", "--verify"], "--verify"),
    ] {
      try refused(64, [word + ":", "(quantizer.type \"kl\") makes latents", "remove it"]) {
        try encode(runs.kl, "l.safetensors", options)
      }
    }
    try refused(64, [".safetensors or .npy"]) { try encode(runs.kl, "l.bin") }
    try refused(64, ["--standardize is for latents"]) {
      try encode(runs.fsq, "t.npy", ["--standardize"])
    }
    try refused(73, ["already there"]) {
      _ = try encode(runs.kl, "l.npy")
      return try encode(runs.kl, "l.npy")
    }
  }

  @Test("images of one grid only")
  func grids() throws {
    try folder.write(
      ImageEncoder().encode(SampleImages.image(24, 16, number: 1), as: .png), to: "in/a.png")
    try folder.write(
      ImageEncoder().encode(SampleImages.image(16, 16, number: 2), as: .png), to: "in/b.png")
    try refused(65, ["latents of b.png", "a.png", "--size model"]) {
      try CommandRunner.run(
        "encode",
        [
          "--checkpoint", runs.kl, "--output", folder.file("l.npy"), "--size", "native",
          folder.file("in"),
        ])
    }
    #expect(!FileManager.default.fileExists(atPath: folder.file("l.npy")))
  }

  @Test("what another autoencoder encoded, tokens, and damaged latents are refused")
  func foreign() throws {
    #expect(try encode(runs.kl, "l.safetensors").code == 0)
    #expect(try encode(runs.fsq, "t.safetensors").code == 0)
    for checkpoint in [runs.other, runs.none, runs.fsq] {
      try refused(65, ["was written by kl (continuous)", "their own autoencoder"]) {
        try decode(checkpoint, "l.safetensors")
      }
    }
    try refused(65, ["was written by fsq", "a continuous bottleneck has no tokens"]) {
      try decode(runs.kl, "t.safetensors")
    }
    // NaN in a file that says nothing of a checksum.
    let file = try SafetensorsFile(path: folder.file("l.safetensors"))
    var metadata = file.metadata
    metadata["checksum"] = nil
    metadata["xxh64"] = nil
    metadata["paths"] = nil
    var latents = try file.floats("latents")
    latents[16 * 16 * 3 + 5] = .nan
    try SafetensorsWriter.write(
      [("latents", [4, 16, 16, 3], latents)], metadata: metadata, to: folder.file("n.safetensors"))
    try refused(65, ["the latents of image 1 (00002) hold NaN"]) {
      try decode(runs.kl, "n.safetensors")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
  }

  @Test("priors are of tokens")
  func priors() throws {
    #expect(try encode(runs.kl, "l.safetensors").code == 0)
    try folder.write(#"{"kind": "prior", "data": {"tokens": "l.safetensors"}}"#, to: "p.json")
    let trained = try CommandRunner.run(
      "tessera", ["train", "prior", "--data", "l.safetensors", "--output", "p"], in: folder.path)
    #expect(trained.code == 65, "\(trained)")
    #expect(
      trained.errors.contains("holds latents of a continuous autoencoder, but tokens are wanted"),
      "\(trained)")
    let scored = try CommandRunner.run(
      "tessera", ["score", "--checkpoint", runs.kl, "l.safetensors"], in: folder.path)
    #expect([64, 65].contains(scored.code) && !scored.errors.isEmpty, "\(scored)")
  }

  @Test("train, compare: no codes anywhere, but what latents carry")
  func compare() throws {
    let told = try runs.train(folder.file("told"), #"{"type": "kl", "channels": 3}"#)
    #expect(
      told.errors.contains("kl 3: 32x32 pixels -> 16x16x3 latents, 0.75 latents/pixel; "), "\(told)"
    )
    #expect(told.errors.contains("latent rank "), "\(told)")
    #expect(told.errors.contains("nats/image"), "\(told)")
    #expect(!(told.errors + told.output).contains("codes"), "\(told)")

    let (json, page) = (folder.file("c.json"), folder.file("c.html"))
    let alone = try CommandRunner.run(
      "compare", [runs.kl, runs.none, "--json", json, "--html", page])
    #expect(alone.code == 0, "\(alone)")
    for word in [
      "latent rank", "KL nats/image", "KL by channel", "dead channels", "kl 3", "none 3",
    ] {
      #expect(alone.output.contains(word), "\(word): \(alone)")
    }
    for word in ["codes", "perplexity", "bits/pixel  ", "bits/token", "usage"] {
      #expect(!alone.output.contains(word), "\(word): \(alone)")
    }
    let text = String(decoding: try ScratchFolder.read(json), as: UTF8.self)
    for key in ["latentRank", "kl", "klByChannel", "deviationByChannel", "deadChannels"] {
      #expect(text.contains("\"\(key)\""), "\(key)")
    }
    for key in ["codes", "usedCodes", "perplexity", "bitsPerPixel", "quantizationError"] {
      #expect(!text.contains("\"\(key)\""), "\(key)")
    }
    let html = String(decoding: try ScratchFolder.read(page), as: UTF8.self)
    for title in [
      "KL divergence, nats per image", "Dead channels", "Effective rank of the vectors",
    ] {
      #expect(html.contains("<h3>\(title)</h3>"), "\(title)")
    }
    for id in ["usage", "frequencies", "plane"] {
      #expect(!html.contains("<section id=\"\(id)\""), "\(id)")
    }
    let mixed = try CommandRunner.run("compare", [runs.kl, runs.fsq, "--html", page])
    #expect(mixed.code == 0, "\(mixed)")
    #expect(mixed.output.contains("codes used") && mixed.output.contains("latent rank"), "\(mixed)")
    let both = String(decoding: try ScratchFolder.read(page), as: UTF8.self)
    #expect(both.contains("<section id=\"usage\"") && both.contains("latents/pixel"))
  }

  @Test("a collapsed posterior is a verdict, with its step and the way out")
  func collapse() throws {
    let trained = try runs.train(
      folder.file("run"), #"{"type": "kl", "channels": 3, "weight": 1000}"#,
      [
        "--steps", "150", "--set", "training.optimizer.learningRate=0.01", "--set",
        "monitor.diagnoseEvery=10", "--set", "monitor.evaluateEvery=50",
      ])
    let warnings = trained.errors.split(separator: "\n").filter {
      $0.contains("posterior collapse: ")
    }
    #expect(warnings.count == 1, "\(trained)")
    let json = folder.file("c.json")
    let compared = try CommandRunner.run("compare", [folder.file("run"), "--json", json])
    let words = compared.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(
      words.contains("posterior collapse: 3 of 3 channels tell less than 0.01 nats"), "\(words)")
    #expect(words.contains("the share of dead channels"), "\(words)")
    #expect(words.contains("use a smaller quantizer.weight (it is 1000.0)"), "\(words)")
    let text = String(decoding: try ScratchFolder.read(json), as: UTF8.self)
    #expect(text.contains("\"diagnostic\": \"deadChannels\""), "\(text)")
  }

  // MARK: Beside diffusers

  private static let script = """
    import json, sys, torch
    from diffusers import AutoencoderKL
    from safetensors.torch import load_file, save_file
    folder, images = sys.argv[1:]
    torch.manual_seed(3)
    model = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
        block_out_channels=[32, 32], layers_per_block=1, latent_channels=4, norm_num_groups=32,
        mid_block_add_attention=True, sample_size=16).eval()
    save_file(model.state_dict(), folder + "/model.safetensors",
              metadata={"format": "pt", "tessera": "1"})
    with torch.no_grad():
        latents = model.encode(load_file(images)["images"]).latent_dist.mode()
        decoded = model.decode(latents).sample
    save_file({"latents": latents.contiguous(), "decoded": decoded.contiguous()},
              folder + "/expected.safetensors")
    """

  @Test(
    "what AutoencoderKL saved is encoded and decoded alike",
    .enabled(if: PythonPeer.diffusers.isHere, "\(PythonPeer.diffusers.absence)"))
  func diffusers() throws {
    let run = RunConfiguration(
      data: DataConfiguration(train: "in", imageSize: 16, resize: .none),
      model: ModelConfiguration(
        channels: [32, 32], latentChannels: 4, middleAttention: true, normGroups: 32),
      quantizer: .kl(KLConfiguration(channels: 4)))
    try folder.write(run.resolved, to: "checkpoint/" + Checkpoint.configurationFile)
    let images = (0..<3).map { SampleImages.image(24, 16, number: $0) }
    for (number, image) in images.enumerated() {
      try folder.write(ImageEncoder().encode(image, as: .png), to: "in/\(number).png")
    }
    let shape = [3, 3, 16, 24]
    let numbers = images.flatMap { $0.pixels.map { Float($0) / 127.5 - 1 } }
    let channelsFirst = TensorLayout.channelsFirst(numbers, shape)
    try SafetensorsWriter.write(
      [("images", shape, channelsFirst)], to: folder.file("images.safetensors"))
    _ = try PythonPeer.diffusers.run(
      script: Self.script, [folder.file("checkpoint"), folder.file("images.safetensors")])
    let expected = try SafetensorsFile(path: folder.file("checkpoint/expected.safetensors"))

    let encoded = try CommandRunner.run(
      "encode",
      ["--checkpoint", "checkpoint", "--output", "l.npy", "--size", "native", "in"],
      in: folder.path)
    #expect(encoded.code == 0, "\(encoded)")
    let file = try LatentFile.open(path: folder.file("l.npy"))
    let latents = try (0..<3).flatMap { try file.latents(of: $0) }
    let theirs = TensorLayout.channelsLast(try expected.floats("latents"), [3, 4, 8, 12])
    #expect(zip(latents, theirs).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(Set(theirs).count > 1000)
    let decoded = try CommandRunner.run(
      "decode", ["--checkpoint", "checkpoint", "--output", "out", "l.npy"], in: folder.path)
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
