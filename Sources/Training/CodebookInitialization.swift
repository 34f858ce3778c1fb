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
  /// Replaces the codebooks by encoder outputs for images: by parts of them for each group of a
  /// product quantizer, and by what the codebooks before leave of them for each depth of a residual
  /// one.
  static func apply<B: Backend>(
    _ quantizer: QuantizerConfiguration, from images: [Image], codec: Codec<B>,
    to parameters: ParameterMemory<B>, random: inout Generator
  ) throws(CodecError) {
    let (codes, dimension) = (quantizer.codebookSize, quantizer.codeDimension)
    var vectors = try codec.reconstruct(images).flatMap(\.latents)
    let names = Tokenizer.codebookNames(quantizer)
    if case .product(let product) = quantizer {
      let width = product.groupDimension
      for (group, name) in names.enumerated() {
        let parts = stride(from: group * width, to: vectors.count, by: dimension).flatMap {
          vectors[$0..<$0 + width]
        }
        parameters.write(sample(codes, of: parts, width, &random), named: name)
      }
      return
    }
    for (depth, name) in names.enumerated() {
      // Where there are fewer vectors than codes nothing is left: the drawn values stay.
      if depth > 0, deviation(vectors) == 0 { return }
      let codebook = sample(codes, of: vectors, dimension, &random)
      parameters.write(codebook, named: name)
      guard depth + 1 < names.count else { return }
      let indices = try codec.reconstruct(images).flatMap(\.tokens.indices)
      for row in 0..<(vectors.count / dimension) {
        let code = Int(indices[row * names.count + depth])
        for channel in 0..<dimension {
          vectors[row * dimension + channel] -= codebook[code * dimension + channel]
        }
      }
    }
  }

  /// Samples without replacement while there are vectors enough; further codes are samples
  /// moved by a hundredth of the vectors' spread, so that no two codes are equal.
  private static func sample(
    _ codes: Int, of vectors: [Float], _ dimension: Int, _ random: inout Generator
  ) -> [Float] {
    let count = vectors.count / dimension
    let order = random.permutation(of: count)
    let spread = deviation(vectors)
    var codebook: [Float] = []
    codebook.reserveCapacity(codes * dimension)
    for code in 0..<codes {
      let row = order[code % count]
      let isRepeated = code >= count
      for channel in 0..<dimension {
        let noise = isRepeated ? random.normal() * spread * 0.01 : 0
        codebook.append(vectors[row * dimension + channel] + noise)
      }
    }
    return codebook
  }

  private static func deviation(_ numbers: [Float]) -> Float {
    let count = Double(numbers.count)
    let mean = numbers.reduce(0.0) { $0 + Double($1) } / count
    let variance = numbers.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
    return Float(variance.squareRoot())
  }
}

extension ParameterMemory {
  fileprivate func write(_ numbers: [Float], named name: String) {
    write(numbers, toParameter: layout.index(of: name)!)
  }
}
