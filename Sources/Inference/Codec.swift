import Autodiff
import Execution
import Imaging
import Tokenizers

/// Encodes images into tokens and decodes tokens into images with a trained tokenizer.
///
/// Where its bottleneck is continuous there are no tokens: then images become latents, and these images.
///
/// Images of one size are replayed several at a time where the backend computes each of them as if
/// it were alone, and one at a time elsewhere: what an image becomes never depends, bit for bit, on
/// its batch. Plans are made once for each image size.
public final class Codec<B: Backend>: ImageCodec {
  /// The tokenizer's configuration.
  public let configuration: TokenizerConfiguration
  /// Replays that are computed at once.
  public var lanes: Int { sessions.lanes }

  private let sessions: CodecSessions<B>
  private let codebookSize: Int

  /// The tasks.
  public typealias Task = CodecTask
  /// The result for one image.
  public typealias Reconstruction = ImageReconstruction

  /// A codec over weights.
  public init(
    _ configuration: TokenizerConfiguration, parameters: ParameterMemory<B>, lanes: Int,
    pool: LanePool
  ) {
    self.configuration = configuration
    sessions = CodecSessions(configuration, parameters: parameters, lanes: lanes, pool: pool)
    codebookSize = configuration.quantizer.codebookSize
  }

  /// The layout of a configuration's parameters, in which its weights are read.
  public static func parameterLayout(_ configuration: TokenizerConfiguration) -> ParameterLayout {
    let graph = Graph()
    _ = Tokenizer(configuration, in: Scope(graph))
    return ParameterLayout(graph.parameters)
  }

  /// The tokens of images whose sides are multiples of the downsampling.
  public func encode(_ images: [Image]) throws(CodecError) -> [TokenGrid] {
    try encode(images.map { ($0.height, $0.width) }) { image, numbers in
      images[image].write(normalizedTo: numbers)
    }
  }

  /// The tokens of images that are given as numbers.
  ///
  /// - Parameters:
  ///   - sizes: the sides of each image in pixels, multiples of the downsampling.
  ///   - write: writes the numbers of an image, `[height, width, 3]` in [-1, 1]; called by the lanes.
  public func encode(
    _ sizes: [(height: Int, width: Int)],
    write: @escaping (_ image: Int, _ numbers: UnsafeMutablePointer<Float>) -> Void
  ) throws(CodecError) -> [TokenGrid] {
    precondition(!configuration.quantizer.isContinuous, "a continuous bottleneck has no tokens")
    let (f, depth) = (configuration.model.downsampling, configuration.quantizer.depth)
    let grids = group(sizes) { height, width, members in
      let (h, w) = (height / f, width / f)
      return replay(.encode, height, width, count: members.count) { place, session, staging in
        staging.write(to: session, place) { write(members[place.item], $0) }
      } collect: { place, session in
        TokenGrid(
          height: h, width: w, depth: depth,
          indices: session.numbers("indices", place, count: h * w * depth, zero: 0))
      }
    }
    for (image, grid) in grids.enumerated() where grid.indices.contains(where: { $0 < 0 }) {
      throw .notFinite(image: image)
    }
    return grids
  }

  /// The vectors before quantization of images whose sides are multiples of the downsampling, row by
  /// row, `[h * w, d]` each.
  public func vectors(of images: [Image]) throws(CodecError) -> [[Float]] {
    let (f, dimension) = (configuration.model.downsampling, configuration.quantizer.codeDimension)
    let results = group(images.map { ($0.height, $0.width) }) { height, width, members in
      replay(.vectors, height, width, count: members.count) { place, session, staging in
        staging.write(to: session, place) {
          images[members[place.item]].write(normalizedTo: $0)
        }
      } collect: { place, session -> [Float] in
        session.numbers("latents", place, count: height / f * (width / f) * dimension, zero: 0)
      }
    }
    for (image, latents) in results.enumerated() where !latents.allSatisfy(\.isFinite) {
      throw .notFinite(image: image)
    }
    return results
  }

  /// The images that tokens stand for.
  public func decode(_ grids: [TokenGrid]) throws(CodecError) -> [Image] {
    precondition(!configuration.quantizer.isContinuous, "a continuous bottleneck has no tokens")
    for (image, grid) in grids.enumerated() {
      precondition(
        grid.depth == configuration.quantizer.depth, "tokens have the depth of their tokenizer")
      for token in grid.indices where token < 0 || token >= codebookSize {
        throw .tokenOutOfRange(image: image, token: token, codebookSize: codebookSize)
      }
    }
    let f = configuration.model.downsampling
    return group(grids.map { ($0.height, $0.width) }) { h, w, members in
      let (height, width) = (h * f, w * f)
      return replay(.decode, height, width, count: members.count) { place, session, _ in
        grids[members[place.item]].indices.withUnsafeBytes {
          session.write("indices", element: place.slot, words: $0.baseAddress!)
        }
      } collect: { place, session in
        Image(
          width: width, height: height,
          normalized: session.numbers("images", place, count: height * width * 3, zero: 0))
      }
    }
  }

  /// The latents of images whose sides are multiples of the downsampling; where latents are
  /// distributions, their means.
  ///
  /// Only of a tokenizer whose bottleneck is continuous.
  ///
  /// - Parameters:
  ///   - images: of any sizes.
  ///   - keys: of each image, to draw from its distributions by noise that is a function of the key.
  public func latents(
    of images: [Image], drawnBy keys: [Int32]? = nil
  ) throws(CodecError) -> [LatentGrid] {
    try latents(images.map { ($0.height, $0.width) }, drawnBy: keys) { image, numbers in
      images[image].write(normalizedTo: numbers)
    }
  }

  /// The latents of images that are given as numbers; see ``encode(_:write:)``.
  public func latents(
    _ sizes: [(height: Int, width: Int)], drawnBy keys: [Int32]? = nil,
    write: @escaping (_ image: Int, _ numbers: UnsafeMutablePointer<Float>) -> Void
  ) throws(CodecError) -> [LatentGrid] {
    precondition(configuration.quantizer.isContinuous, "tokens are no latents")
    precondition(
      keys == nil || configuration.quantizer.chosen.drawsNoise, "latents that are no distributions")
    let (f, d) = (configuration.model.downsampling, configuration.quantizer.codeDimension)
    let grids = group(sizes) { height, width, members in
      let (h, w) = (height / f, width / f)
      let task: Task = keys == nil ? .encode : .draw
      return replay(task, height, width, count: members.count) { place, session, staging in
        staging.write(to: session, place) { write(members[place.item], $0) }
        guard var key = keys?[members[place.item]] else { return }
        session.write("keys", element: place.slot, words: &key)
      } collect: { place, session in
        LatentGrid(
          height: h, width: w, channels: d,
          numbers: session.numbers("latents", place, count: h * w * d, zero: 0))
      }
    }
    for (image, grid) in grids.enumerated() where !grid.numbers.allSatisfy(\.isFinite) {
      throw .notFinite(image: image)
    }
    return grids
  }

  /// The images that latents stand for; only of a tokenizer whose bottleneck is continuous.
  public func decode(latents grids: [LatentGrid]) throws(CodecError) -> [Image] {
    precondition(configuration.quantizer.isContinuous, "tokens are no latents")
    let (f, d) = (configuration.model.downsampling, configuration.quantizer.codeDimension)
    for (image, grid) in grids.enumerated() {
      precondition(grid.channels == d, "latents have the channels of their autoencoder")
      if let place = grid.numbers.firstIndex(where: { !$0.isFinite }) {
        throw .latentNotFinite(image: image, value: grid.numbers[place])
      }
    }
    return group(grids.map { ($0.height, $0.width) }) { h, w, members in
      let (height, width) = (h * f, w * f)
      return replay(.decode, height, width, count: members.count) { place, session, _ in
        grids[members[place.item]].numbers.withUnsafeBytes {
          session.write("latents", element: place.slot, words: $0.baseAddress!)
        }
      } collect: { place, session in
        Image(
          width: width, height: height,
          normalized: session.numbers("images", place, count: height * width * 3, zero: 0))
      }
    }
  }

  /// The tokenizer's own forward pass on images.
  public func reconstruct(_ images: [Image]) throws(CodecError) -> [Reconstruction] {
    let (f, depth) = (configuration.model.downsampling, configuration.quantizer.depth)
    let dimension = configuration.quantizer.codeDimension
    let isContinuous = configuration.quantizer.isContinuous
    let hasDivergence = configuration.quantizer.chosen.outputsPerChannel > 1
    let results = group(images.map { ($0.height, $0.width) }) { height, width, members in
      let (h, w) = (height / f, width / f)
      return replay(.reconstruct, height, width, count: members.count) { place, session, staging in
        staging.write(to: session, place) {
          images[members[place.item]].write(normalizedTo: $0)
        }
      } collect: { place, session in
        func floats(_ name: String, _ count: Int) -> [Float] {
          session.numbers(name, place, count: count, zero: 0)
        }
        let (targets, codes) = (
          floats("targets", h * w * dimension), floats("codes", h * w * dimension)
        )
        let error = zip(targets, codes).reduce(0.0) {
          $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
        }
        return Reconstruction(
          tokens: isContinuous
            ? .empty
            : TokenGrid(
              height: h, width: w, depth: depth,
              indices: session.numbers("indices", place, count: h * w * depth, zero: 0)),
          image: Image(
            width: width, height: height, normalized: floats("images", height * width * 3)),
          quantizationError: error / Double(h * w), latents: floats("latents", h * w * dimension),
          divergences: hasDivergence ? floats("divergence", h * w * dimension) : [])
      }
    }
    for (image, result) in results.enumerated()
    where result.tokens.indices.contains(where: { $0 < 0 })
      || isContinuous && !result.latents.allSatisfy(\.isFinite)
    {
      throw .notFinite(image: image)
    }
    return results
  }

  /// The bytes of working memory that a lane needs for a task on images of a size.
  ///
  /// Nothing is allocated, so that what is too large can be refused before.
  public func laneBytes(_ task: Task, height: Int, width: Int) -> Int {
    sessions.laneBytes(task, height: height, width: width)
  }

  /// The bytes of replays that are kept for images of sizes that come again, beside those in use.
  public var mostKeptBytes: Int {
    get { sessions.mostKeptBytes }
    set { sessions.mostKeptBytes = newValue }
  }

  /// Whether images can be computed in tiles too, bit by bit the same, as ``TiledCodec`` does.
  public var canTile: Bool { sessions.isBatchInvariant }

  /// Gives back the memory of all replays; the next ones allocate it again.
  public func releaseMemory() { sessions.releaseAll() }

  /// Lets replays use the arenas of a session that never runs while this codec does.
  public func borrowArenas(of session: Session<B>) { sessions.lender = session }

  /// Handles items of one size together, and returns the results in the order of the items.
  private func group<R>(
    _ sizes: [(height: Int, width: Int)],
    _ body: (_ height: Int, _ width: Int, _ members: [Int]) -> [R]
  ) -> [R] {
    var groups: [[Int]: [Int]] = [:]
    for (index, (height, width)) in sizes.enumerated() {
      groups[[height, width], default: []].append(index)
    }
    var results = [R?](repeating: nil, count: sizes.count)
    for (size, members) in groups.sorted(by: { $0.value[0] < $1.value[0] }) {
      for (member, result) in zip(members, body(size[0], size[1], members)) {
        results[member] = result
      }
    }
    return results.map { $0! }
  }

  /// Replays items of one size in batches, the last of which repeats its last item to be full.
  private func replay<R>(
    _ task: Task, _ height: Int, _ width: Int, count: Int,
    feed: @escaping (CodecPlace, Session<B>.Replay, StagingBuffer) -> Void,
    collect: @escaping (CodecPlace, Session<B>.Replay) -> R
  ) -> [R] {
    let (session, batch) = sessions.session(task, height: height, width: width, count: count)
    let staging = (0..<lanes).map { _ in StagingBuffer(height * width * 3) }
    let results = Slots<R>(count)
    session.feed = { replay in
      for slot in 0..<batch {
        let item = min(replay.item * batch + slot, count - 1)
        feed(CodecPlace(item: item, slot: slot), replay, staging[replay.lane])
      }
    }
    session.collect = { replay in
      for slot in 0..<min(batch, count - replay.item * batch) {
        let item = replay.item * batch + slot
        results[item] = collect(CodecPlace(item: item, slot: slot), replay)
      }
    }
    session.runUnordered(items: (count + batch - 1) / batch)
    // Lets go of what the closures hold: the images, and this codec itself.
    session.feed = { _ in }
    session.collect = { _ in }
    return results.all
  }
}

/// An item, and its place in the batch that it is replayed in.
private struct CodecPlace {
  let item: Int
  let slot: Int
}

extension Session.Replay {
  /// What an output holds for one image of the batch.
  fileprivate func numbers<T>(_ name: String, _ place: CodecPlace, count: Int, zero: T) -> [T] {
    [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      read(
        name, element: place.slot, intoWords: UnsafeMutableRawPointer(buffer.baseAddress!))
      initialized = count
    }
  }
}

/// Results that lanes write side by side, each at its own places.
private final class Slots<T>: @unchecked Sendable {
  // Unchecked: no two lanes write one place, and nobody reads before all are done.
  private let places: UnsafeMutablePointer<T?>
  private let count: Int

  init(_ count: Int) {
    self.count = count
    places = .allocate(capacity: count)
    places.initialize(repeating: nil, count: count)
  }

  deinit {
    places.deinitialize(count: count)
    places.deallocate()
  }

  subscript(index: Int) -> T? {
    get { places[index] }
    set { places[index] = newValue }
  }

  var all: [T] { (0..<count).map { places[$0]! } }
}

/// The pixels of one image on their way to the device.
private final class StagingBuffer {
  private let numbers: UnsafeMutablePointer<Float>

  init(_ count: Int) { numbers = .allocate(capacity: count) }

  deinit { numbers.deallocate() }

  func write<B: Backend>(
    to replay: Session<B>.Replay, _ place: CodecPlace,
    _ fill: (UnsafeMutablePointer<Float>) -> Void
  ) {
    fill(numbers)
    replay.write("images", element: place.slot, words: numbers)
  }
}

/// The tokens of one image, row by row.
public struct TokenGrid: Sendable, Equatable {
  /// Rows of the grid.
  public let height: Int
  /// Columns of the grid.
  public let width: Int
  /// Indices to a token.
  public let depth: Int
  /// Token ids, row by row from the top left, those of a token together.
  public let indices: [Int32]

  /// A grid of tokens.
  public init(height: Int, width: Int, depth: Int = 1, indices: [Int32]) {
    precondition(indices.count == height * width * depth, "a grid has one token a cell")
    self.height = height
    self.width = width
    self.depth = depth
    self.indices = indices
  }
}

extension TokenGrid {
  /// No tokens.
  static let empty = TokenGrid(height: 0, width: 0, indices: [])
}

/// The latents of one image, row by row.
public struct LatentGrid: Sendable, Equatable {
  /// Rows of the grid.
  public let height: Int
  /// Columns of the grid.
  public let width: Int
  /// Channels of a vector.
  public let channels: Int
  /// The vectors, row by row from the top left, `[height, width, channels]`.
  public let numbers: [Float]

  /// A grid of latents.
  public init(height: Int, width: Int, channels: Int, numbers: [Float]) {
    precondition(numbers.count == height * width * channels, "a grid has one vector a cell")
    self.height = height
    self.width = width
    self.channels = channels
    self.numbers = numbers
  }
}

/// Why images or tokens could not be processed.
public enum CodecError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The encoder put out a number that is not finite.
  case notFinite(image: Int)
  /// A token is not of this codebook.
  case tokenOutOfRange(image: Int, token: Int32, codebookSize: Int)
  /// A latent to decode is NaN or infinite.
  case latentNotFinite(image: Int, value: Float)

  /// The same of an image with another number.
  func ofImage(_ image: Int) -> CodecError {
    switch self {
    case .notFinite: .notFinite(image: image)
    case .tokenOutOfRange(_, let token, let size):
      .tokenOutOfRange(image: image, token: token, codebookSize: size)
    case .latentNotFinite(_, let value): .latentNotFinite(image: image, value: value)
    }
  }

  /// What happened, and what to do.
  public var description: String {
    switch self {
    case .notFinite(let image):
      return "the encoder put out a number that is not finite for image \(image + 1): "
        + "the weights are damaged; use an earlier checkpoint"
    case .tokenOutOfRange(let image, let token, let size):
      return "image \(image + 1) holds token \(token), but the codebook has only \(size) "
        + "entries, 0 to \(size - 1): the tokens are damaged or of another tokenizer"
    case .latentNotFinite(let image, let value):
      return "the latents of image \(image + 1) hold \(value): expected finite numbers"
    }
  }
}

extension ParameterMemory {
  /// The decoder input of each token: `[codebookSize, codeDimension]`; for tokens
  /// of a depth of 1.
  ///
  /// - Parameter configuration: the tokenizer whose weights these are.
  public func codes(of configuration: TokenizerConfiguration) -> [Float] {
    precondition(configuration.quantizer.depth == 1, "tokens of several indices have no table")
    let count = configuration.quantizer.codebookSize
    let graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    let indices = graph.input("indices", [1, 1, count], type: .index)
    let plan = Plan(graph, outputs: ["codes": tokenizer.bottleneck.codes(of: indices)], on: backend)
    let session = Session(plan, parameters: self, lanes: 1, pool: LanePool(threads: 1))
    session.feed = { $0.write("indices", (0..<count).map(Int32.init)) }
    nonisolated(unsafe) var codes = [Float](
      repeating: 0, count: count * configuration.quantizer.codeDimension)
    session.collect = { $0.read("codes", intoWords: &codes) }
    session.run(items: 1)
    return codes
  }
}
