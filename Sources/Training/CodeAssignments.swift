import Autodiff
import Execution
import Tokenizers

/// The vectors of a batch in the order of its images, each with its code.
///
/// Replays write side by side, each at its own place, so that the order depends neither on lanes nor on
/// threads.
final class CodeAssignments: @unchecked Sendable {
  // Unchecked: no two replays write one place, and nobody reads before all are done.

  /// What the quantizer compares with codes, `[tokens, d]`: see ``Quantized/vectors``.
  let vectors: UnsafeMutableBufferPointer<Float>
  /// The code of each.
  let codes: UnsafeMutableBufferPointer<Int32>
  /// Numbers in a vector.
  let dimension: Int

  /// Room for the tokens of a batch.
  init(tokens: Int, dimension: Int) {
    self.dimension = dimension
    vectors = .allocate(capacity: tokens * dimension)
    vectors.initialize(repeating: 0)
    codes = .allocate(capacity: tokens)
    codes.initialize(repeating: 0)
  }

  deinit {
    vectors.deallocate()
    codes.deallocate()
  }

  /// The vector of a token.
  func vector(_ token: Int) -> Slice<UnsafeMutableBufferPointer<Float>> {
    vectors[token * dimension..<(token + 1) * dimension]
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
    replay.read("indices", intoWords: codes.baseAddress! + replay.item * tokens)
  }
}
