import Datasets
import Execution
import Randomness
import Tokenizers

/// Where a run's codebook comes from.
extension Trainer {
  /// The weights of a run that begins.
  func drawFirstValues() throws {
    parameters.initialize(seed: seed)
    if let codes = try makeCodebook(named: "codebook") { codebook?.write(codes) }
  }

  /// Makes a codebook of what the encoder has learned while the decoder saw its outputs unquantized.
  ///
  /// It follows from the weights alone: a run that was stopped here makes the same one.
  func endDeferral(_ keeper: CodebookKeeper<B>?) throws {
    if let codes = try makeCodebook(named: "codebook after deferral") {
      codebook?.replaceAll(codes)
    }
    keeper?.begin()
  }

  /// The codebook of the encoder's outputs for training images, if that is how it begins.
  private func makeCodebook(named name: String) throws -> [Float]? {
    guard let codebook, codebook.configuration.initialization.isOfVectors else { return nil }
    var onSphere = false
    if case .cosine = run.quantizer { onSphere = true }
    let initialization = CodebookInitialization(
      configuration: codebook.configuration, onSphere: onSphere, codec: codec,
      backend: parameters.backend, pool: pool)
    let side = run.data.imageSize / run.model.downsampling
    let wanted = initialization.images(
      tokens: side * side, batchSize: run.training.batchSize)
    let images = try FixedSet(dataset.training, count: min(wanted, dataset.training.count))
    var random = Generator(seed: seed).split(named: name)
    return try initialization.codebook(from: images.images, random: &random)
  }
}
