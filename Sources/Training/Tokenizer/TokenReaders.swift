import Autodiff
import Evaluation
import Execution
import Tokenizers

// What is read of the tokens of a batch, in the order of its images. Replays write side by side, each at
// its own place, so that the order depends neither on lanes nor on threads, and nobody reads before all
// are done.

/// The ids of a batch, to be counted.
final class TokenReader: ReplayReader, @unchecked Sendable {
  private let codes: Int
  private let depth: Int
  /// `[tokens, depth]`.
  private let ids: UnsafeMutableBufferPointer<Int32>

  /// Room for the tokens of a batch.
  init(tokens: Int, codes: Int, depth: Int) {
    (self.codes, self.depth) = (codes, depth)
    ids = .allocate(capacity: tokens * depth)
    ids.initialize(repeating: 0)
  }

  deinit { ids.deallocate() }

  /// The values that a plan must keep.
  static func outputs(_ quantized: Quantized) -> [String: Tensor] {
    ["indices": quantized.indices]
  }

  func take<B: Backend>(_ replay: Session<B>.Replay) {
    replay.read(
      "indices",
      intoWords: ids.baseAddress! + replay.item * replay.words(ofOutput: "indices"))
  }

  /// How often codes are used at each depth.
  var usage: DepthUsage {
    var usage = DepthUsage(codes: codes, depth: depth)
    // A vector that is not finite has no nearest code; the loss says so too, and ends the step.
    if ids.allSatisfy({ $0 >= 0 && Int($0) < codes }) { usage.add(Array(ids)) }
    return usage
  }
}

/// The vectors of a batch, each with its token: the input of EMA updates and dead-code revival.
final class CodeAssignments: ReplayReader, @unchecked Sendable {
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

  func take<B: Backend>(_ replay: Session<B>.Replay) {
    let (words, tokens) = (
      replay.words(ofOutput: "vectors"), replay.words(ofOutput: "indices")
    )
    replay.read("vectors", intoWords: vectors.baseAddress! + replay.item * words)
    replay.read("indices", intoWords: indices.baseAddress! + replay.item * tokens)
  }
}

/// What the quantizer got and gave for every token of a batch, and the gradient at its output.
final class QuantizerProbe: ReplayReader, @unchecked Sendable {
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

  /// The output that holds the gradient at the codes.
  static let gradient = "codeGradient"

  /// The values that a plan must keep beside that.
  static func outputs(_ quantized: Quantized) -> [String: Tensor] {
    ["vectors": quantized.vectors, "codes": quantized.codes]
  }

  func take<B: Backend>(_ replay: Session<B>.Replay) {
    for (name, block) in [
      ("vectors", vectors), ("codes", codes), (Self.gradient, gradients),
    ] {
      let words = replay.words(ofOutput: name)
      replay.read(name, intoWords: block.baseAddress! + replay.item * words)
    }
  }
}
