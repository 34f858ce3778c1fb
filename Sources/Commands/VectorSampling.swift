import ArgumentParser
import CPUBackend
import Configuration
import Datasets
import Execution
import Files
import Formatting
import Foundation
import Imaging
import Inference
import Priors
import Solvers
import TokenFiles
import Tokenizers
import Training

extension SampleCommand {
  /// Draws with a continuous prior.
  func drawVectors(_ output: SampleOutput, _ terminal: Terminal) throws {
    for (name, isGiven) in [("--top-k", topK != 0), ("--top-p", topP != 1)] where isGiven {
      throw Failure(
        .usage, "\(name) is of priors over tokens; \(checkpoint) is a continuous one: remove it")
    }
    guard output.needsTokenizer else {
      throw Failure(
        .usage,
        "--output: \(checkpoint) draws no tokens. Give it the name of a PNG or JPEG file, or of a folder."
      )
    }
    let prior = try OpenedContinuousPrior(
      folder: checkpoint, weights: weights.file, backend: Device(), threads: options.threadCount)
    let labels = try labels(prior.vectors.classes, knowsNone: prior.knowsNone)
    let (options, solver) = try samplingOptions(prior, terminal)
    let pixels = try VectorPixels(prior, self, terminal)
    if let beside {
      let images = try firstImages(of: beside, terminal, pixels.prepared)
      output.show([images] + (try pixels.reconstructed(images).map { [$0] } ?? []))
    }
    let given = try complete.map { try start(of: $0, pixels, prior) } ?? []
    try output.open(nil, classes: labels.isEmpty ? [] : prior.vectors.classes, force: force)
    let requests = (0..<count).map { index in
      VectorSampler<Device>.Request(
        number: index, label: labels.isEmpty ? nil : labels[index % labels.count], given: given)
    }
    let sampler = prior.sampler(with: solver)
    terminal.progress("arranging the weights")
    sampler.prepare(images: count, guidance: guidance)
    let progress = ItemProgress(terminal, "drawing", total: count)
    let images = sampler.sample(
      requests, options, progress: progress.reach, shouldStop: { Interruption.isRequested })
    try finish(images.count, terminal) {
      let drawn = requests.prefix(images.count).map { request in
        DrawnImage(
          number: request.number, className: request.label.map { prior.vectors.classes[$0] })
      }
      let seconds = progress.seconds
      try output.write(drawn, nil, self.options) { range in
        try pixels.images(of: range.map { prior.vectors.grid(of: images[$0]) })
      }
      let (grid, hasHead) = (prior.vectors.grid, prior.run.model.head.diffusion != nil)
      let rate = Double(images.count) / seconds
      try output.tell(
        facts(
          steps: grid.vectors, evaluations: hasHead ? grid.vectors * options.evaluations : 0,
          solver: hasHead ? solverWords(options) : nil, rate: rate), self.options)
      return "\(Display.count(images.count, "image")) of \(grid.rows)x\(grid.columns) vectors drawn"
        + (hasHead ? ", \(Display.count(options.evaluations, "evaluation")) each" : "")
        + "; \(Display.decimals(rate, 1)) images/s"
    }
  }

  /// A solver with its steps: "amed, 3 steps, the first guessed".
  private func solverWords(_ options: VectorSamplingOptions) -> String {
    let name =
      switch options.solver {
      case .euler: "euler"
      case .heun: "heun"
      case .midpoint: "midpoint"
      case .dpm2: "dpm2"
      case .amed: "amed"
      }
    return "\(name), \(Display.count(options.levels.count - 1, "step"))"
      + (options.guessesFirst ? ", the first guessed" : "")
  }

  /// How vectors are drawn, and the solver that was trained for it, if one is wanted.
  private func samplingOptions(
    _ prior: OpenedContinuousPrior<Device>, _ terminal: Terminal
  ) throws -> (VectorSamplingOptions, OpenedSolver<Device>?) {
    var options = VectorSamplingOptions(guidance: guidance, temperature: temperature, seed: seed)
    guard prior.run.model.head.diffusion != nil else {
      for (name, isGiven) in [
        ("--solver", solver != nil), ("--steps", steps != nil), ("--guess-first", guessesFirst),
      ] where isGiven {
        throw Failure(.usage, "\(name): " + VectorError.noDiffusion(folder: checkpoint).description)
      }
      return (options, nil)
    }
    guard temperature == 1 else {
      throw Failure(
        .usage,
        "--temperature is of tokens and of gaussian heads; \(checkpoint) has a diffusion head: "
          + "remove it")
    }
    let word = solver ?? "heun"
    let known: [String: Solver] = [
      "euler": .euler, "ddim": .euler, "heun": .heun, "midpoint": .midpoint,
      "dpm2": .dpm2(r: 0.5),
    ]
    if let solver = known[word] {
      let count = steps ?? 18
      guard count > 1 || solver == .euler else {
        throw Failure(
          .usage,
          "--steps: expected 2 or more, as a step of \(word) is two evaluations, found \(count). For one "
            + "evaluation use --solver euler.")
      }
      (options.solver, options.guessesFirst) = (solver, guessesFirst)
      options.levels = NoiseSchedule().levels(steps: count)
      return (options, nil)
    }
    let trained = try trainedSolver(word, prior)
    if solver == "amed" { terminal.say("solving with \(trained.folder)") }
    let own = trained.configuration
    if let steps, steps != own.steps {
      throw VectorError.otherSteps(folder: trained.folder, trained: own.steps, wanted: steps)
    }
    if guessesFirst, !own.guessesFirst {
      throw VectorError.otherSchedule(
        folder: trained.folder, trained: "a first step that is evaluated",
        wanted: "one that is guessed")
    }
    (options.solver, options.guessesFirst) = (.amed, own.guessesFirst)
    options.levels = own.schedule.levels(steps: own.steps)
    return (options, trained)
  }

  /// The solver in a folder; of the word amed, one beside the prior that was trained for it.
  private func trainedSolver(
    _ word: String, _ prior: OpenedContinuousPrior<Device>
  ) throws -> OpenedSolver<Device> {
    guard word == "amed" else {
      guard (try? Checkpoint(folder: word).kind()) == .solver else {
        throw Failure(
          .usage,
          "--solver: expected euler, heun, midpoint, dpm2, amed, or the folder of a trained solver, "
            + "found \"\(word)\"")
      }
      return try OpenedSolver(folder: word, for: prior, backend: Device())
    }
    let parent = URL(fileURLWithPath: checkpoint).deletingLastPathComponent().path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    var others: [Int] = []
    for name in names.sorted() {
      let folder = parent + "/" + name
      guard (try? Checkpoint(folder: folder).kind()) == .solver,
        let opened = try? OpenedSolver(folder: folder, for: prior, backend: Device())
      else { continue }
      if steps == nil || opened.configuration.steps == steps { return opened }
      others.append(opened.configuration.steps)
    }
    if let steps, !others.isEmpty {
      throw Failure(
        .noInput,
        "--solver amed: the solvers of \(checkpoint) in \(parent) have "
          + "\(others.map(String.init).joined(separator: ", ")) steps, not \(steps). Train one: "
          + "\(CommandName.typed("train")) solver --from \(shellQuoted(checkpoint)) "
          + "--set solver.steps=\(steps) --output \(shellQuoted("\(parent)/amed\(steps)"))")
    }
    throw Failure(
      .noInput,
      "--solver amed: expected a solver that was trained for \(checkpoint) in a folder beside it, "
        + "found none. Train one: \(CommandName.typed("train")) solver --from "
        + "\(shellQuoted(checkpoint)) --output \(shellQuoted(parent + "/amed"))")
  }

  /// The vectors of an image's first rows.
  private func start(
    of path: String, _ pixels: VectorPixels, _ prior: OpenedContinuousPrior<Device>
  ) throws -> [Float] {
    let (grid, rows) = (prior.vectors.grid, rows ?? 0)
    guard (0...grid.rows).contains(rows) else {
      throw Failure(.usage, "--rows: expected 0 to \(grid.rows) rows of vectors, found \(rows)")
    }
    let vectors = prior.vectors.vectors(of: try pixels.numbers(of: path))
    return Array(vectors.prefix(rows * grid.columns * grid.numbers))
  }
}

/// The way between images and the numbers of a continuous prior: none for pixels, an autoencoder for latents.
struct VectorPixels {
  private let vectors: PriorVectors
  /// Of latents, the autoencoder that put them out.
  private let autoencoder: OpenedTokenizer?

  /// - Throws: `Failure` where the autoencoder is nowhere, ``VectorError`` where it is another.
  init(
    _ prior: OpenedContinuousPrior<Device>, _ command: SampleCommand, _ terminal: Terminal
  ) throws {
    vectors = prior.vectors
    let threads = command.options.threadCount
    guard let expected = vectors.autoencoder else {
      guard command.tokenizer == nil else {
        throw Failure(
          .usage, "--tokenizer: \(prior.folder) draws pixels, which nothing decodes: remove it")
      }
      autoencoder = nil
      return
    }
    if let named = command.tokenizer {
      let opened = try OpenedTokenizer(checkpoint: named, threads: threads)
      guard opened.decodes(expected) else {
        throw VectorError.foreignPrior(
          folder: prior.folder, found: "\(named) (\(opened.identity.fingerprint))",
          expected: expected.fingerprint)
      }
      autoencoder = opened
      return
    }
    guard
      let found = try OpenedTokenizer.find(expected, beside: prior.folder, threads: threads)
    else {
      throw Failure(
        .noInput,
        "expected the autoencoder whose latents \(prior.folder) has learned (\(expected.quantizer), "
          + "fingerprint \(expected.fingerprint)) in a folder beside it, found none. Name its folder by "
          + "--tokenizer.")
    }
    terminal.say("decoding with \(found.folder), whose latents the prior has learned")
    autoencoder = found
  }

  /// The square of an image that would be encoded.
  func prepared(_ location: ImageLocation) throws -> Image {
    if case .latents(_, let recipe) = vectors.source, let autoencoder {
      return try autoencoder.prepared(location, recipe)
    }
    let background = if case .images(let color) = vectors.source { color } else { "white" }
    let augmentation = Augmentation(
      size: vectors.patches.width, resize: .cover, crop: .centre, flips: false)
    return try Preparation(
      mode: .model, augmentation: augmentation, downsampling: 1, background: background
    ).read(location).image
  }

  /// What the autoencoder makes of images; nil where there is none.
  func reconstructed(_ images: [Image]) throws -> [Image]? {
    try autoencoder?.codec.reconstruct(images).map(\.image)
  }

  /// The numbers of an image file, `[height, width, channels]`.
  func numbers(of path: String) throws -> [Float] {
    let image = try prepared(ImageLocation(file: path))
    guard let autoencoder else { return image.pixels.map(Float.init) }
    let patches = vectors.patches
    guard let grid = try autoencoder.codec.latents(of: [image]).first,
      (grid.height, grid.width) == (patches.height, patches.width)
    else {
      throw Failure(
        .badData,
        "\(path) becomes another grid of latents than the \(patches.height)x\(patches.width) that the "
          + "prior has learned: scale it to the size of the prior's training images")
    }
    return grid.numbers
  }

  /// Images of numbers.
  func images(of grids: [[Float]]) throws -> [Image] {
    let patches = vectors.patches
    if let autoencoder {
      return try autoencoder.codec.decode(
        latents: grids.map {
          LatentGrid(
            height: patches.height, width: patches.width, channels: patches.channels, numbers: $0)
        })
    }
    return grids.map { numbers in
      Image(
        width: patches.width, height: patches.height,
        pixels: numbers.map { UInt8(max(0, min(255, $0.rounded()))) })
    }
  }
}
