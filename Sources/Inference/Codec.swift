import Autodiff
import Execution
import Imaging
import Tokenizers

/// Encodes images into tokens and decodes tokens into images with a trained tokenizer.
///
/// Each image is a replay of its own, so that what a token file decodes to does not depend on
/// which images were encoded together. Plans are made once for each image size.
public final class Codec<B: Backend> {
  /// What is run.
  public let configuration: TokenizerConfiguration
  /// Images that are processed at once.
  public let lanes: Int

  private let parameters: ParameterMemory<B>
  private let pool: LanePool
  private let codebookSize: Int
  private var sessions: [Key: Session<B>] = [:]
  private var recent: [Key] = []

  /// Sizes whose plans and memory are kept, and the bytes they may keep beside the one in use.
  private static var keptSessions: Int { 6 }
  private static var keptBytes: Int { 1 << 30 }

  /// What can be done with an image.
  public enum Task: Hashable, Sendable {
    /// From pixels to tokens.
    case encode
    /// From tokens to pixels.
    case decode
    /// From pixels to pixels, by way of tokens.
    case reconstruct
  }

  private struct Key: Hashable {
    let task: Task
    let height: Int
    let width: Int
  }

  /// A codec over weights.
  public init(
    _ configuration: TokenizerConfiguration, parameters: ParameterMemory<B>, lanes: Int,
    pool: LanePool
  ) {
    self.configuration = configuration
    self.parameters = parameters
    self.lanes = lanes
    self.pool = pool
    codebookSize = configuration.quantizer.codebookSize
  }

  /// The layout of a configuration's parameters, in which its weights are read.
  public static func parameterLayout(_ configuration: TokenizerConfiguration) -> ParameterLayout {
    let graph = Graph()
    _ = Tokenizer(configuration, in: Scope(graph))
    return ParameterLayout(graph.parameters)
  }

  /// What one image became.
  public struct Reconstruction: Sendable {
    /// Its tokens.
    public let tokens: TokenGrid
    /// What they decode to.
    public let image: Image
    /// The mean over its tokens of the squared distance between vector and code.
    public let quantizationError: Double
    /// The vectors before quantization, row by row, `[h * w, d]`.
    public let latents: [Float]
  }

  /// The tokens of images whose sides are multiples of the downsampling.
  public func encode(_ images: [Image]) throws(CodecError) -> [TokenGrid] {
    let grids = group(images.map { ($0.height, $0.width) }) { height, width, members in
      let f = configuration.model.downsampling
      let session = session(.encode, height, width)
      var grids = [[Int32]](
        repeating: Array(repeating: 0, count: height / f * (width / f)), count: members.count)
      let staging = staging(height * width * 3)
      collectInto(&grids, session, output: "indices") { replay in
        self.write(images[members[replay.item]], staging[replay.lane], replay)
      }
      return grids.map { TokenGrid(height: height / f, width: width / f, indices: $0) }
    }
    for (image, grid) in grids.enumerated() where grid.indices.contains(where: { $0 < 0 }) {
      throw .notFinite(image: image)
    }
    return grids
  }

  /// The images that tokens stand for.
  public func decode(_ grids: [TokenGrid]) throws(CodecError) -> [Image] {
    for (image, grid) in grids.enumerated() {
      for token in grid.indices where token < 0 || token >= codebookSize {
        throw .tokenOutOfRange(image: image, token: token, codebookSize: codebookSize)
      }
    }
    return group(grids.map { ($0.height, $0.width) }) { height, width, members in
      let f = configuration.model.downsampling
      let session = session(.decode, height * f, width * f)
      var pixels = [[Float]](
        repeating: Array(repeating: 0, count: height * width * f * f * 3), count: members.count)
      collectInto(&pixels, session, output: "images") { replay in
        grids[members[replay.item]].indices.withUnsafeBufferPointer {
          replay.write("indices", $0.baseAddress!)
        }
      }
      return pixels.map { Image(width: width * f, height: height * f, normalized: $0) }
    }
  }

  /// What the tokenizer's own forward pass makes of images.
  public func reconstruct(_ images: [Image]) throws(CodecError) -> [Reconstruction] {
    let results = group(images.map { ($0.height, $0.width) }) { height, width, members in
      let f = configuration.model.downsampling
      let session = session(.reconstruct, height, width)
      let tokens = height / f * (width / f)
      let dimension = configuration.quantizer.codeDimension
      let results = Slots<Reconstruction>(members.count)
      let staging = staging(height * width * 3)
      session.feed = { replay in
        self.write(images[members[replay.item]], staging[replay.lane], replay)
      }
      session.collect = { replay in
        let indices = read(replay, "indices", tokens, zero: Int32(0))
        let pixels = read(replay, "images", height * width * 3, zero: Float(0))
        let latents = read(replay, "latents", tokens * dimension, zero: Float(0))
        let error = read(replay, "quantizationError", 1, zero: Float(0))
        results[replay.item] = Reconstruction(
          tokens: TokenGrid(height: height / f, width: width / f, indices: indices),
          image: Image(width: width, height: height, normalized: pixels),
          quantizationError: Double(error[0]), latents: latents)
      }
      run(session, items: members.count)
      return results.all
    }
    for (image, result) in results.enumerated()
    where result.tokens.indices.contains(where: { $0 < 0 }) {
      throw .notFinite(image: image)
    }
    return results
  }

  /// The bytes of working memory that a lane needs for a task on images of a size.
  ///
  /// Nothing is allocated, so that what is too large can be refused before.
  public func laneBytes(_ task: Task, height: Int, width: Int) -> Int {
    plan(Key(task: task, height: height, width: width)).arenaWords * MemoryLayout<Float>.stride
  }

  // MARK: Sessions

  /// The session for a task and an image size, made at its first use.
  private func session(_ task: Task, _ height: Int, _ width: Int) -> Session<B> {
    let key = Key(task: task, height: height, width: width)
    recent.removeAll { $0 == key }
    recent.append(key)
    if let session = sessions[key] { return session }
    let plan = plan(key)
    func bytes(_ plan: Plan) -> Int {
      (plan.arenaWords * lanes + plan.sharedWords) * MemoryLayout<Float>.stride
    }
    // Room is made before memory is taken.
    while recent.count > 1,
      recent.count > Self.keptSessions
        || sessions.values.reduce(0, { $0 + bytes($1.plan) }) + bytes(plan) > Self.keptBytes
    {
      sessions[recent.removeFirst()] = nil
    }
    let session = Session(plan, parameters: parameters, lanes: lanes, pool: pool)
    sessions[key] = session
    return session
  }

  private func plan(_ key: Key) -> Plan {
    let (height, width) = (key.height, key.width)
    let graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    let outputs: [String: Tensor]
    switch key.task {
    case .encode:
      let latents = tokenizer.latents(of: graph.input("images", [1, height, width, 3]))
      outputs = ["indices": tokenizer.bottleneck.quantize(latents).indices]
    case .decode:
      let f = configuration.model.downsampling
      let indices = graph.input("indices", [1, height / f, width / f], type: .index)
      outputs = ["images": tokenizer.decode(tokenizer.bottleneck.codes(of: indices))]
    case .reconstruct:
      let latents = tokenizer.latents(of: graph.input("images", [1, height, width, 3]))
      let quantized = tokenizer.bottleneck.quantize(latents)
      outputs = [
        "latents": latents, "indices": quantized.indices,
        "images": tokenizer.decode(quantized.codes),
        "quantizationError": quantized.statistics["quantizationError"]!,
      ]
    }
    let backend = parameters.backend
    return Plan(graph, outputs: outputs) {
      backend.workspace(for: $0, inputs: $1, outputs: $2)
    }
  }

  /// Handles items of one size together, and returns the results in the order of the items.
  private func group<R>(
    _ sizes: [(Int, Int)], _ body: (_ height: Int, _ width: Int, _ members: [Int]) -> [R]
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

  private func collectInto<T: Sendable>(
    _ results: inout [[T]], _ session: Session<B>, output: String,
    feed: @escaping (Session<B>.Replay) -> Void
  ) {
    let slots = Slots<[T]>(results.count)
    let (count, zero) = (results[0].count, results[0][0])
    session.feed = feed
    session.collect = { replay in slots[replay.item] = read(replay, output, count, zero: zero) }
    run(session, items: results.count)
    results = slots.all
  }

  /// Replays, then lets go of what the closures hold: the images, and this codec itself.
  private func run(_ session: Session<B>, items: Int) {
    session.run(items: items)
    session.feed = { _ in }
    session.collect = { _ in }
  }

  /// One buffer of pixels a lane.
  private func staging(_ count: Int) -> [StagingBuffer] {
    (0..<lanes).map { _ in StagingBuffer(count) }
  }

  private func write(
    _ image: Image, _ staging: StagingBuffer, _ replay: Session<B>.Replay
  ) {
    image.write(normalizedTo: staging.pointer)
    replay.write("images", UnsafePointer(staging.pointer))
  }
}

/// Reads an output of floats or indices.
private func read<B: Backend, T>(
  _ replay: Session<B>.Replay, _ name: String, _ count: Int, zero: T
) -> [T] {
  [T](unsafeUninitializedCapacity: count) { buffer, initialized in
    replay.read(name, intoWords: UnsafeMutableRawPointer(buffer.baseAddress!))
    initialized = count
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

/// A lane's pixels on their way to the device.
private final class StagingBuffer {
  let pointer: UnsafeMutablePointer<Float>

  init(_ count: Int) {
    pointer = .allocate(capacity: count)
    pointer.initialize(repeating: 0, count: count)
  }

  deinit { pointer.deallocate() }
}
