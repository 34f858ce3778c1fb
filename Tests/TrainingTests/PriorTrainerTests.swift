import CPUBackend
import Configuration
import Execution
import FileTestSupport
import Files
import Foundation
import Inference
import Priors
import Randomness
import Safetensors
import Testing
import TokenFiles
import Training

/// Priors from token files to checkpoints.
struct PriorTrainerTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  /// Writes tokens in which each id follows from the class and the one before, but for every fifth.
  private func write(
    _ name: String, images: Int, seed: UInt64 = 0, codes: Int = 8, depth: Int = 1, side: Int = 4,
    classes: [String] = ["a", "b"], fingerprint: String = "0123456789abcdef"
  ) throws -> String {
    let identity = TokenizerIdentity(
      fingerprint: fingerprint, quantizer: "vq", levels: nil, codebookSize: codes, depth: depth,
      downsampling: 2)
    let path = scratch.path + "/" + name
    let format = TokenFormat(path: path)!
    let writer = try TokenWriter(
      path: path, format: format, identity: identity, recipe: .generated, classes: classes)
    var random = Generator(seed: seed)
    for image in 0..<images {
      let label = classes.isEmpty ? nil : image % classes.count
      var id = random.integer(below: codes)
      let ids = (0..<side * side * depth).map { index in
        id = index % 5 == 4 ? random.integer(below: codes) : (id + 1 + (label ?? 0) * 2) % codes
        return UInt32(id)
      }
      try writer.append(
        TokenRecord(
          path: "\(image).png", width: 2 * side, height: 2 * side, paddedWidth: 2 * side,
          paddedHeight: 2 * side, gridHeight: side, gridWidth: side, tokens: ids, label: label))
    }
    _ = try writer.finish()
    return path
  }

  private func run(
    _ tokens: [String], steps: Int = 60, _ change: (inout PriorRunConfiguration) -> Void = { _ in }
  ) -> PriorRunConfiguration {
    var run = PriorRunConfiguration(
      data: TokenDataConfiguration(tokens: tokens, validationShare: 0.2),
      model: PriorConfiguration(
        transformer: TransformerConfiguration(width: 32, layers: 2, heads: 2)),
      training: TrainingConfiguration(
        steps: steps, batchSize: 16, lanes: 2,
        optimizer: .adamw(AdamWConfiguration(learningRate: 5e-3))),
      monitor: MonitorConfiguration(evaluateEvery: 20, checkpointEvery: 20, tensorBoard: false))
    change(&run)
    return run
  }

  /// Remembers what a run told.
  private final class Watcher: PriorObserver {
    var scores: [(score: PriorScore, step: Int)] = []
    var losses: [Double] = []
    func trainingWillBegin(_ overview: PriorOverview) {}
    func didEvaluate(_ score: PriorScore, step: Int) { scores.append((score, step)) }
    func didStep(_ report: StepReport) { losses.append(report.loss) }
    func didCompare(_ averages: AveragesReport, step: Int) {}
    func didSave(step: Int, folder: String) {}
  }

  @discardableResult
  private func train(
    _ run: PriorRunConfiguration, _ name: String, resuming: Bool = false, threads: Int = 2,
    stopAfter: Int = .max
  ) throws -> Watcher {
    let watcher = Watcher()
    let trainer = try PriorTrainer(
      run, data: PriorData(run.data, seed: UInt64(run.training.seed)),
      in: RunPlace(
        folder: scratch.path + "/" + name, isResuming: resuming,
        shouldStop: { watcher.losses.count >= stopAfter }),
      backend: CPUBackend(), threads: threads, observer: watcher)
    _ = try trainer.train()
    return watcher
  }

  private func bytes(_ name: String, _ file: String = Checkpoint.modelFile) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/" + name + "/" + file))
  }

  // MARK: Learning

  /// A prior learns what there is to know: every fifth id is anyone's guess, the others follow.
  @Test func aPriorComesNearTheEntropy() throws {
    let tokens = try write("tokens.safetensors", images: 400)
    let watcher = try train(run([tokens], steps: 300), "run")
    let last = try #require(watcher.scores.last)
    #expect(last.step == 300 && last.score.images == 80)
    // 3 of 16 ids are drawn of 8, and the first follows one that nobody sees.
    let entropy = 4.0 * 3 / 16
    #expect(
      last.score.bitsPerToken < entropy + 0.3 && last.score.bitsPerToken > entropy - 0.02,
      "\(last.score.bitsPerToken)")
    #expect(abs(last.score.baselines.budget - 3) < 1e-12)
    #expect(last.score.baselines.marginal > 2.9 && last.score.baselines.bigram < 2.2)
    #expect(abs(last.score.bitsPerImage - 16 * last.score.bitsPerToken) < 1e-9)
    #expect(abs(last.score.bitsPerPixel - last.score.bitsPerImage / 64) < 1e-9)
  }

  /// What the log tells of the last weights is what the weights in the folder say of the same tokens.
  @Test func theSavedPriorScoresAsItWasEvaluated() throws {
    let tokens = try write("tokens.safetensors", images: 100)
    let held = try write("held.npy", images: 21, seed: 9)
    let run = run([tokens], steps: 25) { $0.data.validation = [held] }
    let watcher = try train(run, "run")
    let prior = try OpenedPrior(
      folder: scratch.path + "/run", weights: Checkpoint.modelFile, backend: CPUBackend(),
      threads: 2)
    let file = try TokenFile.open(path: held)
    let images = try (0..<file.count).map {
      try file.record(at: $0).tokens.map { Int32(bitPattern: $0) }
    }
    let nats = prior.score(images, labels: try prior.labels(of: file, path: held)).reduce(0, +)
    let told = try #require(watcher.scores.last).score
    #expect(told.images == 21)
    #expect(abs(nats / Double(21 * 16) - told.natsPerID) < 1e-5)
    #expect(prior.tokens.classes == ["a", "b"])
  }

  @Test func moreThanOneIDATokenIsLearnedBothWays() throws {
    let tokens = try write("tokens.safetensors", images: 300, depth: 3, classes: [])
    for depth in [PriorConfiguration.Depth.flattened, .heads] {
      let watcher = try train(run([tokens], steps: 120) { $0.model.depth = depth }, depth.rawValue)
      let last = try #require(watcher.scores.last).score
      #expect(last.depth == 3 && abs(last.baselines.budget - 9) < 1e-12)
      #expect(last.bitsPerToken < 5, "\(depth): \(last.bitsPerToken)")
    }
  }

  // MARK: Exactness

  /// Stopped and resumed, a run ends in the bits of one that was not, with dropout and averages too; threads
  /// do not matter.
  @Test func resumedRunsAreExact() throws {
    let tokens = try write("tokens.safetensors", images: 100)
    let run = run([tokens], steps: 40) {
      $0.model.transformer.dropout = 0.2
      $0.training.averaging = AveragingConfiguration(uniform: true, ema: true, save: .ema)
    }
    let whole = try train(run, "whole")
    let first = try train(run, "parts", stopAfter: 13)
    let second = try train(run, "parts", resuming: true, threads: 1)
    #expect(first.losses + second.losses == whole.losses)
    #expect(try bytes("whole") == bytes("parts"))
    #expect(whole.losses.count == 40 && Set(whole.losses).count == 40)
  }

  /// A run is resumed with the tokens that it was started with, wherever they lie now.
  @Test func otherTokensAreRefusedOnResume() throws {
    let tokens = try write("tokens.safetensors", images: 60)
    let run = run([tokens], steps: 30)
    try train(run, "run", stopAfter: 5)
    let moved = try write("moved.bin", images: 60)
    var elsewhere = run
    elsewhere.data.tokens = [moved]
    try train(elsewhere, "run", resuming: true, stopAfter: 5)
    elsewhere.data.tokens = [try write("other.safetensors", images: 60, seed: 3)]
    #expect(throws: PriorError.otherTokens(folder: scratch.path + "/run")) {
      try train(elsewhere, "run", resuming: true)
    }
  }

  /// All coats and several files are the same tokens.
  @Test func anyCoatGivesTheSameRun() throws {
    let whole = try write("tokens.safetensors", images: 60)
    let npy = try write("tokens.npy", images: 60)
    let (a, b) = (run([whole], steps: 6), run([npy], steps: 6))
    try train(a, "a")
    try train(b, "b")
    #expect(try bytes("a") == bytes("b"))
    let twice = run([whole, npy], steps: 6)
    let data = try PriorData(twice.data, seed: 0)
    #expect(data.trainingImages + data.validationImages == 120)
  }

  // MARK: Bad input

  private func expectRefusal(_ data: TokenDataConfiguration, _ words: String...) {
    do {
      _ = try PriorData(data, seed: 0)
      Issue.record("expected a refusal with \(words)")
    } catch {
      let text = String(describing: error)
      for word in words { #expect(text.contains(word), "\(text)") }
    }
  }

  @Test func tokensThatDoNotFitAreRefused() throws {
    let tokens = try write("tokens.safetensors", images: 6)
    func data(_ others: String..., validation: [String] = []) -> TokenDataConfiguration {
      TokenDataConfiguration(tokens: [tokens] + others, validation: validation)
    }
    expectRefusal(
      data(try write("foreign.npy", images: 4, fingerprint: "ffffffffffffffff")), "two tokenizers")
    expectRefusal(data(try write("codes.npy", images: 4, codes: 9)), "two tokenizers")
    expectRefusal(data(try write("depth.npy", images: 4, depth: 2)), "two tokenizers")
    expectRefusal(
      data(try write("grid.npy", images: 4, side: 5)), "one grid", "4 x 4", "5 x 5", "--size model")
    expectRefusal(data(try write("classes.npy", images: 4, classes: ["a"])), "classes")
    expectRefusal(
      data(validation: [try write("held.npy", images: 4, side: 5)]), "one grid", "5 x 5")
    expectRefusal(
      TokenDataConfiguration(tokens: [try write("one.npy", images: 1)]), "two images")
    expectRefusal(
      TokenDataConfiguration(tokens: [try write("k.npy", images: 4, codes: 1, classes: [])]),
      "one code")
  }

  @Test func classesWithoutAnImageAreTold() throws {
    let tokens = try write("tokens.safetensors", images: 2, classes: ["a", "b", "c"])
    let data = try PriorData(
      TokenDataConfiguration(
        tokens: [tokens], validation: [try write("h.npy", images: 3, classes: ["a", "b", "c"])]),
      seed: 0)
    #expect(data.emptyClasses == ["c"])
  }

  /// An image of one token is predicted from its class alone.
  @Test func oneTokenAnImageIsEnough() throws {
    let tokens = try write("tokens.safetensors", images: 40, side: 1)
    let watcher = try train(run([tokens], steps: 10), "run")
    #expect(watcher.scores.last?.score.tokens == 1)
  }

  // MARK: Coding

  /// A file of codes becomes the ids again, and only with the prior that wrote it.
  @Test func codedTokensComeBack() throws {
    let tokens = try write("tokens.safetensors", images: 70)
    try train(run([tokens], steps: 40), "run")
    try train(run([tokens], steps: 41), "other")
    func open(_ name: String) throws -> OpenedPrior<CPUBackend> {
      try OpenedPrior(
        folder: scratch.path + "/" + name, weights: Checkpoint.modelFile, backend: CPUBackend(),
        threads: 2)
    }
    let (prior, coded) = (try open("run"), scratch.path + "/coded.safetensors")
    let file = try TokenFile.open(path: tokens)
    let summary = try CodedTokens.write(file, named: tokens, with: prior, to: coded)
    let bits = Double(summary.codeBytes * 8) / Double(summary.tokens)
    let images = try (0..<70).map { try file.record(at: $0).tokens.map { Int32(bitPattern: $0) } }
    let nats = prior.score(images, labels: try prior.labels(of: file, path: tokens)).reduce(0, +)
    #expect(abs(bits - nats / M_LN2 / Double(70 * 16)) < 0.3)
    #expect(CodedTokens.isCoded(coded) && !CodedTokens.isCoded(tokens))

    let back = scratch.path + "/back.safetensors"
    try CodedTokens(path: coded).write(with: prior, to: back)
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: back))
        == Data(contentsOf: URL(fileURLWithPath: tokens)))

    #expect(throws: PriorError.self) {
      try CodedTokens(path: coded).write(with: try open("other"), to: back + "2")
    }
    // A flipped bit of the code gives other ids, which the checksum refuses.
    var damaged = try Data(contentsOf: URL(fileURLWithPath: coded))
    let entry = try SafetensorsFile(path: coded).entry("code")
    let place =
      damaged.count - (try SafetensorsFile(path: coded).entries.map(\.range.upperBound).max()!)
      + entry.range.lowerBound + 5
    damaged[place] ^= 16
    try damaged.write(to: URL(fileURLWithPath: coded))
    do {
      try CodedTokens(path: coded).write(with: prior, to: back + "3")
      Issue.record("damaged code was decoded")
    } catch let error as PriorError {
      #expect(error.description.contains("came out otherwise"))
    }
    #expect(!FileManager.default.fileExists(atPath: back + "3"))
  }
}
