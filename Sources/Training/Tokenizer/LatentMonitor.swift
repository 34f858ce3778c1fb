import Configuration
import Datasets
import Diagnostics
import Execution
import Files
import Randomness
import Tokenizers

/// Watches latents that are not quantized: at diagnosed steps, what each channel carries, and whether the
/// posterior has collapsed.
final class LatentMonitor<B: Backend>: TrainingCallback {
  private let run: RunConfiguration
  private let probe: QuantizerProbe?
  private let diagnosis: QuantizerDiagnosis
  /// What the channels carried at the last diagnosis.
  private var use: LatentUse?

  /// Watches a run.
  init(_ run: RunConfiguration) {
    self.run = run
    let side = run.data.imageSize / run.model.downsampling
    probe =
      run.monitor.quantizer
      ? QuantizerProbe(
        tokens: run.training.batchSize * side * side, dimension: run.quantizer.codeDimension,
        hasDivergences: run.quantizer.chosen.outputsPerChannel > 1) : nil
    diagnosis = QuantizerDiagnosis(configuration: run.quantizer)
  }

  func readers(ofStep step: Int) -> [any ReplayReader] {
    guard let probe, step.isMultiple(of: run.monitor.diagnoseEvery) || step == run.training.steps
    else { return [] }
    return [probe]
  }

  var warning: String? { use?.warning(remedy: run.quantizer.chosen.presentation.remedy) }

  /// The ranks of vectors and gradients, and what the channels carry: `kind` is "quantizer".
  func diagnose(step: Int) -> [JSONObject] {
    guard let probe else { return [] }
    var line = diagnosis.quantizer(probe, step: step)
    var sums = LatentSums(channels: probe.dimension)
    sums.add(Array(probe.vectors), divergences: Array(probe.divergences))
    let use = sums.use(images: run.training.batchSize)
    self.use = use
    use.add(to: &line)
    return [line]
  }

  /// What the warning rests on, so that a run that goes on warns as it would have.
  var numbers: [String: [Double]] {
    guard let use else { return [:] }
    return [
      "latents.kl": use.klByChannel ?? [], "latents.deviations": use.deviations,
      "latents.vectors": [use.vectorsPerImage],
    ]
  }

  func restore(_ numbers: [String: [Double]]) -> String? {
    guard let deviations = numbers["latents.deviations"],
      let vectors = numbers["latents.vectors"]?.first, let kl = numbers["latents.kl"],
      deviations.count == run.quantizer.codeDimension, kl.isEmpty || kl.count == deviations.count
    else { return nil }
    use = LatentUse(
      klByChannel: kl.isEmpty ? nil : kl, deviations: deviations, vectorsPerImage: vectors)
    return nil
  }
}

extension LatentUse {
  /// Adds to a line of the log: `kl` in nats an image, `klByChannel` in nats a latent vector,
  /// `deviationByChannel`, and how many `channels` there are and `deadChannels`.
  func add(to line: inout JSONObject) {
    if let kl, let klByChannel {
      line.add("kl", kl)
      line["klByChannel"] = .digits(klByChannel)
    }
    line["deviationByChannel"] = .digits(deviations)
    line["channels"] = .integer(channels)
    line["deadChannels"] = .integer(deadChannels.count)
  }
}

/// Batches of images with a key of each, by which its latents are drawn: a function of the seed, the step
/// and the image's place in the batch.
final class KeyedBatches: BatchSource {
  private let loader: BatchLoader
  private let random: Generator
  private let keys: UnsafeMutableBufferPointer<Int32>
  private let whenReady: () throws -> Void

  /// Adds keys to the batches of a loader.
  ///
  /// - Parameters:
  ///   - items: the most images in a batch; 0 where no keys are needed.
  ///   - whenReady: called with each batch, before it is handed over.
  init(
    _ loader: BatchLoader, items: Int, seed: UInt64, whenReady: @escaping () throws -> Void = {}
  ) {
    self.loader = loader
    self.whenReady = whenReady
    random = Generator(seed: seed).split(named: "latents")
    keys = .allocate(capacity: items)
    keys.initialize(repeating: 0)
  }

  deinit { keys.deallocate() }

  func withBatch<Result>(step: Int, _ body: (Batch) throws -> Result) throws -> Result {
    try loader.withBatch(step: step) { (batch: Batch) in
      try whenReady()
      guard let start = keys.baseAddress, !keys.isEmpty else { return try body(batch) }
      let chance = random.split(UInt64(step))
      for item in keys.indices {
        var own = chance.split(UInt64(item))
        keys[item] = Int32(truncatingIfNeeded: own.next())
      }
      return try body(Batch(batch.inputs + [("keys", UnsafeRawPointer(start))]))
    }
  }

  func stop() { loader.stop() }
}
