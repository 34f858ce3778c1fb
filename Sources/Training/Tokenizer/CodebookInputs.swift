import Tokenizers

/// The vectors that the codebooks of a quantizer are compared with, one codebook after another: of a
/// product quantizer the channels of each group, of a residual one what the codebooks before have left.
struct CodebookInputs {
  /// What the codebook at hand is compared with, `[tokens, dimension]`.
  private(set) var vectors: [Float]
  /// Channels of one of them.
  let dimension: Int
  /// The codebook at hand, counted from 0.
  private(set) var depth = 0

  private let quantizer: QuantizerConfiguration
  /// All channels of all vectors.
  private let whole: [Float]

  /// Begins with the first codebook.
  ///
  /// - Parameter vectors: `[tokens, d]`: see ``Quantized/vectors``.
  init(_ quantizer: QuantizerConfiguration, vectors whole: [Float]) {
    self.quantizer = quantizer
    self.whole = whole
    if case .groups(let width) = quantizer.chosen.arrangement {
      dimension = width
      vectors = []
      takeGroup()
    } else {
      dimension = quantizer.codeDimension
      vectors = whole
    }
  }

  /// Whether they are what codebooks before have left.
  var areRemainders: Bool {
    isResidual && depth > 0
  }

  /// Whether the next codebook's vectors follow from the codes that the one at hand has for them.
  var nextDependsOnCodes: Bool {
    isResidual && depth + 1 < quantizer.depth
  }

  private var isResidual: Bool { quantizer.chosen.arrangement == .residual }

  /// Of tokens `[tokens, depths]`, the indices into the codebook at hand, `[tokens]`.
  func codes(in indices: some RandomAccessCollection<Int32>) -> [Int32] {
    stride(from: depth, to: indices.count, by: quantizer.depth).map {
      indices[indices.index(indices.startIndex, offsetBy: $0)]
    }
  }

  /// Goes on to the next codebook.
  ///
  /// - Parameters:
  ///   - codes: the codebook at hand `[K, dimension]`.
  ///   - indices: the tokens of the vectors, `[tokens, depths]`.
  ///   Neither counts where ``nextDependsOnCodes`` does not hold.
  mutating func advance(past codes: [Float], indices: some RandomAccessCollection<Int32>) {
    if nextDependsOnCodes {
      subtract(codes, indices)
      depth += 1
    } else {
      depth += 1
      if case .groups = quantizer.chosen.arrangement, depth < quantizer.depth { takeGroup() }
    }
  }

  private mutating func subtract(
    _ codes: [Float], _ indices: some RandomAccessCollection<Int32>
  ) {
    let chosen = self.codes(in: indices)
    precondition(chosen.count * dimension == vectors.count, "tokens of the vectors")
    for (token, index) in chosen.enumerated() {
      let (row, code) = (token * dimension, Int(index) * dimension)
      for channel in 0..<dimension { vectors[row + channel] -= codes[code + channel] }
    }
  }

  private mutating func takeGroup() {
    vectors = stride(from: depth * dimension, to: whole.count, by: quantizer.codeDimension).flatMap
    {
      whole[$0..<$0 + dimension]
    }
  }
}
