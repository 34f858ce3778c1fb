import Execution
import Imaging
import Inference
import Tokenizers

/// Codebooks from one pass over images: each code becomes the mean of the vectors nearest to it.
///
/// Averaging the encoder and the codebooks apart can break the assignment of one to the other; a pass
/// of k-means over the averaged encoder's vectors mends it. Codes that no vector chose stay. Each
/// codebook of a residual quantizer is estimated from what those before, re-estimated, leave.
struct CodebookReestimation<B: Backend>: AveragesRefit {
  let name = "codebook"
  let quantizer: QuantizerConfiguration
  let codebooks: [CodebookMemory<B>]
  let codec: Codec<B>
  /// Those whose vectors count.
  let images: [Image]

  /// Does something with codebooks that the weights in memory give rise to, in place of those in
  /// memory, which come back afterwards.
  ///
  /// - Parameter shouldStop: asked now and then; where it says so, the work ends by `CancellationError`.
  func withFitted<R>(_ shouldStop: () -> Bool, _ body: () throws -> R) throws -> R {
    let own = codebooks.map { $0.read() }
    defer { for (codebook, codes) in zip(codebooks, own) { codebook.write(codes) } }
    let (vectors, first) = try codec.vectors(of: images, shouldStop: shouldStop)
    var (inputs, indices) = (CodebookInputs(quantizer, vectors: vectors), first)
    for (depth, codebook) in codebooks.enumerated() {
      let codes = means(
        of: inputs.vectors, codes: inputs.codes(in: indices), from: own[depth])
      codebook.write(codes)
      if inputs.nextDependsOnCodes {
        indices = try codec.vectors(of: images, shouldStop: shouldStop).indices
      }
      inputs.advance(past: codes, indices: indices)
    }
    return try body()
  }

  /// The codebook `[K, d]` whose codes are the means of their vectors, `[tokens, d]`.
  private func means(of vectors: [Float], codes: [Int32], from codebook: [Float]) -> [Float] {
    let dimension = vectors.count / codes.count
    var sums = [Double](repeating: 0, count: codebook.count)
    var counts = [Int](repeating: 0, count: codebook.count / dimension)
    for (token, code) in codes.enumerated() {
      counts[Int(code)] += 1
      for channel in 0..<dimension {
        sums[Int(code) * dimension + channel] += Double(vectors[token * dimension + channel])
      }
    }
    return codebook.indices.map { place in
      let count = counts[place / dimension]
      return count > 0 ? Float(sums[place] / Double(count)) : codebook[place]
    }
  }
}
