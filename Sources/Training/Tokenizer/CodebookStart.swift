import Datasets
import Execution
import Inference
import Randomness
import Tokenizers

/// Where a run's codebooks come from: before the first step, and again where quantization was deferred.
///
/// As a callback it ends deferral: the codebooks are then made of what the encoder has learned while the
/// decoder saw its outputs unquantized.
final class CodebookStart<B: Backend>: TrainingCallback {
  private let run: RunConfiguration
  private let codebooks: [CodebookMemory<B>]
  private let codec: Codec<B>
  private let images: ImageSet
  private let backend: B
  private let pool: LanePool
  private let shouldStop: () -> Bool
  /// Called where deferral ends.
  var deferralEnded: () -> Void = {}

  /// Codebooks of a run that are made from its training images.
  init(
    _ run: RunConfiguration, _ codebooks: [CodebookMemory<B>], codec: Codec<B>, images: ImageSet,
    on backend: B, pool: LanePool, shouldStop: @escaping () -> Bool
  ) {
    self.run = run
    self.codebooks = codebooks
    self.codec = codec
    self.images = images
    self.backend = backend
    self.pool = pool
    self.shouldStop = shouldStop
  }

  /// Makes the codebooks of a run whose weights were drawn.
  ///
  /// They follow from the weights alone: a run that was stopped here makes the same ones.
  func makeFirst() throws {
    try make(named: "codebook") { codebooks[$0].write($1) }
  }

  /// The first step that is quantized after others that were not.
  func prepares(step: Int) -> Bool { step > 1 && step == run.training.deferQuantization + 1 }

  func prepare(step: Int) throws {
    try make(named: "codebook after deferral") { codebooks[$0].replaceAll($1) }
    deferralEnded()
  }

  func changesWeights(after step: Int) -> Bool { prepares(step: step + 1) }

  /// Makes codebooks of the encoder's outputs for training images, if that is how they begin.
  ///
  /// - Throws: `CancellationError` where someone asks to stop; some codebooks may be made then.
  private func make(
    named name: String, write: (_ depth: Int, _ codes: [Float]) -> Void
  ) throws {
    guard let start = run.quantizer.initialization, start.isOfVectors else { return }
    let initialization = CodebookInitialization(
      quantizer: run.quantizer, initialization: start, codec: codec, backend: backend, pool: pool,
      shouldStop: shouldStop)
    let side = run.data.imageSize / run.model.downsampling
    let wanted = initialization.images(tokens: side * side, batchSize: run.training.batchSize)
    let fixed = try FixedSet(images, count: min(wanted, images.count), shouldStop: shouldStop)
    var random = Generator(seed: run.seed).split(named: name)
    try initialization.makeCodebooks(from: fixed.images, random: &random, write: write)
  }
}
