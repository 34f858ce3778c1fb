import FileTestSupport
import Files
import Foundation
import Imaging
import Testing

/// Continuous priors with both heads and a solver, of a few steps each, made once for all tests.
private struct ContinuousRuns {
  let folder: ScratchFolder

  static let shared = Result { try ContinuousRuns() }

  init() throws {
    folder = try ScratchFolder()
    for number in 0..<24 {
      let name = "in/\(["cat", "dog"][number % 2])/\(number).png"
      try folder.write(SampleImages.png(16, 16, number: number), to: name)
    }
    try folder.write(
      """
      {
        "kind": "continuous",
        "data": {"type": "images", "train": "in", "validationShare": 0.25, "imageSize": 16, "patch": 4},
        "model": {
          "width": 32, "layers": 1, "heads": 2,
          "head": {"type": "diffusion", "width": 32, "layers": 1, "levels": 2}
        },
        "training": {"steps": 6, "batchSize": 4, "lanes": 1},
        "monitor": {"logEvery": 1, "evaluateEvery": 3, "checkpointEvery": 1000000}
      }
      """, to: "c.json")
    try folder.write(
      """
      {
        "kind": "solver", "checkpoint": "runs/patches", "solver": {"steps": 2, "teacherPoints": 1},
        "training": {"steps": 4, "batchSize": 4, "lanes": 1, "optimizer": {"type": "adam"}},
        "monitor": {"logEvery": 1, "evaluateEvery": 4, "evaluationImages": 4}
      }
      """, to: "s.json")
    try folder.write(
      """
      {
        "data": {"train": "in", "imageSize": 16},
        "model": {"channels": [32, 32], "latentChannels": 4},
        "quantizer": {"type": "kl", "channels": 4},
        "training": {"steps": 4, "batchSize": 4, "lanes": 1}
      }
      """, to: "k.json")
    try run(["train", "--config", "k.json", "--output", "runs/kl"])
    try run(["train", "--config", "k.json", "--output", "runs/other", "--seed", "3"])
    try run(["encode", "--checkpoint", "runs/kl", "--output", "latents.safetensors", "in"])
    try run([
      "train", "--config", "c.json", "--data", "latents.safetensors", "--output", "runs/latents",
    ])
    try run(["train", "--config", "c.json", "--output", "runs/patches"])
    try run(["train", "--config", "s.json", "--output", "runs/amed"])
    try run([
      "train", "--config", "c.json", "--set", "model.head={\"type\": \"gaussian\"}", "--output",
      "runs/gaussian",
    ])
  }

  private func run(_ arguments: [String]) throws {
    let outcome = try CommandRunner.run("tessera", arguments + ["--quiet"], in: folder.path)
    guard outcome.code == 0 else { throw Failed(outcome: outcome) }
  }

  private struct Failed: Error { let outcome: CommandRunner.Outcome }
}

/// Priors without tokens as a user meets them: train, solve, sample, and what is refused.
@Suite("Continuous priors by command")
struct ContinuousCommandTests {
  private let runs: ContinuousRuns
  private var folder: ScratchFolder { runs.folder }
  /// Names of this test's own.
  private let own = "own-\(UUID().uuidString)"

  init() throws { runs = try ContinuousRuns.shared.get() }

  private func tessera(_ arguments: String...) throws -> CommandRunner.Outcome {
    try CommandRunner.run("tessera", arguments, in: folder.path)
  }

  private func isThere(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.file(name))
  }

  // MARK: Training

  @Test func trainingTellsItsLoss() throws {
    expect(
      try tessera("train", "--config", "c.json", "--output", own, "--data", "in"), 0,
      "continuous prior: 4x4 patches of 48 numbers, 2 classes", "loss", "on ")
    let again = try tessera("train", "--resume", "--output", own, "--steps", "8")
    expect(again, 0, "8 steps")
    expect(
      try tessera("train", "--resume", "--output", own, "--steps", "8"), 64, "already at step 8")
    expect(
      try tessera("train", "--resume", "--output", own, "--steps", "9", "--data", "in/cat"), 65,
      "other images")
    let gaussian = try tessera(
      "train", "--config", "c.json", "--output", own + "g", "--set",
      "model.head={\"type\": \"gaussian\"}")
    expect(gaussian, 0, "bits/pixel", "squared error")
  }

  @Test func trainingRefusesWhatItCannotLearn() throws {
    func train(_ options: String...) throws -> CommandRunner.Outcome {
      try CommandRunner.run(
        "tessera", ["train", "--config", "c.json", "--output", own] + options, in: folder.path)
    }
    expect(
      try train("--set", "data.patch=5"), 65, "data.patch", "divides imageSize = 16", "1, 2, 4")
    expect(try train("--data", "nowhere"), 66, "nowhere")
    expect(try train("--data", "in/cat/2.png"), 65, "in/cat/2.png")
    expect(try train("--estimate"), 64, "--estimate", "\"continuous\"")
    expect(try train("--from", "runs/patches"), 64, "--from")
    expect(try train("--set", "model.head.type=flow"), 65, "model.head.type", "diffusion")
    expect(
      try train("--set", "model.width=65536", "--set", "model.layers=900"), 65, "memory",
      "model.width")
    #expect(!isThere(own))
  }

  @Test func aPlanAndATraceAreShown() throws {
    expect(
      try tessera("train", "--config", "c.json", "--output", own, "--print-plan"), 0,
      "adaptive normalization", "normal noise")
    expect(
      try tessera("train", "--config", "c.json", "--output", own, "--trace", "--steps", "2"), 0,
      "2 steps traced", "adaptive normalization gradient")
    expect(
      try tessera("train", "--config", "s.json", "--output", own, "--print-plan"), 0,
      "learned step")
  }

  // MARK: Drawing

  @Test func drawingWritesSheetsAndFolders() throws {
    for solver in ["euler", "heun", "midpoint", "dpm2", "runs/amed", "amed"] {
      let outcome = try tessera(
        "sample", "--checkpoint", "runs/patches", "--count", "5", "--output",
        own + solver.replacingOccurrences(of: "/", with: "-") + ".png", "--solver", solver,
        "--steps", "2")
      expect(
        outcome, 0, "5 images of 4x4 vectors drawn",
        solver == "euler" ? "2 evaluations each" : "4 evaluations each")
    }
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/patches", "--count", "3", "--class", "dog", "--class",
        "cat", "--guidance", "1.5", "--steps", "3", "--guess-first", "--output", own), 0,
      "5 evaluations each")
    for name in ["cat/00002.png", "dog/00001.png", "dog/00003.png"] {
      #expect(isThere(own + "/" + name), "\(name)")
    }
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/gaussian", "--count", "4", "--temperature", "0.5",
        "--output", own + "-g.png"), 0, "4 images of 4x4 vectors drawn")
  }

  /// The same seed gives the same images, whatever the number of images and threads.
  @Test func theSeedDecides() throws {
    func images(_ count: Int, _ threads: Int, seed: Int) throws -> [[UInt8]] {
      let path = "\(own)-\(count)-\(threads)-\(seed)"
      expect(
        try tessera(
          "sample", "--checkpoint", "runs/patches", "--count", "\(count)", "--threads",
          "\(threads)", "--steps", "3", "--seed", "\(seed)", "--output", path), 0)
      return try (1...count).map { number in
        let name = String(repeating: "0", count: 5 - "\(number)".count) + "\(number).png"
        return try ImageDecoder().open(folder.file(path + "/" + name)).decode().pixels
      }
    }
    let all = try images(19, 2, seed: 1)
    #expect(try images(19, 1, seed: 1) == all)
    #expect(try images(3, 3, seed: 1) == Array(all[..<3]))
    #expect(try images(19, 2, seed: 2) != all)
  }

  @Test func aPhotographIsCompleted() throws {
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/patches", "--complete", "in/cat/2.png", "--rows", "2",
        "--count", "2", "--steps", "2", "--output", own), 0)
    let original = try ImageDecoder().open(folder.file("in/cat/2.png")).decode().pixels
    for name in ["00001.png", "00002.png"] {
      let drawn = try ImageDecoder().open(folder.file(own + "/" + name)).decode().pixels
      let top = zip(drawn, original).prefix(8 * 16 * 3)
      #expect(top.allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    }
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/patches", "--complete", "in/cat/2.png", "--rows", "5",
        "--output", own + ".png"), 64, "--rows: expected 0 to 4")
  }

  @Test func drawingRefusesNonsense() throws {
    func sample(_ options: String..., run: String = "runs/patches") throws
      -> CommandRunner.Outcome
    {
      try CommandRunner.run(
        "tessera", ["sample", "--checkpoint", run, "--output", own + ".png"] + options,
        in: folder.path)
    }
    expect(try sample("--top-k", "5"), 64, "--top-k", "continuous")
    expect(try sample("--temperature", "0.5"), 64, "--temperature", "diffusion head")
    expect(try sample("--steps", "0"), 64, "--steps")
    expect(try sample("--steps", "1"), 64, "--steps: expected 2 or more", "two evaluations")
    expect(try sample("--steps", "1", "--solver", "dpm2"), 64, "--solver euler")
    expect(try sample("--solver", "rk45"), 64, "--solver", "found \"rk45\"")
    expect(try sample("--solver", "runs/patches"), 64, "--solver")
    expect(
      try sample("--solver", "runs/amed", "--steps", "4"), 65, "trained for 2 steps, not for 4")
    expect(try sample("--solver", "amed", "--steps", "4"), 66, "have 2 steps, not 4", "--from")
    expect(try sample("--solver", "runs/amed", "--guess-first"), 65, "trained for")
    expect(try sample("--solver", "heun", run: "runs/gaussian"), 64, "gaussian head")
    expect(try sample("--class", "dogg"), 65, "no class \"dogg\"", "Did you mean \"dog\"?")
    expect(try sample(run: "runs/amed"), 65, "expected the run of a prior", "\"solver\"")
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/patches", "--output", own + ".safetensors"), 64,
      "draws no tokens")
    #expect(!isThere(own + ".png"))
  }

  /// A solver is of one checkpoint's weights.
  @Test func aSolverOfOtherWeightsIsRefused() throws {
    expect(
      try tessera("train", "--config", "c.json", "--output", own, "--steps", "2", "--seed", "9"), 0
    )
    expect(
      try tessera(
        "sample", "--checkpoint", own, "--solver", "runs/amed", "--output", own + ".png"), 65,
      "runs/amed was trained for another checkpoint", "--from")
    expect(
      try tessera(
        "sample", "--checkpoint", own, "--solver", "amed", "--output", own + ".png"), 66,
      "expected a solver that was trained for \(own)")
    expect(
      try tessera(
        "train", "--config", "s.json", "--from", "runs/gaussian", "--output", own + "-s"), 65,
      "gaussian head")
    expect(
      try tessera("train", "--config", "s.json", "--data", "in", "--output", own + "-s"), 64,
      "--data", "--from")
    #expect(!isThere(own + "-s/config.json"))
  }

  // MARK: Latents

  /// Latents are drawn and decoded by the autoencoder beside the prior, or the one that is named if it is it.
  @Test func latentsAreDecoded() throws {
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/latents", "--count", "3", "--steps", "2", "--class", "cat",
        "--output", own), 0, "decoding with", "runs/kl", "3 images of 8x8 vectors drawn")
    let image = try ImageDecoder().open(folder.file(own + "/cat/00001.png")).decode()
    #expect(image.width == 16 && image.height == 16)
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/latents", "--count", "4", "--steps", "2", "--tokenizer",
        "runs/kl", "--beside", "in", "--output", own + ".png"), 0)
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/latents", "--complete", "in/cat/2.png", "--rows", "4",
        "--count", "2", "--steps", "2", "--output", own + "-c"), 0)
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/latents", "--tokenizer", "runs/other", "--output",
        own + "-o.png"), 65, "has learned the latents of autoencoder", "runs/other")
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/patches", "--tokenizer", "runs/kl", "--output",
        own + "-o.png"), 64, "--tokenizer", "draws pixels")
    expect(
      try tessera(
        "encode", "--checkpoint", "runs/other", "--output", own + ".safetensors", "in"), 0)
    expect(
      try tessera(
        "train", "--config", "c.json", "--data", "latents.safetensors", "--data",
        own + ".safetensors", "--output", own + "-t"), 65, "two autoencoders")
    expect(
      try tessera(
        "train", "--config", "c.json", "--data", "latents.safetensors", "--set", "data.patch=3",
        "--output", own + "-t"), 65, "data.patch", "8 x 8", "3")
    expect(
      try tessera(
        "train", "--resume", "--output", "runs/latents", "--data", own + ".safetensors", "--steps",
        "9"), 65, "other images")
  }

  // MARK: Comparison

  /// The sampling cost recorded beside drawn images reaches quality.json, and one table lists discrete and
  /// continuous runs.
  @Test func generatorsAreCompared() throws {
    expect(
      try tessera(
        "sample", "--checkpoint", "runs/patches", "--count", "12", "--solver", "runs/amed",
        "--output", own), 0)
    let about = try String(contentsOfFile: folder.file(own + "/sample.json"), encoding: .utf8)
    for words in [
      "\"transformerSteps\": 16", "\"headEvaluations\": 64", "\"solver\": \"amed, 2 steps\"",
    ] {
      #expect(about.contains(words), "\(about)")
    }
    let copy = folder.file(own + "-run")
    try FileManager.default.copyItem(atPath: folder.file("runs/patches"), toPath: copy)
    expect(
      try tessera(
        "quality", "--real", "in", "--features", "runs/kl", "--record", own + "-run", own), 0,
      "Fréchet", "quality.json: written")
    let compared = try tessera(
      "compare", own + "-run", "runs/gaussian", "runs/latents", "runs/amed", "--json",
      own + ".json", "--html", own + ".html", "--explain")
    expect(
      compared, 0, "Generators", "diffusion 4x4 patches of 48 numbers",
      "gaussian 4x4 patches of 48 numbers", "diffusion 8x8 kl latents of 4 numbers", "16 + 64",
      "evaluations/image")
    let page = try String(contentsOfFile: folder.file(own + ".html"), encoding: .utf8)
    #expect(page.contains("Generators") && page.contains("16 + 64"))
    let json = try String(contentsOfFile: folder.file(own + ".json"), encoding: .utf8)
    #expect(json.contains("\"headEvaluations\": 64"))
  }

  @Test func damagedFoldersAreTold() throws {
    let copy = folder.file(own)
    try FileManager.default.copyItem(atPath: folder.file("runs/patches"), toPath: copy)
    try folder.write(Array("{\"classes\": []}".utf8), to: own + "/vectors.json")
    expect(
      try tessera("sample", "--checkpoint", own, "--output", own + ".png"), 65, "vectors.json")
    try FileManager.default.removeItem(atPath: copy + "/vectors.json")
    expect(
      try tessera("sample", "--checkpoint", own, "--output", own + ".png"), 66, "vectors.json")
  }
}
