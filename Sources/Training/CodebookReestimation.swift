import Execution
import Imaging
import Inference
import Tokenizers

/// A codebook from one pass over images: each code becomes the mean of the vectors nearest to it.
///
/// Averaging the encoder and the codebook apart can break the assignment of one to the other; a pass
/// of k-means over the averaged encoder's vectors mends it. Codes that no vector chose stay.
enum CodebookReestimation {
  /// The codebook that the weights in memory give rise to, `[K, d]`.
  static func codebook<B: Backend>(
    _ vq: VectorConfiguration, of images: [Image], codec: Codec<B>,
    parameters: ParameterMemory<B>
  ) throws(CodecError) -> [Float] {
    let dimension = vq.codeDimension
    var codebook = parameters.read(parameter: index(in: parameters.layout, vq))
    var sums = [Double](repeating: 0, count: codebook.count)
    var counts = [Int](repeating: 0, count: vq.codebookSize)
    for result in try codec.reconstruct(images) {
      for (token, code) in result.tokens.indices.enumerated() {
        counts[Int(code)] += 1
        for channel in 0..<dimension {
          sums[Int(code) * dimension + channel] += Double(
            result.latents[token * dimension + channel])
        }
      }
    }
    for code in 0..<vq.codebookSize where counts[code] > 0 {
      for place in code * dimension..<(code + 1) * dimension {
        codebook[place] = Float(sums[place] / Double(counts[code]))
      }
    }
    return codebook
  }

  /// Does something with a codebook in place of the one in memory, which comes back afterwards.
  static func with<B: Backend, R>(
    _ codebook: [Float], _ vq: VectorConfiguration, in parameters: ParameterMemory<B>,
    _ body: () throws -> R
  ) rethrows -> R {
    let index = index(in: parameters.layout, vq)
    let own = parameters.read(parameter: index)
    parameters.write(codebook, toParameter: index)
    defer { parameters.write(own, toParameter: index) }
    return try body()
  }

  private static func index(in layout: ParameterLayout, _ vq: VectorConfiguration) -> Int {
    guard let name = Tokenizer.codebookNames(.vq(vq)).first, let index = layout.index(of: name)
    else {
      preconditionFailure("a vector quantizer has a codebook")
    }
    return index
  }
}
