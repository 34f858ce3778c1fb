import Execution
import Formatting
import Imaging
import Inference
import Tokenizers
import Training

/// A codec that stays within a memory: large images go through it one at a time, larger ones in tiles, and those
/// that even then do not fit are refused.
final class BoundedCodec {
  /// What is done with images.
  typealias Task = CodecTask

  private let codec: Codec<Device>
  private let single: Codec<Device>
  /// Nil where tiles would change bits.
  private let tiled: TiledCodec<Device>?
  private let memoryLimit: Int
  private let limitName: String
  private let terminal: Terminal?
  private var laneBytes: [Need: Int] = [:]

  private struct Need: Hashable {
    let task: Task
    let height: Int
    let width: Int
  }

  /// The way that an image takes through the network.
  private enum Way {
    case inLanes, alone, inTiles
  }

  /// Wraps a checkpoint's codec.
  ///
  /// - Parameters:
  ///   - memory: the bytes that the process may take (`--memory`); by default half of what there is.
  ///   - terminal: where to tell how far an image is that is computed in tiles.
  init(
    _ tokenizer: OpenedTokenizer, memory: Int? = nil, _ terminal: Terminal? = nil,
    limit: MemoryLimits.Limit = MemoryLimits().least
  ) {
    codec = tokenizer.codec
    self.terminal = terminal
    single = Codec(
      tokenizer.configuration, parameters: tokenizer.parameters, lanes: 1,
      pool: LanePool(threads: codec.lanes))
    let left = max(0, min(limit.bytes - MemoryLimits.reserve, 0x1p60))
    if let memory {
      let weights = tokenizer.parameters.layout.words * MemoryLayout<Float>.stride
      let allowed = Double(memory - weights - MemoryOption.least)
      memoryLimit = Int(max(0, min(allowed, left)))
      limitName =
        allowed < left
        ? "what --memory leaves beside the program and its weights" : "what \(limit.name) leaves"
    } else {
      memoryLimit = Int(left / 2)
      limitName = "half of what \(limit.name) leaves"
    }
    let kept = min(codec.mostKeptBytes, memoryLimit / 4)
    (codec.mostKeptBytes, single.mostKeptBytes) = (kept, kept)
    tiled =
      codec.canTile
      ? TiledCodec(
        tokenizer.configuration, parameters: tokenizer.parameters, lanes: codec.lanes,
        pool: LanePool(threads: codec.lanes), memory: memoryLimit) : nil
    tiled?.shouldStop = { Interruption.isRequested }
  }

  /// Refuses what needs more memory than there is; sizes in pixels.
  ///
  /// - Parameter canTile: whether images may be computed in tiles.
  func check(
    _ tasks: [Task], height: Int, width: Int, name: String, canTile: Bool = true
  ) throws {
    for task in tasks where way(task, height, width) == .inTiles {
      let found: (bytes: Int, reason: String)
      if canTile, let tiled {
        do throws(TilingShortage) {
          try tiled.check(task, height: height, width: width)
          continue
        } catch {
          found = (error.bytes, error.reason)
        }
      } else {
        found = (need(task, height, width), "")
      }
      throw Failure(
        .badData,
        "\(name): \(width)x\(height) pixels need \(Display.megabytes(found.bytes)) of working memory"
          + "\(found.reason), more than \(Display.megabytes(memoryLimit)), \(limitName). "
          + (canTile ? "Raise --memory, encode it " : "Encode it ")
          + "with --size model or a smaller --size WxH, or on a larger machine.")
    }
  }

  /// More pixels than this cannot fit, whatever the image's shape; fewer may not fit either.
  func mostPixels(_ tasks: [Task]) -> Int {
    if let tiled { return tiled.mostPixels(tasks) }
    // Half the memory that a pixel of a middling image takes is less than any pixel takes, so that a header
    // is enough to refuse what is far too large.
    let side = codec.configuration.model.downsampling * 64
    let bytes = tasks.map { need($0, side, side) }.max() ?? 0
    // Where even that one has no room, per pixel less may be needed by smaller ones.
    guard bytes > 0, bytes < memoryLimit else { return .max }
    return Int(Double(memoryLimit) * Double(side * side) * 2 / Double(bytes))
  }

  /// The tokens of images; `names` are for errors.
  func encode(_ images: [Image], names: [String]) throws -> [TokenGrid] {
    try split(.encode, images.map { ($0.height, $0.width) }, names) { codec, members in
      try codec.encode(members.map { images[$0] })
    }
  }

  /// The vectors before quantization of images; `names` are for errors.
  func vectors(of images: [Image], names: [String]) throws -> [[Float]] {
    try split(.vectors, images.map { ($0.height, $0.width) }, names) { codec, members in
      try codec.vectors(of: members.map { images[$0] })
    }
  }

  /// The images that tokens stand for; `names` are for errors.
  func decode(_ grids: [TokenGrid], names: [String]) throws -> [Image] {
    let side = codec.configuration.model.downsampling
    let sizes = grids.map { ($0.height * side, $0.width * side) }
    return try split(.decode, sizes, names) { codec, members in
      try codec.decode(members.map { grids[$0] })
    }
  }

  /// The latents of images, where nothing is quantized: means, or drawn by a key for each image; `names`
  /// are for errors.
  func latents(
    _ images: [Image], drawnBy keys: [Int32]? = nil, names: [String]
  ) throws -> [LatentGrid] {
    let task: Task = keys == nil ? .encode : .draw
    return try split(task, images.map { ($0.height, $0.width) }, names) { codec, members in
      try codec.latents(
        of: members.map { images[$0] }, drawnBy: keys.map { keys in members.map { keys[$0] } })
    }
  }

  /// The images that latents stand for; `names` are for errors.
  func decode(latents grids: [LatentGrid], names: [String]) throws -> [Image] {
    let side = codec.configuration.model.downsampling
    let sizes = grids.map { ($0.height * side, $0.width * side) }
    return try split(.decode, sizes, names) { codec, members in
      try codec.decode(latents: members.map { grids[$0] })
    }
  }

  /// What the model's own forward pass makes of images; `names` are for errors.
  func reconstruct(
    _ images: [Image], names: [String]
  ) throws -> [ImageReconstruction] {
    try split(.reconstruct, images.map { ($0.height, $0.width) }, names) { codec, members in
      try codec.reconstruct(members.map { images[$0] })
    }
  }

  /// Gives each item to the codec that has room for it, and puts the results in order.
  private func split<R>(
    _ task: Task, _ sizes: [(height: Int, width: Int)], _ names: [String],
    _ body: (any ImageCodec, [Int]) throws -> [R]
  ) throws -> [R] {
    var results = [R?](repeating: nil, count: sizes.count)
    let ways = sizes.map { way(task, $0.height, $0.width) }
    func members(_ way: Way) -> [Int] { sizes.indices.filter { ways[$0] == way } }
    func named<T>(_ members: [Int], _ body: () throws -> T) throws -> T {
      do { return try body() } catch let error as CodecError {
        throw Self.failure(error, members.map { names[$0] })
      }
    }
    for (codec, members) in [(codec, members(.inLanes)), (single, members(.alone))]
    where !members.isEmpty {
      let found = try named(members) { try body(codec, members) }
      for (member, result) in zip(members, found) { results[member] = result }
    }
    for member in members(.inTiles) {
      codec.releaseMemory()
      single.releaseMemory()
      try check(
        [task], height: sizes[member].height, width: sizes[member].width, name: names[member])
      guard let tiled else { preconditionFailure("without tiles the check has refused it") }
      results[member] = try named([member]) {
        try telling(of: names[member], tiled) { try body(tiled, [member])[0] }
      }
    }
    return results.compactMap { $0 }
  }

  /// Computes an image in tiles: a line on the terminal tells how far it is, and a stop is heard between them.
  private func telling<R>(
    of name: String, _ tiled: TiledCodec<Device>, _ body: () throws -> R
  ) throws -> R {
    // The lanes report one at a time, and nobody else uses the terminal meanwhile.
    nonisolated(unsafe) let terminal = terminal
    tiled.progress = { progress in
      terminal?.progress(
        "\(name): pass \(progress.pass) of \(progress.passes), \(Int(progress.share * 100))%")
    }
    defer { tiled.progress = { _ in } }
    do { return try body() } catch is CancellationError {
      terminal?.endProgress()
      throw EncodingInterrupted()
    }
  }

  /// Where an image of a size fits.
  private func way(_ task: Task, _ height: Int, _ width: Int) -> Way {
    let bytes = need(task, height, width)
    // Both codecs keep memory for a while; half for each leaves room for the other.
    if bytes <= memoryLimit / 2 / codec.lanes { return .inLanes }
    return bytes <= (tiled == nil ? memoryLimit : memoryLimit / 2) ? .alone : .inTiles
  }

  /// The bytes of a lane: its arena, and the image as bytes and as numbers on its way in and out.
  private func need(_ task: Task, _ height: Int, _ width: Int) -> Int {
    let need = Need(task: task, height: height, width: width)
    if let bytes = laneBytes[need] { return bytes }
    let image = 3 * (MemoryLayout<Float>.stride + 2) * height * width
    let bytes = codec.laneBytes(task, height: height, width: width) + image
    laneBytes[need] = bytes
    return bytes
  }

  /// The codec's error with the image's name instead of its number.
  private static func failure(_ error: CodecError, _ names: [String]) -> Failure {
    switch error {
    case .notFinite(let image):
      Failure(
        .badData,
        "\(names[image]): the encoder produced a number that is not finite. The weights "
          + "are damaged; use another checkpoint.")
    case .tokenOutOfRange(let image, let token, let size):
      Failure(
        .badData,
        "\(names[image]): token \(token) is not below \(size), the size of the codebook. "
          + "The tokens are damaged or of another tokenizer.")
    case .latentNotFinite(let image, let value):
      Failure(
        .badData,
        "\(names[image]): its latents hold \(value). The latents are damaged: encode it again.")
    }
  }
}
