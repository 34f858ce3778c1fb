import Datasets
import Execution
import Imaging
import Inference
import Randomness
import Tokenizers

/// The first values of a codebook: outputs of the untrained encoder, sampled at random.
///
/// Codes that start where the encoder's outputs are have tokens to win. Codes drawn around zero
/// are far shorter than the vectors, and one of them takes everything.
enum CodebookInitialization {
  /// Replaces the codebook by encoder outputs for images.
  ///
  /// Samples without replacement while there are vectors enough; further codes are samples
  /// moved by a hundredth of the vectors' spread, so that no two codes are equal.
  static func apply<B: Backend>(
    _ vq: VectorConfiguration, from images: [Image], codec: Codec<B>,
    to parameters: ParameterMemory<B>, random: inout Generator
  ) throws(CodecError) {
    let dimension = vq.codeDimension
    let vectors = try codec.reconstruct(images).flatMap(\.latents)
    let count = vectors.count / dimension
    let order = random.permutation(of: count)
    let spread = deviation(vectors)
    var codebook: [Float] = []
    codebook.reserveCapacity(vq.codebookSize * dimension)
    for code in 0..<vq.codebookSize {
      let row = order[code % count]
      let isRepeated = code >= count
      for channel in 0..<dimension {
        let noise = isRepeated ? random.normal() * spread * 0.01 : 0
        codebook.append(vectors[row * dimension + channel] + noise)
      }
    }
    let name = Tokenizer.codebookName(.vq(vq))!
    parameters.write(codebook, toParameter: parameters.layout.index(of: name)!)
  }

  private static func deviation(_ numbers: [Float]) -> Float {
    let count = Double(numbers.count)
    let mean = numbers.reduce(0.0) { $0 + Double($1) } / count
    let variance = numbers.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
    return Float(variance.squareRoot())
  }
}
