import Datasets
import Execution
import Randomness
import Tokenizers

/// Where a run's codebooks come from.
extension Trainer {
  /// The codebooks of a run whose weights were drawn.
  ///
  /// They follow from the weights alone: a run that was stopped here makes the same ones.
  func makeFirstCodebooks() throws {
    try makeCodebooks(named: "codebook") { codebooks[$0].write($1) }
  }

  /// Makes codebooks of what the encoder has learned while the decoder saw its outputs unquantized;
  /// likewise.
  func endDeferral(_ keeper: CodebookKeeper<B>?) throws {
    try makeCodebooks(named: "codebook after deferral") { codebooks[$0].replaceAll($1) }
    keeper?.begin()
  }

  /// Makes codebooks of the encoder's outputs for training images, if that is how they begin.
  ///
  /// - Throws: `CancellationError` where someone asks to stop; some codebooks may be made then.
  private func makeCodebooks(
    named name: String, write: (_ depth: Int, _ codes: [Float]) -> Void
  ) throws {
    guard let start = run.quantizer.initialization, start.isOfVectors else { return }
    let initialization = CodebookInitialization(
      quantizer: run.quantizer, initialization: start, codec: codec,
      backend: parameters.backend, pool: pool, shouldStop: shouldStop)
    let side = run.data.imageSize / run.model.downsampling
    let wanted = initialization.images(tokens: side * side, batchSize: run.training.batchSize)
    let images = try FixedSet(
      dataset.training, count: min(wanted, dataset.training.count), shouldStop: shouldStop)
    var random = Generator(seed: seed).split(named: name)
    try initialization.makeCodebooks(from: images.images, random: &random, write: write)
  }
}
