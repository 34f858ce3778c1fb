import Files
import Configuration
import FileTestSupport
import Foundation
import Imaging
import Safetensors
import Testing
import Tokenizers

@Suite("compare")
struct CompareTests {
  /// Two runs of a few steps on drawn scenes, made once for all tests.
  final class Runs: Sendable {
    let scratch: ScratchFolder
    var fsq: String { scratch.file("checkpoints/fsq") }
    var vq: String { scratch.file("checkpoints/vq") }
    var scenes: String { scratch.file("scenes") }

    init() throws {
      scratch = try ScratchFolder()
      try Self.expectSuccess(
        "scenes",
        ["--output", scenes, "--count", "16", "--validation", "6", "--size", "32", "--quiet"])
      try train(fsq, ["quantizer={\"type\": \"fsq\", \"levels\": [8, 5, 5, 5]}"])
      try train(
        vq, ["quantizer={\"type\": \"vq\", \"codebookSize\": 64, \"codeDimension\": 4}"])
    }

    @discardableResult
    func train(
      _ folder: String, _ settings: [String], options: [String] = ["--quiet"]
    ) throws -> CommandRunner.Outcome {
      let configuration = """
        {
          "data": {"train": \(quoted(scenes + "/train")),
            "validation": \(quoted(scenes + "/validation")), "imageSize": 32},
          "model": {"channels": [32, 32], "blocksPerLevel": 1, "latentChannels": 4},
          "quantizer": {"type": "fsq"},
          "training": {"steps": 3, "batchSize": 4},
          "monitor": {"logEvery": 1, "evaluateEvery": 2}
        }
        """
      try scratch.write(configuration, to: "run.json")
      return try Self.expectSuccess(
        "train",
        ["--config", scratch.file("run.json"), "--output", folder] + options
          + settings.flatMap { ["--set", $0] })
    }

    @discardableResult
    private static func expectSuccess(
      _ command: String, _ arguments: [String]
    ) throws -> CommandRunner.Outcome {
      let outcome = try CommandRunner.run(command, arguments)
      try #require(outcome.code == 0, "\(command): \(outcome)")
      return outcome
    }
  }

  private static let made: Result<Runs, any Error> = Result {
    // What is made for all tests lives to the end of the process.
    atexit {
      if let runs = try? CompareTests.made.get() {
        try? FileManager.default.removeItem(atPath: runs.scratch.path)
      }
    }
    return try Runs()
  }
  private let runs: Runs

  init() throws { runs = try Self.made.get() }

  @Test("the validation images are named as the run named them, from its own working directory")
  func relativeFolder() throws {
    try runs.scratch.write(
      Array(
        """
        {"data": {"train": "scenes/train", "validation": "scenes/validation", "imageSize": 32},
         "model": {"channels": [32, 32], "blocksPerLevel": 1, "latentChannels": 4},
         "quantizer": {"type": "fsq"}, "training": {"steps": 1, "batchSize": 4}}
        """.utf8), to: "relative.json")
    let trained = try CommandRunner.run(
      "train", ["--config", "relative.json", "--output", "relative", "--quiet"],
      in: runs.scratch.path)
    try #require(trained.code == 0, "\(trained)")
    let here = try CommandRunner.run("compare", ["relative"], in: runs.scratch.path)
    #expect(here.output.contains("in scenes/validation,"), "\(here)")
    let elsewhere = try CommandRunner.run("compare", [runs.scratch.file("relative")])
    let words = elsewhere.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.contains("in \(runs.scratch.path)/scenes/validation,"), "\(elsewhere)")
  }

  /// A quantizer with what the commands say of it.
  private struct Kind {
    let word: String
    let setting: String
    /// In the first line of `train`.
    let opening: String
    /// What an image becomes.
    let tokens: String
    /// In reports.
    let shape: String
    let codes: String
    var depth = 1
  }

  private static let kinds = [
    Kind(
      word: "fsq", setting: "\"levels\": [5, 3]", opening: "5,3", tokens: "16x16",
      shape: "5,3 tanh", codes: "15"),
    Kind(
      word: "vq", setting: "\"codebookSize\": 64", opening: "64x8", tokens: "16x16",
      shape: "64x8 straight-through", codes: "64"),
    Kind(
      word: "cosine-vq", setting: "\"codeDimension\": 4", opening: "1024x4", tokens: "16x16",
      shape: "1024x4 straight-through", codes: "1,024"),
    Kind(
      word: "simvq", setting: "\"codeDimension\": 4", opening: "1024x4", tokens: "16x16",
      shape: "1024x4 straight-through", codes: "1,024"),
    Kind(
      word: "lfq", setting: "\"bits\": 9", opening: "9 bits", tokens: "16x16", shape: "9 bits",
      codes: "512"),
    Kind(
      word: "bsq", setting: "\"bits\": 9", opening: "9 bits", tokens: "16x16", shape: "9 bits",
      codes: "512"),
    Kind(
      word: "product-vq", setting: "\"codeDimension\": 4", opening: "2 x 256x4",
      tokens: "16x16x2", shape: "2x256 straight-through", codes: "256", depth: 2),
    Kind(
      word: "residual-vq", setting: "\"depth\": 3", opening: "3 x 256x8", tokens: "16x16x3",
      shape: "3x256 straight-through", codes: "256", depth: 3),
    Kind(
      word: "residual-fsq", setting: "\"levels\": [5, 3]", opening: "2 x 5,3",
      tokens: "16x16x2", shape: "2x15 tanh", codes: "15", depth: 2),
  ]

  @Test("of every kind of quantizer train, encode and compare tell, in text, JSON and on the page")
  func everyQuantizer() throws {
    #expect(
      Self.kinds.map(\.word)
        == QuantizerConfiguration.standards.filter { !$0.isContinuous }.map(\.kind))
    var folders: [String] = []
    for kind in Self.kinds {
      let folder = runs.scratch.file("checkpoints/kind \(kind.word)")
      folders.append(folder)
      let trained = try runs.train(
        folder, ["quantizer={\"type\": \"\(kind.word)\", \(kind.setting)}"], options: [])
      let opening = "\(kind.word) \(kind.opening): 32x32 pixels -> \(kind.tokens) tokens of "
      #expect(trained.errors.contains(opening + "\(kind.codes) codes, "), "\(trained)")
      let encoded = try CommandRunner.run(
        "encode",
        [
          "--checkpoint", folder, "--output", runs.scratch.file("\(kind.word).safetensors"),
          runs.scenes + "/validation",
        ])
      #expect(encoded.code == 0, "\(encoded)")
      let ids = kind.depth > 1 ? " of \(kind.depth) ids" : ""
      #expect(encoded.output.contains(": 6 images, 1,536 tokens\(ids); "), "\(encoded)")
      #expect(encoded.output.contains(" of \(kind.codes) codes used "), "\(encoded)")
      #expect(encoded.output.contains(", at each depth ") == (kind.depth > 1), "\(encoded)")
    }
    let (json, page) = (runs.scratch.file("kinds.json"), runs.scratch.file("kinds.html"))
    let outcome = try CommandRunner.run(
      "compare", folders + ["--images", "3", "--json", json, "--html", page])
    #expect(outcome.code == 0, "\(outcome)")
    let text = String(decoding: try ScratchFolder.read(json), as: UTF8.self)
    let html = String(decoding: try ScratchFolder.read(page), as: UTF8.self)
    for kind in Self.kinds {
      let words = "\(kind.word) \(kind.shape)"
      #expect(outcome.output.contains(words), "\(outcome)")
      #expect(text.contains("\"type\": \"\(kind.word)\""), "\(kind)")
      #expect(html.contains(words), "\(kind)")
    }
    #expect(text.contains("\"usedCodesByDepth\""))
    // The figures that belong to each kind, by the place of its run among the others.
    let angles = "lambda, |q| / |z|"
    for title in [
      angles, "Obtuse share", "Commitment over reconstruction gradient", "Entropies, nats",
      "Spread of the used codes",
    ] {
      #expect(html.contains("<h3>\(title)</h3>"), "\(title)")
    }
    for (kind, title) in [
      ("fsq", "levels of each channel"), ("lfq", "share of ones in each bit"),
      ("bsq", "share of ones in each bit in training"),
      ("product-vq", "perplexity of each group"),
      ("product-vq", "used codes of each group over time"),
      ("residual-vq", "code frequencies of each depth"), ("residual-fsq", "levels of each channel"),
    ] {
      #expect(html.contains("<h3>kind \(kind): \(title)</h3>"), "\(kind): \(title)")
    }
    let section = try #require(html.range(of: "id=\"fig-lambda-q-z\""))
    let figure = html[section.lowerBound...].prefix { $0 != "#" }
    for kind in ["vq", "cosine-vq", "simvq", "product-vq"] {
      #expect(figure.contains("kind \(kind)"), "\(kind)")
    }
  }

  @Test("a folder of runs stands for its runs; files and folders beside them are skipped")
  func folders() throws {
    let own = try runs.scratch.folder("set")
    for name in ["a", "b"] {
      try FileManager.default.copyItem(
        atPath: name == "a" ? runs.fsq : runs.vq, toPath: own + "/" + name)
    }
    try runs.scratch.write("text", to: "set/README.md")
    try FileManager.default.createDirectory(
      atPath: own + "/empty", withIntermediateDirectories: true)
    let whole = try CommandRunner.run("compare", [own, "--json", "-", "--images", "2"])
    #expect(whole.code == 0, "\(whole)")
    #expect(
      try Self.runsOf(whole.output).map { $0["checkpoint"] } == [
        .string(own + "/a"), .string(own + "/b"),
      ])
    #expect(whole.errors.contains("\(own) holds the runs \(own)/a, \(own)/b"), "\(whole)")
    let starred = try CommandRunner.run(
      "compare", ["README.md", "a", "b", "empty"].map { own + "/" + $0 } + ["--images", "2"])
    #expect(starred.code == 0, "\(starred)")
    for name in ["README.md", "empty"] {
      #expect(starred.errors.contains("skipped: \(own)/\(name)"), "\(starred)")
    }
    let file = try CommandRunner.run("compare", [own + "/a/model.safetensors"])
    #expect(file.code == 66 && file.errors.contains("Name \(own)/a."), "\(file)")
    let none = try CommandRunner.run("compare", [own + "/README.md", own + "/empty"])
    #expect(none.code == 66, "\(none)")
    #expect(
      none.errors.contains("found a file") && none.errors.contains("holds config.json"), "\(none)")
  }

  @Test("without the validation folder: what the journals tell, where images may be, exit code 66")
  func noImages() throws {
    let folder = runs.scratch.file("checkpoints/moved")
    try FileManager.default.copyItem(atPath: runs.fsq, toPath: folder)
    let path = folder + "/config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let moved = text.replacingOccurrences(of: runs.scenes + "/validation", with: "scenes/gone")
    try moved.write(toFile: path, atomically: true, encoding: .utf8)
    let page = runs.scratch.file("moved.html")
    let outcome = try CommandRunner.run("compare", [folder, "--html", page])
    #expect(outcome.code == 66, "\(outcome)")
    for words in ["not evaluated", "last evaluation, at step 3", "fsq 8,5,5,5 tanh"] {
      #expect(outcome.output.contains(words), "\(words): \(outcome)")
    }
    #expect(!outcome.output.contains("PSNR dB" + String(repeating: " ", count: 20) + "-"))
    #expect(outcome.errors.contains("These are the validation images of \(folder)."), "\(outcome)")
    #expect(outcome.errors.contains("--data"), "\(outcome)")
    #expect(try String(contentsOfFile: page, encoding: .utf8).contains("Training loss"))
    // Where the folder lies beside the run, it is named.
    let beside = runs.scratch.file("checkpoints/scenes/gone")
    try FileManager.default.createDirectory(
      atPath: (beside as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: runs.scenes + "/validation", toPath: beside)
    let hinted = try CommandRunner.run("compare", [folder])
    #expect(hinted.errors.contains("Try --data \(beside)"), "\(hinted)")
    let done = try CommandRunner.run("compare", [folder, "--data", beside, "--quiet"])
    #expect(done.code == 0, "\(done)")
  }

  @Test("only the images that are compared on are opened; a broken one among them is replaced")
  func opensFew() throws {
    let folder = try runs.scratch.folder("few")
    let names = try FileManager.default.contentsOfDirectory(atPath: runs.scenes + "/validation")
    let good = runs.scenes + "/validation/" + (try #require(names.first { $0.hasSuffix(".png") }))
    for index in 0..<10 {
      // Of ten, two are taken: the first and the sixth. All others are no images at all.
      let target = folder + "/\(index).png"
      if [0, 5, 6].contains(index) {
        try FileManager.default.copyItem(atPath: good, toPath: target)
      } else {
        try Data("no image".utf8).write(to: URL(fileURLWithPath: target))
      }
    }
    let arguments = [runs.fsq, "--data", folder, "--images", "2", "--json", "-"]
    let outcome = try CommandRunner.run("compare", arguments)
    #expect(outcome.code == 0 && !outcome.errors.contains("skipped"), "\(outcome)")
    #expect(try Self.runsOf(outcome.output)[0]["images"] == .integer(2))
    try Data("no image".utf8).write(to: URL(fileURLWithPath: folder + "/5.png"))
    let replaced = try CommandRunner.run("compare", arguments)
    #expect(replaced.code == 0 && replaced.errors.contains("5.png"), "\(replaced)")
    #expect(try Self.runsOf(replaced.output)[0]["images"] == .integer(2), "\(replaced)")
  }

  @Test("help explains the verdicts, with examples")
  func help() throws {
    let outcome = try CommandRunner.run("compare", ["--help"])
    #expect(outcome.code == 0, "\(outcome)")
    for words in ["USAGE: compare", "EXAMPLES", "embedding collapse", "--samples", "--html"] {
      #expect(outcome.output.contains(words), "\(outcome)")
    }
  }

  @Test("two runs: a table, a verdict each, the protocol; talk apart from results")
  func table() throws {
    let outcome = try CommandRunner.run("compare", [runs.fsq, runs.vq])
    #expect(outcome.code == 0, "\(outcome)")
    for words in [
      "fsq 8,5,5,5 tanh", "vq 64x4 straight-through", "bits/token", "9.97", "6.00", "perplexity",
      "codes used", "uniform", "all 6 validation images in", "only 3 steps", "--explain",
      "32x32 pixels",
      "too early to judge",
    ] {
      #expect(outcome.output.contains(words), "\(words) is missing: \(outcome)")
    }
    #expect(
      outcome.output.split(separator: "\n").allSatisfy { $0.count <= 100 || $0.contains("/") })
    #expect(outcome.errors.contains("PSNR"), "\(outcome)")
    #expect(!outcome.output.contains("1 - (1 - 1/K)^n"))
    let explained = try CommandRunner.run("compare", [runs.fsq, "--explain", "--quiet"])
    #expect(explained.output.contains("1 - (1 - 1/K)^n"), "\(explained)")
    let quiet = try CommandRunner.run("compare", [runs.fsq, "--quiet"])
    #expect(quiet.errors.isEmpty, "\(quiet)")
  }

  @Test("JSON to a file and to standard output; samples: originals over both runs")
  func outputs() throws {
    let (json, sheet) = (runs.scratch.file("report.json"), runs.scratch.file("sheet.png"))
    let outcome = try CommandRunner.run(
      "compare", [runs.fsq, runs.vq, "--images", "3", "--json", json, "--samples", sheet])
    #expect(outcome.code == 0, "\(outcome)")
    let written = try Self.runsOf(String(contentsOfFile: json, encoding: .utf8))
    #expect(written.map { $0["images"] } == [.integer(3), .integer(3)])
    // 16 x 16 tokens an image; the first run's levels are counted, the second's codebook measured.
    #expect(written.map { $0["tokens"] } == [.integer(768), .integer(768)])
    #expect(written.map { $0["steps"] } == [.integer(3), .integer(3)])
    #expect(written[0]["levelCounts"] != nil && written[1]["codebook"] != nil)
    #expect(written.allSatisfy { $0["imagesTrainedOn"] == .integer(0) })
    // 32 pixels fourfold: 3 columns and 3 rows of 128 with margins of 4.
    let image = try ImageDecoder().read(sheet)
    #expect(image.width == 4 + 3 * 132 && image.height == 4 + 3 * 132)

    let piped = try CommandRunner.run(
      "compare", [runs.fsq, runs.vq, "--images", "3", "--json", "-"])
    let read = try Self.runsOf(piped.output)
    #expect(read.map { $0["psnr"] } == written.map { $0["psnr"] })
  }

  @Test(
    "a page of both runs and a failed one: verdicts, curves, codebooks, images, nothing outside")
  func page() throws {
    let path = runs.scratch.file("report.html")
    let outcome = try CommandRunner.run(
      "compare", [runs.fsq, runs.vq, "/nowhere", "--html", path, "--images", "3"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.output.contains("perplexity"), "the table is told too: \(outcome)")
    #expect(outcome.errors.contains("\(path): a page of"), "\(outcome)")
    let page = try String(contentsOfFile: path, encoding: .utf8)
    for words in [
      "Comparison of fsq, vq and nowhere", "too early to judge", "Only 3 steps",
      "expected a checkpoint", "Different settings", "training.batchSize",
      "Training loss", "Sorted code frequencies", "fsq: levels of each channel",
      "fsq: vectors and levels", "vq: codes and vectors", "difference of vq", "1 - (1 - 1/K)^n",
    ] {
      #expect(page.contains(words), "\(words)")
    }
    #expect(!page.contains("http:") && !page.contains("https:"))
    // Three originals, and of each run three reconstructions and three differences; of both runs the
    // samples of steps 2 and 3, six images each with a pixel between.
    let images = page.components(separatedBy: "data:image/png;base64,").dropFirst()
    let widths = try images.map { image in
      let data = try #require(Data(base64Encoded: String(image.prefix { $0 != "\"" })))
      return try ImageDecoder().decode([UInt8](data), name: "image").width
    }
    #expect(widths.count { $0 == 32 } == 15 && widths.count { $0 == 6 * 32 + 5 } == 4, "\(widths)")
    #expect(!page.contains(runs.scratch.path), "the page names a folder of this machine")
    let same = runs.scratch.file("again.html")
    _ = try CommandRunner.run("compare", [runs.fsq, "--html", same, "--quiet", "--json", "-"])
    #expect(try String(contentsOfFile: same, encoding: .utf8).contains("Comparison of fsq"))
  }

  @Test("the training images with --data are told to be known")
  func trainedOn() throws {
    let outcome = try CommandRunner.run(
      "compare", [runs.fsq, "--data", runs.scenes + "/train", "--quiet", "--json", "-"])
    let read = try Self.runsOf(outcome.output)
    #expect(read[0]["imagesTrainedOn"] == .integer(16), "\(outcome)")
  }

  @Test("a codebook of which all but one entry lie far away is a codebook collapse")
  func collapsed() throws {
    let folder = runs.scratch.file("checkpoints/collapsed")
    try Self.copy(runs.vq, to: folder) { name, values in
      guard name == "quantize.embedding.weight" else { return }
      for index in values.indices where index / 4 != 5 { values[index] += 1000 }
    }
    let outcome = try CommandRunner.run("compare", [folder, "--quiet", "--json", "-"])
    #expect(outcome.code == 0, "\(outcome)")
    let run = try Self.runsOf(outcome.output)[0]
    #expect(run["verdict"] == .string("codebook collapse"), "\(outcome)")
    #expect(run["usedCodes"] == .integer(1) && run["deadCodes"] == .integer(63), "\(outcome)")
    #expect(outcome.output.contains("the codebook lies far out"), "\(outcome)")
  }

  @Test("weights that are no numbers are a failure of the run, not a collapse")
  func notFinite() throws {
    let folder = runs.scratch.file("checkpoints/broken")
    try Self.copy(runs.vq, to: folder) { name, values in
      if name.hasPrefix("quant_conv") { values[0] = .nan }
    }
    let outcome = try CommandRunner.run("compare", [folder, "--quiet"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(
      outcome.errors.contains("error: \(folder)/model.safetensors: the tensor \"quant_conv."),
      "\(outcome)")
  }

  @Test("a failed run hides no other: listed with its reason, exit code 65")
  func failed() throws {
    let damaged = runs.scratch.file("checkpoints/damaged")
    try FileManager.default.copyItem(atPath: runs.fsq, toPath: damaged)
    let model = damaged + "/model.safetensors"
    let bytes = try Data(contentsOf: URL(fileURLWithPath: model))
    try bytes.dropLast(100).write(to: URL(fileURLWithPath: model))
    let outcome = try CommandRunner.run("compare", ["/nowhere", damaged, runs.vq])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.output.contains("failed: /nowhere: expected a checkpoint"), "\(outcome)")
    #expect(outcome.output.contains("vq 64x4"), "\(outcome)")
    #expect(outcome.errors.contains("error: \(model)"), "\(outcome)")
    let alone = try CommandRunner.run("compare", [damaged])
    #expect(alone.code == 65, "\(alone)")
    let missing = try CommandRunner.run("compare", ["/nowhere", "--json", "-"])
    #expect(missing.code == 66, "\(missing)")
    #expect(try Self.runsOf(missing.output)[0]["error"] != .null)
  }

  @Test("no images, no folder to write into, wrong numbers: the code that fits")
  func refusals() throws {
    let empty = try runs.scratch.folder("empty")
    let expected: [([String], Int32, String)] = [
      ([runs.fsq, "--data", empty], 66, "an empty folder"),
      ([runs.fsq, "--data", "/nowhere"], 66, "/nowhere"),
      ([runs.fsq, "--json", "/nowhere/report.json"], 73, "/nowhere/report.json"),
      ([runs.fsq, "--samples", "/nowhere/sheet.png"], 73, "/nowhere/sheet.png"),
      ([runs.fsq, "--html", "/nowhere/report.html"], 73, "/nowhere/report.html"),
      ([runs.fsq, "--html", "-"], 64, "--html"),
      ([runs.fsq, "--images", "0"], 64, "--images"),
      ([], 64, "checkpoint"),
    ]
    for (arguments, code, words) in expected {
      let outcome = try CommandRunner.run("compare", arguments)
      #expect(outcome.code == code, "\(arguments): \(outcome)")
      #expect(outcome.errors.contains(words), "\(arguments): \(outcome)")
      #expect(outcome.output.isEmpty, "\(arguments): \(outcome)")
    }
  }

  @Test("runs of two image sizes: each on its own, from the same files")
  func sizes() throws {
    let small = runs.scratch.file("checkpoints/small")
    try runs.train(small, ["data.imageSize=16"])
    let sheet = runs.scratch.file("sizes.png")
    let outcome = try CommandRunner.run("compare", [runs.fsq, small, "--samples", sheet])
    #expect(outcome.code == 0, "\(outcome)")
    let words = outcome.output.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
    #expect(
      words.contains(
        "32x32, 16x16 pixels: compare PSNR, SSIM and bits/pixel only between runs of one size"),
      "\(outcome)")
    let image = try ImageDecoder().read(sheet)
    #expect(image.height == 4 + 3 * 132)
  }

  @Test("singular values: a planted rank, a layer of zeros; a weight that is no number is refused")
  func spectra() throws {
    let planted = runs.scratch.file("checkpoints/planted")
    let (low, zero) = ("encoder.mid_block.resnets.0.conv1", "decoder.mid_block.resnets.1.conv2")
    try Self.copy(runs.fsq, to: planted) { name, values in
      if name == low + ".weight" {
        // Rows of two kinds, by turns: [32, 32 * 9] of rank 2.
        for index in values.indices where index >= 2 * 288 { values[index] = values[index % 576] }
      }
      if name == zero + ".weight" { values = values.map { _ in 0 } }
    }
    let (json, html) = (runs.scratch.file("spectra.json"), runs.scratch.file("spectra.html"))
    // With images, and without any.
    try runs.scratch.folder("no-images")
    for images in [runs.scenes + "/validation", runs.scratch.file("no-images")] {
      let outcome = try CommandRunner.run(
        "compare", [planted, "--data", images, "--json", json, "--html", html])
      #expect(outcome.code == (images.hasSuffix("validation") ? 0 : 66), "\(outcome)")
      let run = try #require(try Self.runsOf(String(contentsOfFile: json, encoding: .utf8)).first)
      guard case .array(let values)? = run["spectra"] else {
        Issue.record("no spectra in \(run.keys)")
        return
      }
      let layers = values.compactMap { if case .object(let layer) = $0 { layer } else { nil } }
      // What a codebook's own map would be is no layer; the coder's 1x1 maps are.
      #expect(layers.contains { $0["layer"] == .string("quant_conv") })
      let cut = try #require(layers.first { $0["layer"] == .string(low) })
      #expect(cut["shape"] == .array([32, 32, 3, 3].map(JSONValue.integer)))
      #expect(cut["unfolding"] == .string("output") && cut["fullRank"] == .integer(32))
      for share in ["0.99", "0.95"] {
        guard case .object(let energy)? = cut["energy"],
          case .object(let there)? = energy[share], case .object(let factors)? = there["factors"]
        else {
          Issue.record("no energy in \(cut)")
          return
        }
        #expect(there["rank"] == .integer(2))
        #expect(factors["rank"] == .integer(2) && factors["first"] == .string("3x3"))
        #expect(factors["pay"] == .flag(true))
        #expect(factors["multiplyAdds"] == .number(0.069444), "2 (288 + 32) of 9216")
      }
      let empty = try #require(layers.first { $0["layer"] == .string(zero) })
      #expect(empty["stableRank"] == .number(0) && empty["entropyRank"] == .number(0))
      let page = try String(contentsOfFile: html, encoding: .utf8)
      for words in [
        "Singular values of the layers",
        "<td class=\"pays\">6.9%, 3x3 to 2",
        "All zero: mid res 1 conv2.", "tessera compress --checkpoint",
      ] {
        #expect(page.contains(words), "\(words)")
      }
    }
    let broken = runs.scratch.file("checkpoints/not-finite")
    try Self.copy(runs.fsq, to: broken) { name, values in
      if name == low + ".weight" { values[5] = .nan }
    }
    let refused = try CommandRunner.run("compare", [broken, "--json", json, "--images", "2"])
    #expect(refused.code == 65 && refused.errors.contains(low + ".weight"), "\(refused)")
    let text = try String(contentsOfFile: json, encoding: .utf8)
    #expect(!text.contains("spectra"))
    // The log of the run has the ranks over training.
    let plain = try CommandRunner.run("compare", [runs.fsq, "--html", html, "--images", "2"])
    #expect(plain.code == 0, "\(plain)")
    #expect(
      try String(contentsOfFile: html, encoding: .utf8).contains("fsq: entropy rank over k"))
  }

  /// Copies a checkpoint with other weights.
  private static func copy(
    _ source: String, to folder: String, _ change: (String, inout [Float]) -> Void
  ) throws {
    try FileManager.default.copyItem(atPath: source, toPath: folder)
    let file = try SafetensorsFile(path: source + "/model.safetensors")
    let tensors = try file.entries.map { entry in
      var values = try file.floats(entry.name, shape: entry.shape)
      change(entry.name, &values)
      return (name: entry.name, shape: entry.shape, values: values)
    }
    try SafetensorsWriter.write(
      tensors, metadata: file.metadata, to: folder + "/model.safetensors")
  }

  private static func runsOf(_ text: String) throws -> [JSONObject] {
    guard case .object(let root) = try JSONValue(parsing: text),
      case .array(let runs)? = root["runs"]
    else { return [] }
    return runs.compactMap { if case .object(let run) = $0 { run } else { nil } }
  }
}

private func quoted(_ path: String) -> String { JSONValue.string(path).compactText }
