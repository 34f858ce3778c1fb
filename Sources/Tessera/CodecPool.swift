import CPUBackend
import Execution
import Foundation
import Inference
import Tokenizers

/// The device that this module computes on.
typealias Device = CPUBackend

/// Codecs over one set of weights, each lent to one task at a time.
///
/// A codec serves one caller at a time. One codec has all threads, which share several images out, or
/// compute a single one together. While it is lent, calls with one image take codecs of one thread, so
/// that as many tasks as there are threads compute side by side. Images that need much memory go through
/// one codec one by one, and those that do not fit in tiles.
final class CodecPool: @unchecked Sendable {
  // Unchecked: the condition guards what changes, a codec is in the hands of one task, and the
  // weights are only read.

  /// What the codecs run.
  let configuration: TokenizerConfiguration
  private let parameters: ParameterMemory<Device>
  private let condition = NSCondition()
  private let singles: Shelf
  private let batches: Shelf
  private let large: Shelf
  /// Held by the call that computes in tiles: one at a time.
  private let tiling = NSLock()
  /// What a call may take as its program says; nil for half of what there is.
  private let memory: Int?
  private var laneBytes: [Size: Int] = [:]
  /// What a call may take, as of the last size that was new.
  private var lastLimit: Limit?

  /// Sizes of images whose needs are remembered.
  private static let keptSizes = 4096

  /// Codecs of one kind.
  private final class Shelf {
    /// Images that one of them computes at once.
    let lanes: Int
    /// Its threads, which compute a single image together.
    let threads: Int
    /// How many there may be.
    let most: Int
    var made = 0
    var idle: [Codec<Device>] = []

    init(lanes: Int, threads: Int, most: Int) {
      (self.lanes, self.threads, self.most) = (lanes, threads, most)
    }
  }

  private struct Size: Hashable {
    let task: CodecTask
    let height: Int
    let width: Int
  }

  /// The bytes that a call may take, and what leaves them, in words.
  private typealias Limit = (bytes: Int, name: String)

  /// Codecs for so many threads.
  ///
  /// - Parameter memory: the bytes that a call may take; nil for half of what there is.
  init(
    _ configuration: TokenizerConfiguration, _ parameters: ParameterMemory<Device>, threads: Int,
    memory: Int?
  ) {
    self.configuration = configuration
    self.parameters = parameters
    self.memory = memory
    singles = Shelf(lanes: 1, threads: 1, most: threads)
    batches = Shelf(lanes: threads, threads: threads, most: 1)
    large = Shelf(lanes: 1, threads: threads, most: 1)
  }

  /// Images may have so many pixels: as many as fit where a memory was given, else the usual limit.
  func pixelLimit(_ usual: Int) -> Int {
    guard memory != nil, canTile else { return usual }
    return max(usual, makeTiled(limit.bytes).mostPixels([.decode]))
  }

  /// Lends a codec for images of some sizes in pixels, after waiting for one where all are lent
  /// out; where an image does not fit as a whole, one that computes in tiles, image by image.
  ///
  /// - Parameter isNumbers: whether images are given as numbers.
  /// - Throws: ``TesseraError`` `memory` where an image needs more than there may be, even in tiles.
  func withCodec<R>(
    for task: CodecTask, _ sizes: [(height: Int, width: Int)], isNumbers: Bool = false,
    _ work: (any ImageCodec) throws -> R
  ) throws -> R {
    let bytes = sizes.map { need(task, $0.height, $0.width) }.max() ?? 0
    let limit = condition.withLock { lastLimit } ?? limit
    if bytes > limit.bytes { return try inTiles(task, sizes, isNumbers, limit, work) }
    let isLarge = bytes > limit.bytes / 2 / batches.lanes
    let (codec, shelf) = take(
      from: isLarge ? [large] : sizes.count > 1 ? [batches] : [batches, singles])
    defer { put(codec, on: shelf) }
    // What is kept for sizes that come again is part of what a call may take.
    if memory != nil { codec.mostKeptBytes = min(1 << 30, limit.bytes / 4 / shelf.most) }
    return try work(codec)
  }

  /// Computes in tiles by all threads; whoever comes meanwhile waits.
  private func inTiles<R>(
    _ task: CodecTask, _ sizes: [(height: Int, width: Int)], _ isNumbers: Bool, _ limit: Limit,
    _ work: (any ImageCodec) throws -> R
  ) throws -> R {
    guard canTile else {
      let largest = sizes.max { need(task, $0.height, $0.width) < need(task, $1.height, $1.width) }!
      throw Self.shortage(
        largest, need(task, largest.height, largest.width), "", limit, canRaise: memory != nil)
    }
    return try tiling.withLock {
      let codec = makeTiled(limit.bytes)
      for size in sizes {
        do throws(TilingShortage) {
          try codec.check(task, height: size.height, width: size.width, isNumbers: isNumbers)
        } catch {
          throw Self.shortage(size, error.bytes, error.reason, limit, canRaise: memory != nil)
        }
      }
      return try work(codec)
    }
  }

  private static func shortage(
    _ size: (height: Int, width: Int), _ bytes: Int, _ reason: String, _ limit: Limit,
    canRaise: Bool
  ) -> TesseraError {
    TesseraError(
      .memory,
      "\(size.width)x\(size.height) pixels need \(bytes / 1_000_000) MB of working memory\(reason), "
        + "more than the \(limit.bytes / 1_000_000) MB that are \(limit.name). "
        + "\(canRaise ? "Raise memory, resize" : "Resize") the image, or cut it.")
  }

  private func makeTiled(_ bytes: Int) -> TiledCodec<Device> {
    TiledCodec(
      configuration, parameters: parameters, lanes: batches.lanes,
      pool: LanePool(threads: batches.lanes), memory: bytes)
  }

  /// Whether tiles change no bit.
  private var canTile: Bool { parameters.backend.isBatchInvariant }

  /// What a call may take now.
  private var limit: Limit {
    let least = MemoryLimits().least
    let left = Int(max(0, min(least.bytes - MemoryLimits.reserve, 0x1p60)))
    if let memory, memory < left { return (memory, "allowed by memory") }
    return memory == nil
      ? (left / 2, "half of what \(least.name) leaves") : (left, "what \(least.name) leaves")
  }

  /// Takes a codec from the first shelf that has one, or may have another.
  private func take(from shelves: [Shelf]) -> (codec: Codec<Device>, shelf: Shelf) {
    condition.lock()
    defer { condition.unlock() }
    while true {
      for shelf in shelves {
        if let codec = shelf.idle.popLast() { return (codec, shelf) }
        if shelf.made < shelf.most {
          shelf.made += 1
          let codec = Codec(
            configuration, parameters: parameters, lanes: shelf.lanes,
            pool: LanePool(threads: shelf.threads))
          return (codec, shelf)
        }
      }
      condition.wait()
    }
  }

  private func put(_ codec: Codec<Device>, on shelf: Shelf) {
    // What large images take is too much to be kept.
    if shelf === large { codec.releaseMemory() }
    condition.lock()
    shelf.idle.append(codec)
    condition.broadcast()
    condition.unlock()
  }

  /// The bytes that a lane needs for an image of a size.
  ///
  /// A size that is new is planned, which takes a few milliseconds, and held against the memory
  /// that there is then.
  private func need(_ task: CodecTask, _ height: Int, _ width: Int) -> Int {
    let size = Size(task: task, height: height, width: width)
    if let known = condition.withLock({ laneBytes[size] }) { return known }
    let codec = take(from: [singles]).codec
    let bytes = codec.laneBytes(task, height: height, width: width)
    put(codec, on: singles)
    let limit = limit
    condition.withLock {
      lastLimit = limit
      if laneBytes.count == Self.keptSizes { laneBytes = [:] }
      laneBytes[size] = bytes
    }
    return bytes
  }
}
