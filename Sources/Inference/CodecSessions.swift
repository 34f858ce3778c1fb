import Autodiff
import Execution
import Tokenizers

/// Plans and memory of a codec: one for each task, image size and number of images in a replay.
final class CodecSessions<B: Backend> {
  typealias Task = Codec<B>.Task

  /// Replays that are computed at once.
  let lanes: Int
  /// A session whose arenas may be used.
  weak var lender: Session<B>?

  private let configuration: TokenizerConfiguration
  private let parameters: ParameterMemory<B>
  private let pool: LanePool
  private var sessions: [Key: Session<B>] = [:]
  private var recent: [Key] = []
  private var plans: [(key: Key, plan: Plan)] = []

  /// The bytes that sessions may keep beside the one in use.
  var mostKeptBytes = 1 << 30
  /// Sessions whose memory is kept.
  private static var keptSessions: Int { 6 }

  /// Pixels of the images in one replay, as long as that is more than one image.
  ///
  /// Measured with 32 and 64 channels at 32x32, images encoded in a second by two lanes:
  /// 2 images at a time 3,171, 4: 3,495, 8: 3,639, 16: 3,689, 32: 3,481.
  private static var pixelsPerReplay: Int { 1 << 14 }

  private struct Key: Hashable {
    let task: Task
    let height: Int
    let width: Int
    let images: Int
  }

  init(
    _ configuration: TokenizerConfiguration, parameters: ParameterMemory<B>, lanes: Int,
    pool: LanePool
  ) {
    self.configuration = configuration
    self.parameters = parameters
    self.lanes = lanes
    self.pool = pool
  }

  /// The session for a task on so many images of a size, made at its first use, and how many of
  /// them it replays at a time.
  ///
  /// Few images are spread over the lanes; numbers of images are powers of two, so that plans are
  /// few.
  func session(
    _ task: Task, height: Int, width: Int, count: Int
  ) -> (session: Session<B>, images: Int) {
    let share = (count + lanes - 1) / lanes
    var images = 1
    let most = Self.mostImages(height, width, on: parameters.backend)
    while images < share, 2 * images <= most { images *= 2 }
    let key = Key(task: task, height: height, width: width, images: images)
    return (session(key), images)
  }

  /// The bytes of a lane's arena for as many images of a size as are ever replayed at a time; a lower
  /// bound of more than any machine has where that is too large to be planned.
  func laneBytes(_ task: Task, height: Int, width: Int) -> Int {
    let images = Self.mostImages(height, width, on: parameters.backend)
    let least = configuration.leastBytes(images: images, height: height, width: width)
    guard least < MemoryNeed.mostPlanned else { return Int(min(least, 0x1p61)) }
    return plan(Key(task: task, height: height, width: width, images: images)).arenaWords
      * MemoryLayout<Float>.stride
  }

  /// Whether an image does not depend on those beside it.
  var isBatchInvariant: Bool { parameters.backend.isBatchInvariant }

  /// Gives all memory back.
  func releaseAll() {
    sessions = [:]
    recent = []
  }

  /// The most images of a replay, a power of two; one if batching would change bits.
  static func mostImages(_ height: Int, _ width: Int, on backend: B) -> Int {
    guard backend.isBatchInvariant else { return 1 }
    var images = 1
    while 2 * images <= pixelsPerReplay / (height * width) { images *= 2 }
    return images
  }

  private func session(_ key: Key) -> Session<B> {
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
        || sessions.values.reduce(0, { $0 + bytes($1.plan) }) + bytes(plan) > mostKeptBytes
    {
      sessions[recent.removeFirst()] = nil
    }
    let session = Session(
      plan, parameters: parameters, lanes: lanes, pool: pool, borrowingFrom: lender)
    sessions[key] = session
    return session
  }

  /// A plan, of which the last few are kept.
  private func plan(_ key: Key) -> Plan {
    if let known = plans.first(where: { $0.key == key }) { return known.plan }
    let plan = Self.plan(
      configuration, key.task, images: key.images, height: key.height, width: key.width,
      on: parameters.backend)
    if plans.count == Self.keptSessions { plans.removeFirst() }
    plans.append((key, plan))
    return plan
  }

  /// Plans a task on so many images of a size.
  static func plan(
    _ configuration: TokenizerConfiguration, _ task: Task, images: Int, height: Int, width: Int,
    on backend: B
  ) -> Plan {
    let shape: Shape = [images, height, width, 3]
    let graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    let outputs: [String: Tensor]
    switch task {
    case .decode:
      let f = configuration.model.downsampling
      let codes = codes(
        tokenizer, configuration, images: images, rows: height / f, columns: width / f, in: graph)
      outputs = ["images": tokenizer.decode(codes)]
    default:
      let latents = tokenizer.latents(of: graph.input("images", shape))
      let (found, codes) = quantize(latents, tokenizer, configuration, task)
      outputs =
        task == .reconstruct
        ? found.merging(["images": tokenizer.decode(codes)]) { first, _ in first } : found
    }
    return Plan(graph, outputs: outputs, on: backend, keepsForms: true)
  }

  /// What a task reads of the bottleneck, by name, and the codes that are decoded.
  static func quantize(
    _ latents: Tensor, _ tokenizer: Tokenizer, _ configuration: TokenizerConfiguration,
    _ task: Task
  ) -> (outputs: [String: Tensor], codes: Tensor) {
    if task == .draw {
      let keys = latents.graph.input("keys", [latents.shape[0]], type: .index)
      let codes = tokenizer.bottleneck.draw(latents, keys: keys).codes
      return (["latents": codes], codes)
    }
    let quantized = tokenizer.bottleneck.quantize(latents)
    let codes = quantized.codes
    switch task {
    case .encode where configuration.quantizer.isContinuous: return (["latents": codes], codes)
    case .encode: return (["indices": quantized.indices], codes)
    case .vectors: return (["latents": quantized.vectors], codes)
    default:
      var made = ["latents": quantized.vectors, "targets": quantized.target, "codes": codes]
      if quantized.hasIndices { made["indices"] = quantized.indices }
      made["divergence"] = quantized.divergence
      return (made, codes)
    }
  }

  /// The codes of an input of tokens, or of latents where the bottleneck is continuous.
  static func codes(
    _ tokenizer: Tokenizer, _ configuration: TokenizerConfiguration, images: Int, rows: Int,
    columns: Int, in graph: Graph
  ) -> Tensor {
    let quantizer = configuration.quantizer
    if quantizer.isContinuous {
      return graph.input("latents", [images, rows, columns, quantizer.codeDimension])
    }
    let grid = [images, rows, columns]
    let indices = graph.input(
      "indices", Shape(quantizer.depth > 1 ? grid + [quantizer.depth] : grid), type: .index)
    return tokenizer.bottleneck.codes(of: indices)
  }
}

extension TokenizerConfiguration {
  /// Bytes without which no plan for images of a size gets by, without planning it: the largest value
  /// between two operations, or the weights.
  public func leastBytes(images: Int, height: Int, width: Int) -> Double {
    var most = max(
      leastWeights,
      Double(images) * Double(height) * Double(width) * 3)
    for (level, channels) in model.channels.enumerated() {
      let scale = Double(1 << level)
      let places = Double(height) / scale * (Double(width) / scale)
      most = max(most, Double(images) * places * Double(channels))
      let isLast = level == model.channels.count - 1
      if model.attentionLevels.contains(level) || (isLast && model.middleAttention) {
        most = max(most, Double(images) * places * places)
      }
    }
    return most * Double(MemoryLayout<Float>.stride)
  }

  /// Fewer than all weights: those of one convolution a level, and of the codebooks.
  private var leastWeights: Double {
    let convolutions = model.channels.reduce(0.0) { $0 + 9 * Double($1) * Double($1) }
    let entries = quantizer.codebook.map {
      Double($0.size) * Double($0.dimension)
    }
    return convolutions + (entries ?? 0)
  }
}

extension MemoryNeed {
  /// Memory of a codec that reconstructs images of a size in all lanes.
  ///
  /// - Parameter lender: the words of arenas that may be used, see ``Codec/borrowArenas(of:)``.
  public mutating func addReconstruction<B: Backend>(
    _ configuration: TokenizerConfiguration, height: Int, width: Int, lanes: Int, on backend: B,
    lender: Int = 0
  ) {
    let name = "activations of \(lanes) \(lanes == 1 ? "lane" : "lanes")"
    let keys = ["data.imageSize", "model.channels"]
    let images = CodecSessions<B>.mostImages(height, width, on: backend)
    let least = configuration.leastBytes(images: images, height: height, width: width)
    guard least < Self.mostPlanned else { return add(name, bytes: least, keys: keys) }
    let plan = CodecSessions.plan(
      configuration, .reconstruct, images: images, height: height, width: width, on: backend)
    add(
      name, bytes: plan.bytes(lanes: lanes, borrowsArenas: plan.arenaWords <= lender), keys: keys)
  }

  /// Memory of a tokenizer's weights in a number of blocks.
  public mutating func addWeights(
    _ name: String, of configuration: TokenizerConfiguration, layout: ParameterLayout, blocks: Int
  ) {
    let codebook = quantizerKeys(configuration)
    add(
      name, bytes: Double(blocks) * Double(layout.words) * Double(MemoryLayout<Float>.stride),
      keys: codebook.isEmpty || !isMostlyCodebook(configuration, layout)
        ? ["model.channels", "model.blocksPerLevel"] + codebook : codebook)
  }

  private func quantizerKeys(_ configuration: TokenizerConfiguration) -> [String] {
    configuration.quantizer.codebook == nil
      ? [] : ["quantizer.codebookSize", "quantizer.codeDimension"]
  }

  private func isMostlyCodebook(
    _ configuration: TokenizerConfiguration, _ layout: ParameterLayout
  ) -> Bool {
    let entries = layout.parameters.filter { $0.name.hasPrefix("quantize.") }
    return entries.reduce(0) { $0 + Double($1.shape.count) } > Double(layout.words) / 2
  }
}
