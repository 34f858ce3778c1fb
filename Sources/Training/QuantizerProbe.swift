import Autodiff
import Execution
import Tokenizers

/// Inputs and outputs of the quantizer for every token of a batch, and the gradient at its output.
///
/// Replays write side by side, each at its own place.
final class QuantizerProbe: @unchecked Sendable {
  // Unchecked: no two replays write one place, and nobody reads before all are done.

  /// The vectors that were quantized, `[tokens, d]`: see ``Quantized/vectors``.
  let vectors: UnsafeMutableBufferPointer<Float>
  /// The codes that the decoder saw.
  let codes: UnsafeMutableBufferPointer<Float>
  /// The gradient of the reconstruction loss at the codes.
  let gradients: UnsafeMutableBufferPointer<Float>

  /// Numbers in a vector.
  let dimension: Int
  /// Tokens in the batch.
  var tokens: Int { vectors.count / dimension }

  /// Room for the tokens of a batch.
  init(tokens: Int, dimension: Int) {
    self.dimension = dimension
    let blocks = (0..<3).map { _ in
      UnsafeMutableBufferPointer<Float>.allocate(capacity: tokens * dimension)
    }
    for block in blocks { block.initialize(repeating: 0) }
    (vectors, codes, gradients) = (blocks[0], blocks[1], blocks[2])
  }

  deinit { for block in [vectors, codes, gradients] { block.deallocate() } }

  /// The values that a plan must keep for a probe.
  static func outputs(_ quantized: Quantized, _ codeGradient: Tensor) -> [String: Tensor] {
    ["vectors": quantized.vectors, "codes": quantized.codes, "codeGradient": codeGradient]
  }

  /// Copies what one replay made.
  func take<B: Backend>(_ replay: Session<B>.Replay) {
    for (name, block) in [
      ("vectors", vectors), ("codes", codes), ("codeGradient", gradients),
    ] {
      let words = replay.words(ofOutput: name)
      replay.read(name, intoWords: block.baseAddress! + replay.item * words)
    }
  }
}
