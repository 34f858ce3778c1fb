import Autodiff
import Execution
import Imaging
import Tokenizers

/// Encodes and decodes images that do not fit into memory as wholes: in tiles, bit by bit as ``Codec`` does.
///
/// Convolutions are computed of tiles and what lies around them, group normalizations by the moments of the
/// whole image, for each of which the image is passed over once more. What fits is stored between passes;
/// the rest is computed again. Layers that see the whole image, attention among them, are computed as wholes
/// where these fit. The backend must be batch invariant.
public final class TiledCodec<B: Backend>: ImageCodec {
  /// What is done with an image.
  public typealias Task = Codec<B>.Task

  /// The bytes that everything together may take: images, tokens, stored values, tiles.
  public let memory: Int
  /// The tokenizer's configuration.
  public let configuration: TokenizerConfiguration
  /// Tiles that are computed at once.
  public let lanes: Int
  /// Told how far an image is, after each tile, by one lane at a time.
  public var progress: @Sendable (TilingProgress) -> Void = { _ in }
  /// Asked between tiles, by one lane at a time: where it says so, the image at hand is given up with a
  /// `CancellationError`.
  public var shouldStop: @Sendable () -> Bool = { false }
  /// The sides of all tiles, and no more stored than must be: for tests.
  package var forcedTile: (rows: Int, columns: Int)?

  private let parameters: ParameterMemory<B>
  private let pool: LanePool
  private var outcomes: [Key: Result<Void, TilingShortage>] = [:]
  private var schedules: [HalfKey: Scheduled] = [:]
  private var monitor = TilingMonitor(passes: 0, report: { _ in }, shouldStop: { false })

  private typealias Scheduled = (map: TileMap, schedule: TilingSchedule)

  /// The networks of a tokenizer.
  enum Half {
    case encoder, decoder
  }

  private struct Key: Hashable {
    let task: Task
    let height: Int
    let width: Int
    let isNumbers: Bool
  }

  private struct HalfKey: Hashable {
    let half: Half
    let size: Key
  }

  /// Networks whose passes are remembered.
  private static var mostSchedules: Int { 8 }
  /// Vectors that are quantized at a time.
  private static var vectorsPerReplay: Int { 1 << 14 }

  /// A codec over weights.
  public init(
    _ configuration: TokenizerConfiguration, parameters: ParameterMemory<B>, lanes: Int,
    pool: LanePool, memory: Int
  ) {
    precondition(parameters.backend.isBatchInvariant, "tiles would change bits")
    (self.configuration, self.parameters, self.memory) = (configuration, parameters, memory)
    (self.lanes, self.pool) = (lanes, pool)
  }

  // MARK: Memory

  /// Checks that a task on an image of a size stays within the memory; nothing is allocated.
  ///
  /// - Parameter isNumbers: whether the image is given as numbers, which take four times the bytes.
  public func check(
    _ task: Task, height: Int, width: Int, isNumbers: Bool = false
  ) throws(TilingShortage) {
    let key = Key(task: task, height: height, width: width, isNumbers: isNumbers)
    let outcome =
      outcomes[key]
      ?? Result { () throws(TilingShortage) in
        let size = Extents(height, width, configuration, isNumbers: isNumbers)
        if task != .decode {
          _ = try scheduled(.encoder, size, task)
          try checkBottleneck(size, task)
        }
        if task == .decode || task == .reconstruct {
          _ = try scheduled(.decoder, size, task)
        }
        guard size.least(task) <= memory else {
          throw TilingShortage(bytes: size.least(task), layer: nil)
        }
      }
    outcomes[key] = outcome
    try outcome.get()
  }

  /// What a task on an image of a size costs beside the untiled one, by the estimate that the passes are chosen
  /// by: in multiply-adds and numbers written, all lanes together.
  package func relativeCost(_ task: Task, height: Int, width: Int) throws -> Double {
    let size = Extents(height, width, configuration)
    var (tiled, whole) = (0.0, 0.0)
    for half in halves(task) {
      let (map, schedule) = try scheduled(half, size, task)
      tiled += schedule.cost
      whole += TilingCosts(map).cost(of: [map.target], stored: [:])
    }
    return tiled / whole
  }

  /// More pixels than this never fit.
  public func mostPixels(_ tasks: [Task]) -> Int {
    let side = configuration.model.downsampling
    let size = Extents(side, side, configuration)
    let bytes = tasks.map { size.least($0) }.max() ?? 1
    return Int(Double(memory) / Double(max(1, bytes)) * Double(side * side))
  }

  /// What an image and what becomes of it take.
  struct Extents {
    let height, width, rows, columns: Int
    /// Channels of the encoder's output, of a code, and indices of a token.
    let encoded, dimension, depth: Int
    /// Whether the image is given as numbers, of which there is a copy.
    let isNumbers: Bool

    init(
      _ height: Int, _ width: Int, _ configuration: TokenizerConfiguration, isNumbers: Bool = false
    ) {
      self.isNumbers = isNumbers
      let f = configuration.model.downsampling
      let quantizer = configuration.quantizer
      (self.height, self.width, rows, columns) = (height, width, height / f, width / f)
      encoded = quantizer.codeDimension * quantizer.chosen.outputsPerChannel
      (dimension, depth) = (quantizer.codeDimension, max(1, quantizer.depth))
    }

    var vectors: Int { rows * columns }
    private var image: Int { 3 * height * width }

    /// Bytes that are there while a network is computed, beside stored values and tiles.
    func kept(_ task: Task) -> Int {
      let word = MemoryLayout<Float>.stride
      switch task {
      case .encode, .draw, .vectors:
        return image * (isNumbers ? 1 + word : 1) + vectors * (encoded + depth) * word
      case .decode: return vectors * (dimension + 2 * depth) * word
      // The image, and the one that it may be compared with; vectors, targets, codes, divergences, and
      // arrays of them.
      case .reconstruct:
        return 2 * image + vectors * (encoded + 6 * dimension + 2 * depth) * word
      }
    }

    /// Bytes of what a network's last pass yields.
    func result(_ half: Half) -> Int { half == .decoder ? image : 0 }

    /// Bytes that a task needs whatever its network: of decoding the image, and the one that it is cropped to.
    func least(_ task: Task) -> Int {
      switch task {
      case .encode, .draw, .vectors: kept(task)
      case .decode: kept(task) + 2 * image
      case .reconstruct: kept(task) + image
      }
    }
  }

  /// A network for images of a size, and its passes: known ones, of which a few are kept.
  private func scheduled(
    _ half: Half, _ size: Extents, _ task: Task
  ) throws(TilingShortage) -> Scheduled {
    let key = HalfKey(
      half: half,
      size: Key(
        task: task, height: size.height, width: size.width, isNumbers: size.isNumbers))
    if let known = schedules[key] { return known }
    let map = half == .encoder ? encoder(size) : decoder(size)
    let kept = size.kept(task)
    do {
      let schedule = try TilingSchedule(
        map, memory: TilingMemory(bytes: memory - kept, result: size.result(half)), lanes: lanes,
        on: parameters.backend, forced: forcedTile)
      if schedules.count == Self.mostSchedules { schedules = [:] }
      schedules[key] = (map, schedule)
      return (map, schedule)
    } catch {
      throw TilingShortage(bytes: kept + error.bytes, layer: error.layer)
    }
  }

  private func checkBottleneck(_ size: Extents, _ task: Task) throws(TilingShortage) {
    let kept = size.kept(task) + size.vectors * size.dimension * 4
    let arena = bottleneckPlan(size, rows: rows(of: size, task), task).arenaWords
    let bytes = kept + arena * MemoryLayout<Float>.stride * (task == .draw ? 1 : lanes)
    guard bytes <= memory else { throw TilingShortage(bytes: bytes, layer: nil) }
  }

  // MARK: Networks

  private func declare(_ graph: Graph) { _ = Tokenizer(configuration, in: Scope(graph)) }

  private func encoder(_ size: Extents) -> TileMap {
    TileMap(image: [1, size.height, size.width, 3], declare: declare) {
      [configuration] graph, image in
      Tokenizer(configuration, in: Scope(graph)).latents(of: image)
    }
  }

  private func decoder(_ size: Extents) -> TileMap {
    TileMap(image: [1, size.rows, size.columns, size.dimension], declare: declare) {
      [configuration] graph, codes in
      Tokenizer(configuration, in: Scope(graph)).decode(codes)
    }
  }

  private func halves(_ task: Task) -> [Half] {
    switch task {
    case .encode, .draw, .vectors: [.encoder]
    case .decode: [.decoder]
    case .reconstruct: [.encoder, .decoder]
    }
  }

  /// Begins a task, whose passes are counted from here on.
  private func begin(_ task: Task, _ size: Extents) throws {
    let passes = try halves(task).reduce(0) {
      try $0 + scheduled($1, size, task).schedule.passes.count
    }
    monitor = TilingMonitor(passes: passes, report: progress, shouldStop: shouldStop)
    try monitor.check()
  }

  private func run(
    _ network: Scheduled, from source: any TileSource, into sink: @escaping TiledRun<B>.Sink
  ) throws {
    try TiledRun(
      network.map, network.schedule, parameters: parameters, lanes: lanes, pool: pool,
      source: source, monitor: monitor
    ).run(into: sink)
  }

  private func latents(
    of image: any TileSource, _ size: Extents, _ task: Task
  ) throws -> StoredValue {
    let latents = StoredValue([1, size.rows, size.columns, size.encoded])
    try run(try scheduled(.encoder, size, task), from: image) {
      row, columns, numbers in
      latents.place(row, columns.lowerBound)
        .update(from: numbers, count: columns.count * size.encoded)
    }
    return latents
  }

  private func image(
    of codes: StoredValue, _ size: Extents, _ task: Task
  ) throws -> Image {
    let network = try scheduled(.decoder, size, task)
    let pixels = try [UInt8](unsafeUninitializedCapacity: size.height * size.width * 3) {
      pixels, count in
      nonisolated(unsafe) let start = pixels.baseAddress!
      try run(network, from: codes) { row, columns, numbers in
        Image.convert(
          columns.count * 3, normalized: numbers,
          into: start + (row * size.width + columns.lowerBound) * 3)
      }
      count = size.height * size.width * 3
    }
    return Image(width: size.width, height: size.height, pixels: pixels)
  }

  // MARK: The bottleneck

  /// Rows of vectors that are quantized at a time: noise is a function of the place in the whole grid.
  private func rows(of size: Extents, _ task: Task) -> Int {
    task == .draw ? size.rows : max(1, min(size.rows, Self.vectorsPerReplay / size.columns))
  }

  private func bottleneckPlan(_ size: Extents, rows: Int, _ task: Task) -> Plan {
    let graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    if task == .decode {
      let codes = CodecSessions<B>.codes(
        tokenizer, configuration, images: 1, rows: rows, columns: size.columns, in: graph)
      return Plan(graph, outputs: ["codes": codes], on: parameters.backend)
    }
    let latents = graph.input("vectors", [1, rows, size.columns, size.encoded])
    return Plan(
      graph,
      outputs: CodecSessions<B>.quantize(latents, tokenizer, configuration, task).outputs,
      on: parameters.backend)
  }

  /// Replays the bottleneck over rows of vectors, which do not depend on each other.
  ///
  /// - Parameters:
  ///   - name: of the input, of so many words a vector.
  ///   - key: of the noise.
  private func replayBottleneck(
    _ size: Extents, _ task: Task, _ name: String, _ words: UnsafeRawPointer, perVector: Int,
    key: Int32 = 0
  ) throws -> [String: StoredValue] {
    let step = rows(of: size, task)
    var results: [String: StoredValue] = [:]
    let (whole, rest) = size.rows.quotientAndRemainder(dividingBy: step)
    for (first, rows, count) in [(0, step, whole), (whole * step, rest, 1)] where rows * count > 0 {
      let plan = bottleneckPlan(size, rows: rows, task)
      let session = Session(
        plan, parameters: parameters, lanes: task == .draw ? 1 : lanes,
        pool: task == .draw ? LanePool(threads: 1) : pool)
      let shares = plan.outputs.mapValues { $0.shape.count / (rows * size.columns) }
      for (name, share) in shares where results[name] == nil {
        results[name] = StoredValue([size.vectors * share])
      }
      session.feed = { replay in
        var key = key
        let start = (first + replay.item * rows) * size.columns
        replay.write(name, words: words + start * perVector * MemoryLayout<Float>.stride)
        replay.write("keys", words: &key)
      }
      session.collect = { [results] replay in
        let start = (first + replay.item * rows) * size.columns
        for (name, share) in shares {
          replay.read(name, intoWords: results[name]!.numbers + start * share)
        }
      }
      session.isCancelled = { [monitor] in monitor.isStopped }
      session.runUnordered(items: count)
      try monitor.check()
    }
    return results
  }

  private func quantized(
    _ image: any TileSource, _ size: Extents, _ task: Task, key: Int32 = 0
  ) throws -> [String: StoredValue] {
    try begin(task, size)
    let latents = try latents(of: image, size, task)
    return try replayBottleneck(
      size, task, "vectors", latents.numbers, perVector: size.encoded, key: key)
  }

  // MARK: Images

  /// The tokens of an image whose sides are multiples of the downsampling.
  public func encode(_ image: Image) throws -> TokenGrid {
    precondition(!configuration.quantizer.isContinuous, "a continuous bottleneck has no tokens")
    return try encode(
      ImagePixels(image), Extents(image.height, image.width, configuration))
  }

  /// The tokens of an image whose pixels may come from anywhere.
  func encode(_ image: any TileSource, _ size: Extents) throws -> TokenGrid {
    let grid = tokens(try quantized(image, size, .encode), size)
    if grid.indices.contains(where: { $0 < 0 }) { throw CodecError.notFinite(image: 0) }
    return grid
  }

  /// The vectors before quantization, row by row, `[h * w, d]`.
  public func vectors(of image: Image) throws -> [Float] {
    let size = Extents(image.height, image.width, configuration)
    return try finite(try quantized(ImagePixels(image), size, .vectors)["latents"])
  }

  /// The latents of an image; of distributions the means, or drawn by a key.
  public func latents(of image: Image, drawnBy key: Int32? = nil) throws -> LatentGrid {
    precondition(configuration.quantizer.isContinuous, "tokens are no latents")
    let size = Extents(image.height, image.width, configuration)
    let results = try quantized(
      ImagePixels(image), size, key == nil ? .encode : .draw, key: key ?? 0)
    return LatentGrid(
      height: size.rows, width: size.columns, channels: size.dimension,
      numbers: try finite(results["latents"]))
  }

  /// The image that tokens stand for.
  public func decode(_ grid: TokenGrid) throws -> Image {
    let quantizer = configuration.quantizer
    precondition(!quantizer.isContinuous, "a continuous bottleneck has no tokens")
    precondition(grid.depth == quantizer.depth, "tokens have the depth of their tokenizer")
    for token in grid.indices where token < 0 || token >= quantizer.codebookSize {
      throw CodecError.tokenOutOfRange(
        image: 0, token: token, codebookSize: quantizer.codebookSize)
    }
    let size = extents(ofGrid: grid.height, grid.width)
    try begin(.decode, size)
    let codes = try grid.indices.withUnsafeBytes {
      try replayBottleneck(size, .decode, "indices", $0.baseAddress!, perVector: size.depth)
    }
    return try image(of: shaped(codes["codes"]!, size), size, .decode)
  }

  /// The image that latents stand for; only of a tokenizer whose bottleneck is continuous.
  public func decode(latents grid: LatentGrid) throws -> Image {
    precondition(configuration.quantizer.isContinuous, "tokens are no latents")
    precondition(
      grid.channels == configuration.quantizer.codeDimension,
      "latents have the channels of their autoencoder")
    if let place = grid.numbers.firstIndex(where: { !$0.isFinite }) {
      throw CodecError.latentNotFinite(image: 0, value: grid.numbers[place])
    }
    let size = extents(ofGrid: grid.height, grid.width)
    try begin(.decode, size)
    let codes = StoredValue([1, size.rows, size.columns, size.dimension])
    grid.numbers.withUnsafeBufferPointer {
      codes.numbers.update(from: $0.baseAddress!, count: $0.count)
    }
    return try image(of: codes, size, .decode)
  }

  /// The tokenizer's own forward pass on an image.
  public func reconstruct(_ image: Image) throws -> ImageReconstruction {
    let size = Extents(image.height, image.width, configuration)
    let results = try quantized(ImagePixels(image), size, .reconstruct)
    let isContinuous = configuration.quantizer.isContinuous
    let latents = results["latents"]!.array(of: Float.self)
    if isContinuous, !latents.allSatisfy(\.isFinite) { throw CodecError.notFinite(image: 0) }
    let grid = isContinuous ? TokenGrid.empty : tokens(results, size)
    if grid.indices.contains(where: { $0 < 0 }) { throw CodecError.notFinite(image: 0) }
    let (targets, codes) = (results["targets"]!, results["codes"]!)
    var error = 0.0
    for index in 0..<codes.shape.count {
      let difference = Double(targets.numbers[index]) - Double(codes.numbers[index])
      error += difference * difference
    }
    return ImageReconstruction(
      tokens: grid, image: try self.image(of: shaped(codes, size), size, .reconstruct),
      quantizationError: error / Double(size.vectors), latents: latents,
      divergences: results["divergence"]?.array(of: Float.self) ?? [])
  }

  private func extents(ofGrid rows: Int, _ columns: Int) -> Extents {
    let f = configuration.model.downsampling
    return Extents(rows * f, columns * f, configuration)
  }

  private func tokens(_ results: [String: StoredValue], _ size: Extents) -> TokenGrid {
    TokenGrid(
      height: size.rows, width: size.columns, depth: size.depth,
      indices: results["indices"]!.array(of: Int32.self))
  }

  private func finite(_ value: StoredValue?) throws(CodecError) -> [Float] {
    let numbers = value!.array(of: Float.self)
    guard numbers.allSatisfy(\.isFinite) else { throw .notFinite(image: 0) }
    return numbers
  }

  /// Codes, as the image that the decoder begins with.
  private func shaped(_ codes: StoredValue, _ size: Extents) -> StoredValue {
    StoredValue([1, size.rows, size.columns, size.dimension], of: codes)
  }
}

/// The pixels of an image as numbers in [-1, 1].
private final class ImagePixels: TileSource {
  private let image: Image

  init(_ image: Image) { self.image = image }

  func row(
    _ row: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    let start = row * image.width
    image.write(
      pixels: start + columns.lowerBound..<start + columns.upperBound, normalizedTo: scratch)
    return UnsafePointer(scratch)
  }
}
