import Autodiff
import Execution
import Tokenizers

/// The vectors of a batch in the order of its images, each with its token.
///
/// Replays write side by side, each at its own place, so that the order depends neither on lanes nor on
/// threads.
final class CodeAssignments: @unchecked Sendable {
  // Unchecked: no two replays write one place, and nobody reads before all are done.

  /// What the quantizer compares with codes, `[tokens, d]`: see ``Quantized/vectors``.
  let vectors: UnsafeMutableBufferPointer<Float>
  /// The token of each, an index for each codebook, `[tokens, depths]`.
  let indices: UnsafeMutableBufferPointer<Int32>

  /// Room for the tokens of a batch.
  ///
  /// - Parameters:
  ///   - dimension: numbers in a vector.
  ///   - depths: indices to a token.
  init(tokens: Int, dimension: Int, depths: Int) {
    vectors = .allocate(capacity: tokens * dimension)
    vectors.initialize(repeating: 0)
    indices = .allocate(capacity: tokens * depths)
    indices.initialize(repeating: 0)
  }

  deinit {
    vectors.deallocate()
    indices.deallocate()
  }

  /// The values that a plan must keep.
  static func outputs(_ quantized: Quantized) -> [String: Tensor] {
    ["vectors": quantized.vectors, "indices": quantized.indices]
  }

  /// Copies what one replay made.
  func take<B: Backend>(_ replay: Session<B>.Replay) {
    let (words, tokens) = (
      replay.words(ofOutput: "vectors"), replay.words(ofOutput: "indices")
    )
    replay.read("vectors", intoWords: vectors.baseAddress! + replay.item * words)
    replay.read("indices", intoWords: indices.baseAddress! + replay.item * tokens)
  }
}
