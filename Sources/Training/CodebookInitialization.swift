import Codebooks
import Datasets
import Execution
import Imaging
import Inference
import Randomness
import Tokenizers

/// The codebook that encoder outputs for training images give rise to.
///
/// Codes that start where the encoder's outputs are have tokens to win. Codes drawn around zero
/// are far shorter than the vectors, and one of them takes everything.
struct CodebookInitialization<B: Backend> {
  /// Vectors that k-means and skeletons are made of: so many a code, and so many at most.
  private static var vectorsPerCode: Int { 16 }
  private static var mostVectors: Int { 32_768 }
  /// Images that are held as results at once.
  private static var portion: Int { 64 }

  let configuration: VectorConfiguration
  /// Whether the vectors are directions.
  let onSphere: Bool
  let codec: Codec<B>
  let backend: B
  let pool: LanePool

  /// How many images a codebook is made of.
  ///
  /// - Parameters:
  ///   - tokens: vectors that an image makes.
  ///   - batchSize: images of a step: at least so many are taken.
  func images(tokens: Int, batchSize: Int) -> Int {
    let codes = configuration.codebookSize
    let vectors =
      configuration.initialization == .encoder
      ? codes : min(codes * Self.vectorsPerCode, max(codes, Self.mostVectors))
    return max(batchSize, vectors / tokens + 1)
  }

  /// The codes, `[K, d]`; nil where the configuration draws them without any vectors.
  func codebook(from images: [Image], random: inout Generator) throws(CodecError) -> [Float]? {
    guard configuration.initialization.isOfVectors else { return nil }
    let vectors = try vectors(of: images)
    let (count, dimension) = (configuration.codebookSize, configuration.codeDimension)
    switch configuration.initialization {
    case .kMeans:
      let few = spread(vectors)
      let search = NearestSearch(
        count, for: few, dimension: dimension, on: backend, lanes: codec.lanes, pool: pool)
      let clusters = KMeans(dimension: dimension, onSphere: onSphere)
      return clusters.centres(count, of: few, random: &random, nearest: search.nearest).centres
    case .skeleton:
      let few = spread(vectors)
      let chosen = SkeletonCodes.choose(count, of: few, dimension: dimension)
      let codes = chosen.flatMap { few[$0 * dimension..<($0 + 1) * dimension] }
      return chosen.count == count
        ? codes
        : codes
          + CodeSampling.sample(
            count, of: few, dimension: dimension, random: &random)[codes.count...]
    case .encoder, .uniform, .normal:
      return CodeSampling.sample(count, of: vectors, dimension: dimension, random: &random)
    }
  }

  private func vectors(of images: [Image]) throws(CodecError) -> [Float] {
    var vectors: [Float] = []
    for start in stride(from: 0, to: images.count, by: Self.portion) {
      let part = Array(images[start..<min(start + Self.portion, images.count)])
      for result in try codec.reconstruct(part) { vectors += result.latents }
    }
    return vectors
  }

  /// As many vectors as are worth the work, spread evenly over all.
  private func spread(_ vectors: [Float]) -> [Float] {
    let (dimension, codes) = (configuration.codeDimension, configuration.codebookSize)
    let all = vectors.count / dimension
    let count = min(all, max(codes, Self.mostVectors))
    return (0..<count).flatMap { index in
      let start = index * all / count * dimension
      return vectors[start..<start + dimension]
    }
  }
}
