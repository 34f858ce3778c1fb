import FileTestSupport
import Files
import Foundation
import Imaging
import Safetensors
import Testing
import TokenFiles

/// A tokenizer, tokens with classes, and a prior of a few steps, made once for all tests.
private struct PriorRuns {
  let folder: ScratchFolder

  static let shared = Result { try PriorRuns() }

  init() throws {
    folder = try ScratchFolder()
    for number in 0..<24 {
      let name = "in/\(["cat", "dog"][number % 2])/\(number).png"
      try folder.write(SampleImages.png(16, 16, number: number), to: name)
    }
    try folder.write(
      """
      {
        "data": {"train": "in", "imageSize": 16},
        "model": {"channels": [32, 32], "latentChannels": 4},
        "quantizer": {"type": "fsq", "levels": [5, 5, 5]},
        "training": {"steps": 4, "batchSize": 4, "lanes": 1}
      }
      """, to: "c.json")
    try folder.write(
      """
      {
        "kind": "prior",
        "data": {"tokens": ["tokens.safetensors"], "validationShare": 0.25},
        "model": {"width": 32, "layers": 1, "heads": 2},
        "training": {"steps": 6, "batchSize": 4, "lanes": 1},
        "monitor": {"logEvery": 1, "evaluateEvery": 3, "checkpointEvery": 1000000}
      }
      """, to: "p.json")
    try run(["train", "--config", "c.json", "--output", "runs/fsq"])
    try run(["encode", "--checkpoint", "runs/fsq", "--output", "tokens.safetensors", "in"])
    try run(["train", "--config", "p.json", "--output", "runs/prior"])
  }

  private func run(_ arguments: [String]) throws {
    let outcome = try CommandRunner.run("tessera", arguments + ["--quiet"], in: folder.path)
    guard outcome.code == 0 else { throw Failed(outcome: outcome) }
  }

  private struct Failed: Error { let outcome: CommandRunner.Outcome }
}

/// Priors as a user meets them: train, sample, score, encode and decode, export.
@Suite("Priors by command")
struct PriorCommandTests {
  private let runs: PriorRuns
  private var folder: ScratchFolder { runs.folder }
  /// Names of this test's own.
  private let own = "own-\(UUID().uuidString)"

  init() throws { runs = try PriorRuns.shared.get() }

  private func tessera(_ arguments: String...) throws -> CommandRunner.Outcome {
    try CommandRunner.run("tessera", arguments, in: folder.path)
  }

  // MARK: Training

  @Test func trainingTellsBits() throws {
    let outcome = try tessera(
      "train", "--config", "p.json", "--output", own, "--data", "tokens.safetensors")
    expect(
      outcome, 0, "prior: 8x8 tokens of 125 codes, 2 classes", "bits/token", "bits/image",
      "bits/pixel on 6 images", "without a prior 6.97 bits/token")
    let journal = try String(contentsOfFile: folder.file(own + "/metrics.jsonl"), encoding: .utf8)
    for key in ["bitsPerToken", "bitsPerImage", "bitsPerPixel", "marginalBits", "bigramBits"] {
      #expect(journal.contains("\"\(key)\":"), "\(key)")
    }
    #expect(journal.contains("\"trainingImages\": 18") && journal.contains("imagesPerSecond"))
    let again = try tessera("train", "--resume", "--output", own, "--steps", "8")
    expect(again, 0, "8 steps")
    expect(
      try tessera("train", "--resume", "--output", own, "--steps", "8"), 64, "already at step 8")
    expect(
      try tessera(
        "train", "--resume", "--output", own, "--steps", "9", "--set", "model.width=64"), 65,
      "model.width")
  }

  @Test func trainingRefusesWhatItCannotLearn() throws {
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--data", "missing.safetensors"),
      66, "missing.safetensors")
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--data", "c.json"), 65, "c.json")
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--estimate"), 64, "--estimate")
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--set", "model.heads=3"), 65,
      "model.heads", "multiple of 2 channels")
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--set", "data.tokens=[]"), 65,
      "data.tokens", "--data")
    expect(
      try tessera("train", "--config", "c.json", "--output", own, "--data", "in", "--data", "in"),
      64,
      "--data: expected one folder")
    expect(
      try tessera(
        "train", "--config", "p.json", "--output", own, "--set", "model.width=65536", "--set",
        "model.layers=900"), 65, "memory", "model.width")
    #expect(!FileManager.default.fileExists(atPath: folder.file(own)))
  }

  @Test func aPlanAndATraceAreShown() throws {
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--print-plan"), 0,
      "attention", "product cross entropy")
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--trace", "--steps", "2"), 0,
      "2 steps traced", "attention gradient, causal")
  }

  // MARK: Drawing

  @Test func drawingWritesSheetsFoldersAndTokens() throws {
    let sheet = try tessera(
      "sample", "--checkpoint", "runs/prior", "--count", "6", "--output", own + ".png")
    expect(sheet, 0, "decoding with", "runs/fsq", "6 images of 8x8 tokens drawn")
    let image = try ImageDecoder().open(folder.file(own + ".png")).decode()
    #expect(image.width == 3 * 64 + 4 * 4 && image.height == 2 * 64 + 3 * 4)

    expect(
      try tessera(
        "sample", "--checkpoint", "runs/prior", "--count", "3", "--class", "dog", "--class", "cat",
        "--guidance", "1.5", "--temperature", "0.8", "--top-k", "50", "--top-p", "0.9", "--output",
        own), 0)
    let names = ["cat/00002.png", "dog/00001.png", "dog/00003.png"]
    for name in names {
      #expect(FileManager.default.fileExists(atPath: folder.file(own + "/" + name)), "\(name)")
    }

    for format in TokenFormat.allCases {
      let path = own + format.rawValue + "." + format.rawValue
      expect(
        try tessera(
          "sample", "--checkpoint", "runs/prior", "--count", "5", "--class", "cat", "--seed", "7",
          "--output", path), 0)
      let file = try TokenFile.open(path: folder.file(path))
      #expect(file.count == 5 && file.classes == ["cat", "dog"])
      #expect(file.shape(at: 4).label == 0 && file.shape(at: 4).width == 16)
      expect(
        try tessera(
          "decode", "--checkpoint", "runs/fsq", "--output", own + "-" + format.rawValue, path),
        0,
        "5 images decoded")
    }
  }

  /// The same seed gives the same images, whatever the number of images and threads.
  @Test func theSeedDecides() throws {
    func ids(_ count: Int, _ threads: Int, seed: Int) throws -> [[UInt32]] {
      let path = "\(own)-\(count)-\(threads)-\(seed).npy"
      expect(
        try tessera(
          "sample", "--checkpoint", "runs/prior", "--count", "\(count)", "--threads", "\(threads)",
          "--seed", "\(seed)", "--output", path), 0)
      let file = try TokenFile.open(path: folder.file(path))
      return try (0..<count).map { try file.record(at: $0).tokens }
    }
    let all = try ids(21, 2, seed: 1)
    #expect(try ids(21, 1, seed: 1) == all)
    #expect(try ids(3, 3, seed: 1) == Array(all[..<3]))
    #expect(try ids(21, 2, seed: 2) != all)
  }

  @Test func aPhotographIsCompleted() throws {
    let path = own + ".safetensors"
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/prior", "--complete", "in/cat/2.png", "--rows", "3",
        "--count", "4", "--output", path), 0)
    let tokens = try TokenFile.open(path: folder.file("tokens.safetensors"))
    let index = tokens.paths.firstIndex(of: "cat/2.png")!
    let original = try tokens.record(at: index).tokens
    let drawn = try TokenFile.open(path: folder.file(path))
    let images = try (0..<4).map { try drawn.record(at: $0).tokens }
    #expect(images.allSatisfy { $0[..<24] == original[..<24] })
    #expect(Set(images.map { Array($0[24...]) }).count == 4)
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/prior", "--complete", "in/cat/2.png", "--rows", "9",
        "--output", own + ".png"), 64, "--rows: expected 0 to 8")
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/prior", "--complete", "missing.png", "--rows", "1",
        "--output", own + "-folder"), 66, "missing.png")
    #expect(!FileManager.default.fileExists(atPath: folder.file(own + "-folder")))
  }

  /// Photographs are prepared as the tokens were that the prior has learned, by whatever recipe; and of
  /// pairs with mirror images, none is drawn.
  @Test func aPhotographIsPreparedByTheRecipeOfTheTokens() throws {
    let name = own + "-photo"
    for number in 0..<3 {
      try folder.write(SampleImages.png(61, 47, number: number), to: "\(name)/\(number).png")
    }
    func encode(_ recipe: String, _ options: String...) throws -> TokenFile {
      let file = "\(own)-\(recipe).safetensors"
      let outcome = try CommandRunner.run(
        "tessera",
        ["encode", "--checkpoint", "runs/fsq", "--recipe", recipe, "--output", file] + options
          + [name], in: folder.path)
      #expect(outcome.code == 0, "\(outcome)")
      return try TokenFile.open(path: folder.file(file))
    }
    let plain = try encode("tessera")
    let tokens = try encode("diffusers", "--flip")
    expect(
      try tessera(
        "train", "--config", "p.json", "--output", own, "--data",
        "\(own)-diffusers.safetensors", "--set", "training.batchSize=2"), 0)
    expect(
      try tessera(
        "sample", "--checkpoint", own, "--tokenizer", "runs/fsq", "--complete", "\(name)/0.png",
        "--rows", "5", "--count", "1", "--output", own + "-drawn.safetensors"), 0)
    let drawn = try TokenFile.open(path: folder.file(own + "-drawn.safetensors"))
    let kept = try drawn.record(at: 0).tokens.prefix(5 * 8)
    #expect(kept == (try tokens.record(at: 0).tokens.prefix(5 * 8)))
    #expect(kept != (try plain.record(at: 0).tokens.prefix(5 * 8)))
    #expect(
      drawn.recipe.name == "diffusers" && tokens.recipe.isMirrored && !drawn.recipe.isMirrored)
    // Rules that this version does not know are not guessed.
    let path = folder.file(own + "/tokens.json")
    let text = String(decoding: try ScratchFolder.read(path), as: UTF8.self)
    let changed = text.replacing("\"diffusers\"", with: "\"unheard\"")
    try #require(changed != text)
    try ScratchFolder.put(Array(changed.utf8), at: path)
    expect(
      try tessera(
        "sample", "--checkpoint", own, "--tokenizer", "runs/fsq", "--complete", "\(name)/0.png",
        "--rows", "5", "--count", "1", "--output", own + "-other.png"), 65, "unheard",
      "expected one of tessera, adm")
  }

  @Test func drawingRefusesNonsense() throws {
    func sample(_ options: String..., output: String? = nil) throws -> CommandRunner.Outcome {
      try CommandRunner.run(
        "tessera",
        ["sample", "--checkpoint", "runs/prior", "--output", output ?? own + ".png"] + options,
        in: folder.path)
    }
    expect(try sample("--temperature", "0"), 64, "--temperature: expected a number above 0")
    expect(try sample("--temperature", "-1"), 64, "--temperature")
    expect(try sample("--top-p", "0"), 64, "--top-p: expected a number above 0")
    expect(try sample("--top-p", "1.5"), 64, "--top-p")
    expect(try sample("--top-k", "-3"), 64, "--top-k")
    expect(try sample("--count", "0"), 64, "--count")
    expect(try sample("--guidance", "2"), 64, "--guidance", "--class")
    expect(try sample("--rows", "2"), 64, "--complete")
    expect(try sample("--class", "dogg"), 65, "no class \"dogg\"", "Did you mean \"dog\"?")
    expect(try sample("--tokenizer", "runs/prior"), 65, "expected the run of a tokenizer")
    expect(try sample(output: "tokens.safetensors"), 73, "already there", "--force")
    expect(
      try tessera("sample", "--checkpoint", "runs/fsq", "--output", own + ".png"), 65,
      "expected the run of a prior", "\"tokenizer\"")
    expect(
      try tessera("sample", "--checkpoint", "nowhere", "--output", own + ".png"), 66, "nowhere")
    #expect(!FileManager.default.fileExists(atPath: folder.file(own + ".png")))
  }

  /// A prior that never saw an image without its class is not asked for one.
  @Test func classesThatWereAlwaysThereAreAskedFor() throws {
    expect(
      try tessera(
        "train", "--config", "p.json", "--output", own, "--set", "model.classDropout=0", "--steps",
        "1"), 0)
    expect(
      try tessera("sample", "--checkpoint", own, "--output", own + ".npy"), 64, "--class",
      "cat, dog")
    expect(
      try tessera(
        "sample", "--checkpoint", own, "--class", "cat", "--guidance", "2", "--output",
        own + ".npy"), 64, "--guidance")
    expect(
      try tessera(
        "encode", "--checkpoint", "runs/fsq", "--no-labels", "--output", own + "-plain.npy", "in"),
      0)
    expect(try tessera("score", "--checkpoint", own, own + "-plain.npy"), 65, "without a class")
  }

  @Test func drawingStopsWithWhatIsWhole() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandRunner.path(of: "tessera"))
    process.arguments = [
      "sample", "--checkpoint", "runs/prior", "--count", "2000000", "--output", own + ".npy",
    ]
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    // Once it tells of progress, images are there.
    var text = ""
    while !text.contains(" of 2,000,000") {
      let data = errors.fileHandleForReading.availableData
      if data.isEmpty { break }
      text += String(decoding: data, as: UTF8.self)
    }
    process.interrupt()
    text += String(
      decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130, "\(text)")
    #expect(text.contains("stopped after") && text.contains("they are written"), "\(text)")
    #expect(try TokenFile.open(path: folder.file(own + ".npy")).count > 0)
  }

  // MARK: Bits

  @Test func bitsOfTokensAreToldAndWritten() throws {
    let scored = try tessera(
      "score", "--checkpoint", "runs/prior", "--json", own + ".json", "tokens.safetensors")
    expect(scored, 0, "24 images", "bits/token", "bits/pixel", "of log2 of the codes")
    let list = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: folder.file(own + ".json"))))
    let images = try #require(list as? [[String: Any]])
    #expect(images.count == 24 && images[0]["image"] as? String == "cat/0.png")
    let bits = images.reduce(0) { $0 + ($1["bits"] as! Double) }

    let coded = own + ".safetensors"
    let encoded = try tessera(
      "encode", "--checkpoint", "runs/fsq", "--prior", "runs/prior", "--output", coded, "in")
    expect(encoded, 0, "24 images in", "bytes of code", "the file with names and sizes")
    let code = try SafetensorsFile(path: folder.file(coded)).entry("code")
    #expect(abs(Double(code.elementCount * 8) - bits) < 24 * 16)
    #expect(!FileManager.default.fileExists(atPath: folder.file(coded + ".ids.safetensors")))

    let ids = own + "-ids.npy"
    expect(
      try tessera(
        "decode", "--checkpoint", "runs/fsq", "--prior", "runs/prior", "--output", ids, coded), 0)
    let (before, after) = (
      try TokenFile.open(path: folder.file("tokens.safetensors")),
      try TokenFile.open(path: folder.file(ids))
    )
    #expect(before.paths == after.paths && before.classes == after.classes)
    for index in 0..<24 {
      #expect(try before.record(at: index) == after.record(at: index))
    }
    expect(
      try tessera(
        "decode", "--checkpoint", "runs/fsq", "--prior", "runs/prior", "--threads", "1", "--output",
        own, coded), 0, "24 images decoded")
  }

  @Test func codedTokensNeedTheirPrior() throws {
    let coded = own + ".safetensors"
    expect(
      try tessera(
        "encode", "--checkpoint", "runs/fsq", "--prior", "runs/prior", "--output", coded, "in"), 0)
    expect(
      try tessera("decode", "--checkpoint", "runs/fsq", "--output", own, coded), 64, "--prior")
    expect(
      try tessera(
        "decode", "--checkpoint", "runs/fsq", "--prior", "runs/prior", "--output", own,
        "tokens.safetensors"), 64, "--prior", "plain")
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--data", coded), 65,
      "tessera-coded-tokens")
    expect(
      try tessera(
        "encode", "--checkpoint", "runs/fsq", "--prior", "runs/prior", "--output", own + ".npy",
        "in"), 64, "safetensors")
    expect(
      try tessera(
        "encode", "--checkpoint", "runs/fsq", "--prior", "runs/fsq", "--output", own + "2", "in"),
      65, "expected the run of a prior")
    expect(
      try tessera("encode", "--checkpoint", "runs/prior", "--output", own + "3", "in"), 65,
      "expected the run of a tokenizer", "tessera sample")
    // Trained on, it is another prior.
    expect(
      try tessera("train", "--config", "p.json", "--output", own, "--steps", "7"), 0)
    expect(
      try tessera(
        "decode", "--checkpoint", "runs/fsq", "--prior", own, "--output", own + "4", coded), 65,
      "written with the prior")
  }

  /// A prior of another tokenizer's tokens is refused everywhere.
  @Test func anotherTokenizersPriorIsRefused() throws {
    expect(
      try tessera("train", "--config", "c.json", "--seed", "5", "--output", own + "/fsq"), 0)
    expect(
      try tessera("encode", "--checkpoint", own + "/fsq", "--output", own + "/t.npy", "in"), 0)
    expect(
      try tessera("score", "--checkpoint", "runs/prior", own + "/t.npy"), 65, "has learned")
    expect(
      try tessera(
        "encode", "--checkpoint", "runs/fsq", "--size", "8x8", "--output", own + "/small.npy", "in"),
      0)
    expect(
      try tessera("score", "--checkpoint", "runs/prior", own + "/small.npy"), 65,
      "grids of 8 x 8 tokens", "4 x 4")
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/prior", "--tokenizer", own + "/fsq", "--output",
        own + ".png"), 65, "has learned")
    expect(
      try tessera(
        "encode", "--checkpoint", own + "/fsq", "--prior", "runs/prior", "--output",
        own + "/c.safetensors", "in"), 65, "has learned")
    expect(
      try tessera(
        "train", "--config", "p.json", "--output", own + "/p", "--data", "tokens.safetensors",
        "--validation", own + "/t.npy"), 65, "two tokenizers")
    expect(
      try tessera(
        "train", "--config", "p.json", "--output", own + "/p", "--data", "tokens.safetensors",
        "--data", own + "/t.npy"), 65, "two tokenizers")
  }

  // MARK: Export

  @Test func exportRefusesWhatLlamaCannotDo() throws {
    expect(
      try tessera(
        "train", "--config", "p.json", "--output", own + "/2d", "--set", "model.positions=rope2d"),
      0)
    expect(
      try tessera(
        "export", "--checkpoint", own + "/2d", "--to", "transformers", "--output", own + "/llama"),
      65, "rope2d", "--set model.positions=rope")
    expect(
      try tessera("export", "--checkpoint", "runs/fsq", "--to", "transformers", "--output", own),
      65,
      "expected the run of a prior")
    #expect(!FileManager.default.fileExists(atPath: folder.file(own + "/llama")))
  }

  /// transformers reads the folder, and finds the same bits.
  @Test(
    .enabled(
      if: PythonPeer.transformers.isHere, Comment(rawValue: PythonPeer.transformers.absence)))
  func transformersReadsTheExport() throws {
    expect(
      try tessera(
        "train", "--config", "p.json", "--output", own + "/p"), 0)
    expect(
      try tessera(
        "export", "--checkpoint", own + "/p", "--to", "transformers", "--output", own + "/llama"),
      0,
      "128 entries", "125 (cat) to 126, or 127 for none")
    let script = """
      import json, sys, torch
      from safetensors import safe_open
      from transformers import LlamaForCausalLM
      model, report = LlamaForCausalLM.from_pretrained(sys.argv[1], output_loading_info=True)
      assert not any(report.values()), report
      with safe_open(sys.argv[2], "pt") as file:
          ids, labels = file.get_tensor("tokens").long().flatten(1), file.get_tensor("labels").long()
      inputs = torch.cat((125 + labels[:, None], ids[:, :-1]), 1)
      with torch.no_grad():
          logits = model(inputs).logits[..., :125]
          losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
          drawn = model.generate(torch.full((3, 1), 127))
      assert drawn.shape == (3, 65) and drawn[:, 1:].max() < 125, drawn
      print(json.dumps((losses.sum(1) / 0.6931471805599453).tolist()))
      """
    let output = try PythonPeer.transformers.run(
      script: script, [folder.file(own + "/llama"), folder.file("tokens.safetensors")])
    let expected = try JSONDecoder().decode(
      [Double].self, from: Data((output.split(separator: "\n").last ?? "").utf8))
    expect(
      try tessera(
        "score", "--checkpoint", own + "/p", "--json", own + "/b.json", "tokens.safetensors"), 0)
    let list = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(fileURLWithPath: folder.file(own + "/b.json"))))
    for (image, bits) in zip(list as! [[String: Any]], expected) {
      #expect(abs((image["bits"] as! Double) - bits) < 1e-2)
    }
  }
}
