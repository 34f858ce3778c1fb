import Autodiff
import Codebooks
import Datasets
import Execution
import Imaging
import Inference
import Randomness
import Tokenizers

/// Where a run's codebooks come from: before the first step, and again where quantization was deferred.
///
/// As a callback it ends deferral: the codebooks are then made of what the encoder has learned while the
/// decoder saw its outputs unquantized. The codebooks of a frozen quantizer are never made.
final class CodebookStart<B: Backend>: TrainingCallback {
  private let run: RunConfiguration
  private let codebooks: [CodebookMemory<B>]
  private let codec: Codec<B>
  private let images: ImageSet
  private let backend: B
  private let pool: LanePool
  private let shouldStop: () -> Bool
  /// Called where deferral ends.
  var deferralEnded: () -> Void = {}

  /// Codebooks of a run that are made from its training images.
  init(
    _ run: RunConfiguration, _ codebooks: [CodebookMemory<B>], codec: Codec<B>, images: ImageSet,
    on backend: B, pool: LanePool, shouldStop: @escaping () -> Bool
  ) {
    self.run = run
    self.codebooks = codebooks
    self.codec = codec
    self.images = images
    self.backend = backend
    self.pool = pool
    self.shouldStop = shouldStop
  }

  /// Makes the codebooks of a run whose weights were drawn.
  ///
  /// They follow from the weights alone: a run that was stopped here makes the same ones.
  func makeFirst() throws {
    try make(named: "codebook") { codebooks[$0].write($1) }
  }

  /// The first step that is quantized after others that were not.
  func prepares(step: Int) -> Bool { step > 1 && step == run.training.deferQuantization + 1 }

  func prepare(step: Int) throws {
    try make(named: "codebook after deferral") { codebooks[$0].replaceAll($1) }
    deferralEnded()
  }

  func changesWeights(after step: Int) -> Bool { prepares(step: step + 1) }

  /// Makes codebooks of the encoder's outputs for training images, if that is how they begin.
  ///
  /// - Throws: `CancellationError` where someone asks to stop; some codebooks may be made then.
  private func make(
    named name: String, write: (_ depth: Int, _ codes: [Float]) -> Void
  ) throws {
    guard !run.training.freeze.contains(.quantizer),
      let start = run.quantizer.initialization, start.isOfVectors
    else { return }
    let initialization = CodebookInitialization(
      quantizer: run.quantizer, initialization: start, codec: codec, backend: backend, pool: pool,
      shouldStop: shouldStop)
    let side = run.data.imageSize / run.model.downsampling
    let wanted = initialization.images(tokens: side * side, batchSize: run.training.batchSize)
    let fixed = try FixedSet(images, count: min(wanted, images.count), shouldStop: shouldStop)
    var random = Generator(seed: run.seed).split(named: name)
    try initialization.makeCodebooks(from: fixed.images, random: &random, write: write)
  }
}

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

/// Finds the nearest of many points for each of many vectors, on the device of a run.
final class NearestSearch<B: Backend> {
  /// Vectors in a replay.
  private static var portion: Int { 512 }
  /// Multiply-adds between two looks at whether the search is to end.
  private static var mostBetweenLooks: Int { 1 << 33 }

  private let vectors: [Float]
  private let dimension: Int
  private let parameters: ParameterMemory<B>
  private let session: Session<B>

  /// Plans a search among a number of points for vectors `[n, d]`.
  init(
    _ points: Int, for vectors: [Float], dimension: Int, on backend: B, lanes: Int, pool: LanePool
  ) {
    self.vectors = vectors
    self.dimension = dimension
    let graph = Graph()
    let table = Scope(graph).parameter(
      "points", [points, dimension], .constant(0), isTrained: false)
    let found = graph.input("vectors", [Self.portion, dimension]).nearestCodes(in: table)
    parameters = ParameterMemory(ParameterLayout(graph.parameters), on: backend)
    let plan = Plan(graph, outputs: ["found": found], on: backend)
    session = Session(plan, parameters: parameters, lanes: lanes, pool: pool)
  }

  /// The point nearest to each vector, ties to the lowest.
  ///
  /// - Parameters:
  ///   - points: `[K, d]`.
  ///   - beforeEach: called before each part of the work; may throw to end it.
  func nearest(in points: [Float], beforeEach: () throws -> Void) rethrows -> [Int32] {
    parameters.write(points, toParameter: 0)
    let (count, portion, words) = (
      vectors.count / dimension, Self.portion, Self.portion * dimension
    )
    let items = (count + portion - 1) / portion
    let found = FoundPoints(count: items * portion)
    let each = max(session.lanes, Self.mostBetweenLooks / (portion * max(1, points.count)))
    defer {
      session.feed = { _ in }
      session.collect = { _ in }
    }
    for first in stride(from: 0, to: items, by: each) {
      try beforeEach()
      search(first..<min(first + each, items), words: words, into: found)
    }
    return Array(found.places[..<count])
  }

  /// Searches for the vectors of some portions.
  private func search(_ items: Range<Int>, words: Int, into found: FoundPoints) {
    let portion = Self.portion
    session.feed = { [vectors] replay in
      // The last portion is filled up with zeros.
      let start = (items.lowerBound + replay.item) * words
      let piece = Array(vectors[start..<min(start + words, vectors.count)])
      replay.write("vectors", piece + Array(repeating: 0, count: words - piece.count))
    }
    session.collect = { replay in
      let item = items.lowerBound + replay.item
      replay.read("found", intoWords: found.places.baseAddress! + item * portion)
    }
    session.runUnordered(items: items.count)
  }
}

/// Points that lanes write side by side, each at its own places.
private final class FoundPoints: @unchecked Sendable {
  // Unchecked: no two lanes write one place, and nobody reads before all are done.
  let places: UnsafeMutableBufferPointer<Int32>

  init(count: Int) {
    places = .allocate(capacity: count)
    places.initialize(repeating: 0)
  }

  deinit { places.deallocate() }
}

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
