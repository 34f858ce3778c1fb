import CPUBackend
import Configuration
import Execution
import FileTestSupport
import Foundation
import Imaging
import Inference
import Priors
import Randomness
import Solvers
import Testing
import TokenFiles
import Training

/// Continuous priors from images and latents to checkpoints, and the solvers of their heads.
struct ContinuousTrainerTests {
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  /// Draws images of 8x8 pixels in folders by class: one flat colour each, of a hue that the class says, with
  /// a little noise.
  private func draw(_ name: String, images: Int, seed: UInt64 = 0) throws -> String {
    var random = Generator(seed: seed)
    for number in 0..<images {
      let label = number % 2
      let base = 60 + random.integer(below: 100)
      var image = Image(width: 8, height: 8)
      image.pixels = (0..<8 * 8 * 3).map { index in
        UInt8((index % 3 == label ? base + 60 : base) + random.integer(below: 5))
      }
      let path = "\(name)/\(["red", "green"][label])/\(number).png"
      try scratch.write(ImageEncoder().encode(image, as: .png), to: path)
    }
    return scratch.path + "/" + name
  }

  private func run(
    _ folder: String, steps: Int = 60,
    _ change: (inout ContinuousRunConfiguration) -> Void = { _ in }
  ) -> ContinuousRunConfiguration {
    var run = ContinuousRunConfiguration(
      data: .images(
        ImageVectorConfiguration(train: folder, validationShare: 0.2, imageSize: 8, patch: 4)),
      model: ContinuousConfiguration(
        transformer: TransformerConfiguration(width: 32, layers: 2, heads: 2),
        head: .diffusion(DiffusionHeadConfiguration(width: 48, layers: 2, levels: 4))),
      training: TrainingConfiguration(
        steps: steps, batchSize: 16, lanes: 2,
        optimizer: .adamw(AdamWConfiguration(learningRate: 3e-3))),
      monitor: MonitorConfiguration(evaluateEvery: 20, checkpointEvery: 20, tensorBoard: false))
    change(&run)
    return run
  }

  /// Remembers what a run told.
  private final class Watcher: ContinuousObserver, SolverObserver {
    var scores: [ContinuousScore] = []
    var solverScores: [SolverScore] = []
    var losses: [Double] = []
    func trainingWillBegin(_ overview: ContinuousOverview) {}
    func trainingWillBegin(_ size: RunSize) {}
    func didEvaluate(_ score: ContinuousScore, step: Int) { scores.append(score) }
    func didEvaluate(_ score: SolverScore, step: Int) { solverScores.append(score) }
    func didStep(_ report: StepReport) { losses.append(report.loss) }
    func didCompare(_ averages: AveragesReport, step: Int) {}
    func didSave(step: Int, folder: String) {}
  }

  @discardableResult
  private func train(
    _ run: ContinuousRunConfiguration, _ name: String, resuming: Bool = false, threads: Int = 2,
    stopAfter: Int = .max
  ) throws -> Watcher {
    let watcher = Watcher()
    let trainer = try ContinuousTrainer(
      run, data: VectorData(run.data, seed: UInt64(run.training.seed)),
      in: RunPlace(
        folder: scratch.path + "/" + name, isResuming: resuming,
        shouldStop: { watcher.losses.count >= stopAfter }),
      backend: CPUBackend(), threads: threads, observer: watcher)
    _ = try trainer.train()
    return watcher
  }

  private func open(_ name: String) throws -> OpenedContinuousPrior<CPUBackend> {
    try OpenedContinuousPrior(
      folder: scratch.path + "/" + name, weights: Checkpoint.modelFile, backend: CPUBackend(),
      threads: 2)
  }

  private func bytes(_ name: String, _ file: String = Checkpoint.modelFile) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/" + name + "/" + file))
  }

  // MARK: Learning

  /// What is drawn has the colours of its class, and images of one colour.
  @Test func aPriorDrawsWhatItHasSeen() throws {
    let folder = try draw("in", images: 240)
    let watcher = try train(run(folder, steps: 400), "run")
    let (first, last) = (try #require(watcher.scores.first), try #require(watcher.scores.last))
    #expect(last.loss < first.loss * 0.6 && last.bitsPerPixel == nil, "\(first) \(last)")
    let prior = try open("run")
    #expect(prior.vectors.classes == ["green", "red"] && prior.vectors.autoencoder == nil)
    for label in 0..<2 {
      let images = prior.sampler().sample(
        (0..<24).map { .init(number: $0, label: label) }, VectorSamplingOptions(seed: 1))
      var right = 0
      for vectors in images {
        let numbers = prior.vectors.grid(of: vectors)
        let means = (0..<3).map { c in
          stride(from: c, to: numbers.count, by: 3).reduce(0) { $0 + numbers[$1] } / 64
        }
        // Class "red" is channel 0, "green" channel 1.
        let own = label == 0 ? 1 : 0
        let others = (0..<3).filter { $0 != own }
        if others.allSatisfy({ abs(means[own] - means[$0] - 60) < 25 }) { right += 1 }
      }
      #expect(right >= 20, "\(right) of 24 images of \(prior.vectors.classes[label])")
    }
  }

  /// A gaussian head's bits are those of the density, and its squared error falls below the variance.
  @Test func aGaussianHeadHasBits() throws {
    let folder = try draw("in", images: 120)
    let watcher = try train(
      run(folder, steps: 200) { $0.model.head = .gaussian(GaussianHeadConfiguration()) }, "run")
    let last = try #require(watcher.scores.last)
    let (squared, bits) = (try #require(last.squaredError), try #require(last.bitsPerPixel))
    // The variance of numbers is 1/4; three of four patches are nearly known.
    #expect(squared < 0.12, "\(squared)")
    #expect(bits > 3 && bits < 22, "\(bits)")
  }

  /// The weights in the folder have the loss that the log tells, and the scale comes back.
  @Test func vectorsComeBack() throws {
    let folder = try draw("in", images: 40)
    try train(run(folder, steps: 2), "run")
    let vectors = try open("run").vectors
    let numbers = (0..<8 * 8 * 3).map { Float($0 % 251) }
    let back = vectors.grid(of: vectors.vectors(of: numbers))
    for (a, b) in zip(numbers, back) { #expect(abs(a - b) < 1e-3) }
    #expect(vectors.grid == VectorGrid(rows: 2, columns: 2, numbers: 48, classes: 2))
  }

  // MARK: Exactness

  @Test func resumedRunsAreExact() throws {
    let folder = try draw("in", images: 60)
    let run = run(folder, steps: 30) {
      $0.model.transformer.dropout = 0.2
      $0.training.averaging = AveragingConfiguration(uniform: true, ema: true, save: .ema)
    }
    let whole = try train(run, "whole")
    let first = try train(run, "parts", stopAfter: 13)
    let second = try train(run, "parts", resuming: true, threads: 1)
    #expect(first.losses + second.losses == whole.losses)
    #expect(try bytes("whole") == bytes("parts"))
    #expect(Set(whole.losses).count == 30)
  }

  @Test func otherImagesAreRefusedOnResume() throws {
    let folder = try draw("in", images: 30)
    let run = run(folder, steps: 20)
    try train(run, "run", stopAfter: 5)
    var elsewhere = run
    elsewhere.data = .images(
      ImageVectorConfiguration(
        train: try draw("other", images: 30, seed: 5), validationShare: 0.2, imageSize: 8,
        patch: 4))
    #expect(throws: VectorError.otherImages(folder: scratch.path + "/run")) {
      try train(elsewhere, "run", resuming: true)
    }
  }

  // MARK: Latents

  private func writeLatents(
    _ name: String, images: Int, fingerprint: String = "0123456789abcdef", channels: Int = 3,
    side: Int = 4, standardized: Bool = false
  ) throws -> String {
    let path = scratch.path + "/" + name
    let identity = TokenizerIdentity(
      fingerprint: fingerprint, quantizer: "kl", levels: nil, codebookSize: 0, depth: 1,
      downsampling: 2)
    var random = Generator(seed: 3)
    let writer = try LatentWriter(
      path: path, format: .safetensors, identity: identity, recipe: .generated,
      channels: channels, form: standardized ? .standardized : .plain)
    for number in 0..<images {
      let base = random.normal() * 3 + 10
      try writer.append(
        LatentRecord(
          path: "\(number).png", width: 2 * side, height: 2 * side, rows: side, columns: side,
          latents: (0..<side * side * channels).map { Float($0 % channels) * base }))
    }
    _ = try writer.finish()
    return path
  }

  private func latents(_ paths: [String], patch: Int = 1) -> VectorDataConfiguration {
    .latents(LatentVectorConfiguration(latents: paths, patch: patch))
  }

  /// Standardized or not, and in patches or not, latents are the same vectors.
  @Test func latentsAreVectors() throws {
    let plain = try writeLatents("a.safetensors", images: 30)
    let standard = try writeLatents("b.safetensors", images: 30, standardized: true)
    let (a, b) = (
      try VectorData(latents([plain]), seed: 0), try VectorData(latents([standard]), seed: 0)
    )
    #expect(a.grid == VectorGrid(rows: 4, columns: 4, numbers: 3, classes: 0))
    for (x, y) in zip(a.scale.mean + a.scale.deviation, b.scale.mean + b.scale.deviation) {
      #expect(abs(x - y) < 1e-3 * (1 + abs(x)))
    }
    #expect(try VectorData(latents([plain], patch: 2), seed: 0).grid.numbers == 12)
    let run = run("", steps: 5) { $0.data = latents([plain]) }
    try train(run, "run")
    #expect(try open("run").vectors.autoencoder?.fingerprint == "0123456789abcdef")
  }

  @Test func latentsThatDoNotFitAreRefused() throws {
    let plain = try writeLatents("a.safetensors", images: 6)
    func expectRefusal(_ data: VectorDataConfiguration, _ words: String...) {
      do {
        _ = try VectorData(data, seed: 0)
        Issue.record("expected a refusal with \(words)")
      } catch {
        let text = String(describing: error)
        for word in words { #expect(text.contains(word), "\(text)") }
      }
    }
    expectRefusal(
      latents([plain, try writeLatents("f.safetensors", images: 6, fingerprint: "ffff")]),
      "two autoencoders")
    expectRefusal(
      latents([plain, try writeLatents("g.safetensors", images: 6, side: 2)]), "sizes")
    expectRefusal(latents([plain], patch: 3), "data.patch", "4 x 4", "3")
    expectRefusal(latents([try writeLatents("one.safetensors", images: 1)]), "two images")
  }

  // MARK: Solvers

  @discardableResult
  private func trainSolver(
    _ run: SolverRunConfiguration, _ name: String, resuming: Bool = false, stopAfter: Int = .max
  ) throws -> Watcher {
    let watcher = Watcher()
    let prior = try OpenedContinuousPrior(
      folder: run.checkpoint, weights: Checkpoint.modelFile, backend: CPUBackend(), threads: 2)
    let trainer = try SolverTrainer(
      run, prior: prior, data: VectorData(prior.run.data, seed: UInt64(prior.run.training.seed)),
      in: RunPlace(
        folder: scratch.path + "/" + name, isResuming: resuming,
        shouldStop: { watcher.losses.count >= stopAfter }),
      backend: CPUBackend(), threads: 2, observer: watcher)
    _ = try trainer.train()
    return watcher
  }

  private func solverRun(
    _ prior: String, steps: Int = 80, _ solver: SolverConfiguration
  ) -> SolverRunConfiguration {
    SolverRunConfiguration(
      checkpoint: scratch.path + "/" + prior, solver: solver,
      training: TrainingConfiguration(
        steps: steps, batchSize: 8, lanes: 2,
        optimizer: .adam(AdamConfiguration(learningRate: 0.02))
      ),
      monitor: MonitorConfiguration(
        evaluateEvery: 40, evaluationImages: 16, checkpointEvery: 40, tensorBoard: false))
  }

  /// A solver that learned its steps comes nearer to a fine solution than one of as many evaluations that did
  /// not; table and network, from the teacher's states and its own, with a guessed first direction too.
  @Test(arguments: [
    SolverConfiguration(steps: 3, predictor: .network),
    SolverConfiguration(steps: 3, predictor: .table, start: .student),
    SolverConfiguration(steps: 4, guessesFirst: true, predictor: .table, teacherPoints: 1),
  ]) func learnedStepsAreBetter(solver: SolverConfiguration) throws {
    let folder = try draw("in", images: 120)
    try train(run(folder, steps: 150), "prior")
    let watcher = try trainSolver(solverRun("prior", solver), "amed")
    #expect(watcher.losses.last! < watcher.losses.first! * 0.7, "\(watcher.losses)")
    let prior = try open("prior")
    let trained = try OpenedSolver(
      folder: scratch.path + "/amed", for: prior, backend: CPUBackend())
    // The first vector of each image alone: later ones have other conditions.
    func sample(_ solver: Solver, steps: Int, guesses: Bool = false) -> [Float] {
      let options = VectorSamplingOptions(
        solver: solver, levels: NoiseSchedule().levels(steps: steps), guessesFirst: guesses, seed: 5
      )
      let sampler = prior.sampler(with: solver == .amed ? trained : nil)
      return sampler.sample((0..<40).map { .init(number: $0, label: $0 % 2) }, options)
        .flatMap { $0.prefix(48) }
    }
    let fine = sample(.heun, steps: 60)
    func error(_ found: [Float]) -> Double {
      zip(found, fine).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
        / Double(fine.count)
    }
    let learned = error(sample(.amed, steps: solver.steps, guesses: solver.guessesFirst))
    let others = [Solver.dpm2(r: 0.5), .heun].map {
      error(sample($0, steps: solver.steps, guesses: solver.guessesFirst))
    }
    #expect(others.allSatisfy { learned < $0 * 0.6 }, "\(learned), \(others)")
  }

  /// A circle lies in a plane and not on a line; a helix in neither.
  @Test func planarityIsThatOfTheStates() throws {
    let angles = (0..<12).map { Double($0) / 12 * 2 * .pi }
    let circle = angles.map { [3 + cos($0), sin($0), 7, 0] }
    let line = angles.map { [$0, 2 * $0, -$0, 1] }
    let helix = angles.map { [cos($0), sin($0), $0 / 3, 0] }
    let found = [circle, line, helix].map { Planarity(of: [$0]) }
    #expect(abs(found[0].line - 0.5) < 1e-9 && abs(found[0].plane - 1) < 1e-9)
    #expect(abs(found[1].line - 1) < 1e-9 && abs(found[1].plane - 1) < 1e-9)
    #expect(found[2].plane < 0.98 && found[2].plane > found[2].line)
    let both = Planarity(of: [circle, line])
    #expect(abs(both.line - 0.75) < 1e-9 && abs(both.plane - 1) < 1e-9)
    let folder = try draw("in", images: 24)
    try train(run(folder, steps: 3), "run")
    let own = try open("run").planarity
    #expect(own.line > 0.5 && own.plane > 0.9 && own.plane <= 1 + 1e-9, "\(own)")
  }

  /// Only the predictor moves, a resumed run is exact, and another checkpoint is refused.
  @Test func solversBelongToTheirPrior() throws {
    let folder = try draw("in", images: 40)
    try train(run(folder, steps: 20), "prior")
    try train(run(folder, steps: 21), "other")
    let run = solverRun("prior", steps: 12, SolverConfiguration(steps: 2, teacherPoints: 1))
    let whole = try trainSolver(run, "whole")
    let first = try trainSolver(run, "parts", stopAfter: 5)
    let second = try trainSolver(run, "parts", resuming: true)
    #expect(first.losses + second.losses == whole.losses)
    #expect(try bytes("whole") == bytes("parts"))

    let (prior, other) = (try open("prior"), try open("other"))
    let solver = scratch.path + "/whole"
    _ = try OpenedSolver(folder: solver, for: prior, backend: CPUBackend())
    #expect(
      throws: VectorError.otherCheckpoint(folder: solver, checkpoint: scratch.path + "/other")
    ) { try OpenedSolver(folder: solver, for: other, backend: CPUBackend()) }
    #expect(prior.fingerprint != other.fingerprint)

    try train(
      self.run(folder, steps: 2) { $0.model.head = .gaussian(GaussianHeadConfiguration()) },
      "gaussian")
    #expect(throws: VectorError.noDiffusion(folder: scratch.path + "/gaussian")) {
      try trainSolver(solverRun("gaussian", SolverConfiguration()), "x")
    }
  }
}
