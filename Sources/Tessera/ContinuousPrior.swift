import CPUBackend
import Execution
import Imaging
import Inference
import Priors
import Solvers
import Synchronization
import Training

/// A trained prior without tokens: it draws images vector by vector, patches of pixels or latents.
///
/// ```swift
/// let prior = try ContinuousPrior(checkpoint: "checkpoints/continuous")
/// for image in try prior.sample(16, ofClass: "cat", by: .learned("checkpoints/amed"), seed: 1) {
///   try image.write(to: "cat.png")
/// }
/// ```
///
/// A prior may be used from several tasks; they take turns.
public final class ContinuousPrior: Sendable {
  /// How the equation of a diffusion head is solved, in how many steps; a gaussian head ignores it.
  public enum SolverChoice: Sendable, Hashable {
    /// Straight on, one evaluation a step: DDIM.
    case euler(steps: Int)
    /// The mean of both ends, two evaluations a step.
    case heun(steps: Int)
    /// The middle, two evaluations a step.
    case midpoint(steps: Int)
    /// DPM-Solver-2, two evaluations a step.
    case dpm2(steps: Int)
    /// Steps that were learned: the folder of a trained solver.
    case learned(String)
  }

  /// The run's folder.
  public let checkpoint: String
  /// The fingerprint of the autoencoder whose latents it draws; nil where it draws pixels.
  public let autoencoderFingerprint: String?
  /// The names of the classes; none where it was trained without.
  public let classes: [String]
  /// Height, width and channels of what it draws.
  public let height, width, channels: Int

  private let opened: Mutex<OpenedContinuousPrior<Device>>
  private let vectors: PriorVectors
  private let knowsNone: Bool

  /// Opens a checkpoint.
  ///
  /// - Parameters:
  ///   - folder: what `train` wrote for a configuration of kind "continuous".
  ///   - threads: threads that compute; as many as there are cores where nothing is said.
  /// - Throws: ``TesseraError``: `notFound` where there is no checkpoint, `badFile` where it is damaged or
  ///   of another kind, `memory`, `argument`.
  /// - Complexity: linear in the weights.
  public init(checkpoint folder: String, threads: Int? = nil) throws(TesseraError) {
    guard !folder.isEmpty else {
      throw TesseraError(.argument, "checkpoint: expected a folder, found an empty name")
    }
    let threads = try checkedThreads(threads)
    let prior = try translatingErrors {
      try OpenedContinuousPrior(
        folder: folder, weights: Checkpoint.modelFile, backend: Device(), threads: threads)
    }
    checkpoint = folder
    (vectors, classes) = (prior.vectors, prior.vectors.classes)
    autoencoderFingerprint = prior.vectors.autoencoder?.fingerprint
    let patches = prior.vectors.patches
    (height, width, channels) = (patches.height, patches.width, patches.channels)
    knowsNone = prior.knowsNone
    // Handed over: nobody else has it.
    nonisolated(unsafe) let only = prior
    opened = Mutex(only)
  }

  /// Draws images of a prior over pixels.
  ///
  /// - Parameters:
  ///   - count: how many images.
  ///   - name: their class; none where nothing is said.
  ///   - solver: how a diffusion head's equation is solved.
  ///   - guidance: how far vectors are pushed towards the class; 1 is no push.
  ///   - temperature: what the noise of a gaussian head is multiplied by.
  ///   - seed: the start of all random numbers. An image is a function of the seed, its place and its class.
  /// - Throws: ``TesseraError`` `argument` for values that make no sense, a class that is not known, or a
  ///   prior over latents; what ``latents(_:ofClass:by:guidance:temperature:seed:)`` throws.
  public func sample(
    _ count: Int = 1, ofClass name: String? = nil, by solver: SolverChoice = .heun(steps: 18),
    guidance: Double = 1, temperature: Double = 1, seed: UInt64 = 0
  ) throws(TesseraError) -> [Image] {
    guard autoencoderFingerprint == nil else {
      throw TesseraError(
        .argument,
        "\(checkpoint) draws latents, not pixels: call latents(), and decode them with the autoencoder"
      )
    }
    let grids = try latents(
      count, ofClass: name, by: solver, guidance: guidance, temperature: temperature, seed: seed)
    return grids.map { numbers in
      Image(
        width: width, height: height,
        pixels: numbers.map { UInt8(max(0, min(255, $0.rounded()))) })
    }
  }

  /// Draws grids `[height, width, channels]` of numbers.
  ///
  /// They are latents as the autoencoder put them out, or pixels from 0 to 255 before they are rounded.
  /// Parameters are those of ``sample(_:ofClass:by:guidance:temperature:seed:)``.
  ///
  /// - Throws: ``TesseraError``: `argument` likewise; `badFile` or `notFound` for a solver that is missing or
  ///   was trained for another checkpoint.
  /// - Complexity: linear in images, evaluations and weights; quadratic in the vectors of an image.
  public func latents(
    _ count: Int = 1, ofClass name: String? = nil, by solver: SolverChoice = .heun(steps: 18),
    guidance: Double = 1, temperature: Double = 1, seed: UInt64 = 0
  ) throws(TesseraError) -> [[Float]] {
    guard count >= 0, guidance.isFinite, temperature >= 0, temperature.isFinite else {
      throw TesseraError(
        .argument,
        "expected a count of at least 0, a guidance that is a number and a temperature of at least 0; "
          + "found \(count), \(guidance), \(temperature)")
    }
    guard guidance == 1 || name != nil && knowsNone else {
      throw TesseraError(
        .argument,
        "guidance: expected 1, as "
          + (knowsNone
            ? "there is no class to push towards" : "no image was trained without its class")
          + "; found \(guidance)")
    }
    let label = try number(ofClass: name)
    var options = VectorSamplingOptions(
      guidance: guidance, temperature: temperature, seed: seed)
    func use(_ rule: Solver, _ steps: Int, least: Int) throws(TesseraError) {
      guard steps >= least else {
        throw TesseraError(.argument, "steps: expected at least \(least), found \(steps)")
      }
      (options.solver, options.levels) = (rule, NoiseSchedule().levels(steps: steps))
    }
    var folder: String?
    switch solver {
    case .euler(let steps): try use(.euler, steps, least: 1)
    case .heun(let steps): try use(.heun, steps, least: 2)
    case .midpoint(let steps): try use(.midpoint, steps, least: 2)
    case .dpm2(let steps): try use(.dpm2(r: 0.5), steps, least: 2)
    case .learned(let trained): folder = trained
    }
    let (given, learned) = (options, folder)
    return try translatingErrors {
      try opened.withLock { prior in
        var options = given
        let trained = try learned.map {
          try OpenedSolver(folder: $0, for: prior, backend: Device())
        }
        if let own = trained?.configuration {
          (options.solver, options.guessesFirst) = (.amed, own.guessesFirst)
          options.levels = own.schedule.levels(steps: own.steps)
        }
        return prior.sampler(with: trained).sample(
          (0..<count).map { .init(number: $0, label: label) }, options
        ).map { vectors.grid(of: $0) }
      }
    }
  }

  private func number(ofClass name: String?) throws(TesseraError) -> Int? {
    guard let name else {
      guard knowsNone else {
        throw TesseraError(
          .argument, "expected a class, as no image was trained without one; found none")
      }
      return nil
    }
    guard let index = classes.firstIndex(of: name) else {
      throw TesseraError(
        .argument, PriorError.noSuchClass(name: name, classes: classes).description)
    }
    return index
  }
}
