import Codebooks
import Execution
import Imaging
import Inference
import Randomness
import Tokenizers

/// The codebooks that encoder outputs for training images give rise to.
///
/// Codes that start where the encoder's outputs are have tokens to win. Codes drawn around zero
/// are far shorter than the vectors, and one of them takes everything.
struct CodebookInitialization<B: Backend> {
  /// Vectors that k-means and skeletons are made of: so many a code, and so many at most.
  private static var vectorsPerCode: Int { 16 }
  private static var mostVectors: Int { 32_768 }

  let quantizer: QuantizerConfiguration
  /// One that is made of encoder outputs.
  let initialization: CodebookConfiguration.Initialization
  let codec: Codec<B>
  let backend: B
  let pool: LanePool
  /// Asked now and then; where it says so, the work ends by `CancellationError`.
  let shouldStop: () -> Bool

  /// How many images codebooks are made of.
  ///
  /// - Parameters:
  ///   - tokens: vectors that an image makes.
  ///   - batchSize: images of a step: at least so many are taken.
  func images(tokens: Int, batchSize: Int) -> Int {
    let codes = quantizer.codebookSize
    let vectors =
      initialization == .encoder
      ? codes : min(codes * Self.vectorsPerCode, max(codes, Self.mostVectors))
    return max(batchSize, vectors / tokens + 1)
  }

  /// Makes the codebooks: of parts of the vectors for each group of a product quantizer, and of what
  /// the codebooks before leave of them for each depth of a residual one.
  ///
  /// - Parameter write: takes each codebook `[K, d]` in its turn, and puts it among the parameters.
  func makeCodebooks(
    from images: [Image], random: inout Generator, write: (_ depth: Int, _ codes: [Float]) -> Void
  ) throws {
    func encode() throws -> (vectors: [Float], indices: [Int32]) {
      try codec.vectors(of: images, shouldStop: shouldStop)
    }
    var inputs = CodebookInputs(quantizer, vectors: try encode().vectors)
    while inputs.depth < quantizer.depth {
      // Where there are fewer vectors than codes a depth leaves nothing: the drawn values stay.
      if inputs.areRemainders, CodeSampling.deviation(inputs.vectors) == 0 { return }
      let codes = try codebook(of: inputs.vectors, inputs.dimension, &random)
      write(inputs.depth, codes)
      let needsTokens = inputs.nextDependsOnCodes
      inputs.advance(past: codes, indices: needsTokens ? try encode().indices : [])
    }
  }

  /// The codes `[K, d]` of vectors `[n, d]`.
  private func codebook(
    of vectors: [Float], _ dimension: Int, _ random: inout Generator
  ) throws -> [Float] {
    func look() throws { if shouldStop() { throw CancellationError() } }
    let count = quantizer.codebookSize
    switch initialization {
    case .kMeans:
      let few = spread(vectors, dimension)
      let search = NearestSearch(
        count, for: few, dimension: dimension, on: backend, lanes: codec.lanes, pool: pool)
      let clusters = KMeans(dimension: dimension, onSphere: quantizer.chosen.isOnSphere)
      return try clusters.centres(count, of: few, random: &random, beforeEach: look) {
        try search.nearest(in: $0, beforeEach: look)
      }.centres
    case .skeleton:
      let few = spread(vectors, dimension)
      let chosen = try SkeletonCodes.choose(
        count, of: few, dimension: dimension, beforeEach: look)
      let codes = chosen.flatMap { few[$0 * dimension..<($0 + 1) * dimension] }
      guard chosen.count < count else { return codes }
      // All vectors are codes: the others are near some of them.
      let more = CodeSampling.sample(count, of: few, dimension: dimension, random: &random)
      return codes + more[codes.count...]
    case .encoder, .uniform, .normal:
      return CodeSampling.sample(count, of: vectors, dimension: dimension, random: &random)
    }
  }

  /// As many vectors as are worth the work, spread evenly over all.
  private func spread(_ vectors: [Float], _ dimension: Int) -> [Float] {
    let all = vectors.count / dimension
    let count = min(all, max(quantizer.codebookSize, Self.mostVectors))
    return (0..<count).flatMap { index in
      let start = index * all / count * dimension
      return vectors[start..<start + dimension]
    }
  }
}

extension Codec {
  /// The vectors of images before quantization, and their tokens, a portion of the images at a time.
  ///
  /// - Throws: `CancellationError` on a request to stop.
  func vectors(
    of images: [Image], shouldStop: () -> Bool
  ) throws -> (vectors: [Float], indices: [Int32]) {
    var (vectors, indices): ([Float], [Int32]) = ([], [])
    let portion = Evaluator.portion(of: images, lanes: lanes)
    for start in stride(from: 0, to: images.count, by: portion) {
      if shouldStop() { throw CancellationError() }
      for result in try reconstruct(Array(images[start..<min(start + portion, images.count)])) {
        vectors += result.latents
        indices += result.tokens.indices
      }
    }
    return (vectors, indices)
  }
}
