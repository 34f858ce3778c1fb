import CPUBackend
import Execution
import Foundation
import Inference
import Tokenizers

/// The device that this module computes on.
typealias Device = CPUBackend

/// Codecs over one set of weights, each lent to one task at a time.
///
/// A codec serves one caller at a time. Calls with one image take codecs of one thread, so that as
/// many tasks as there are threads compute side by side; a call with several images takes the
/// codec that shares them out over all threads; images that need much memory go through one codec
/// one by one.
final class CodecPool: @unchecked Sendable {
  // Unchecked: the condition guards what changes, a codec is in the hands of one task, and the
  // weights are only read.

  /// What the codecs run.
  let configuration: TokenizerConfiguration
  private let parameters: ParameterMemory<Device>
  private let condition = NSCondition()
  private let singles: Shelf
  private let batches: Shelf
  private let large = Shelf(lanes: 1, most: 1)
  private var laneBytes: [Size: Int] = [:]
  /// What an image may take, as of the last size that was new.
  private var mostBytes = 0

  /// Sizes of images whose needs are remembered.
  private static let keptSizes = 4096

  /// Codecs of one kind.
  private final class Shelf {
    /// Images that one of them computes at once.
    let lanes: Int
    /// How many there may be.
    let most: Int
    var made = 0
    var idle: [Codec<Device>] = []

    init(lanes: Int, most: Int) { (self.lanes, self.most) = (lanes, most) }
  }

  private struct Size: Hashable {
    let task: Codec<Device>.Task
    let height: Int
    let width: Int
  }

  /// Codecs for so many threads.
  init(_ configuration: TokenizerConfiguration, _ parameters: ParameterMemory<Device>, threads: Int)
  {
    self.configuration = configuration
    self.parameters = parameters
    singles = Shelf(lanes: 1, most: threads)
    batches = Shelf(lanes: threads, most: 1)
  }

  /// Lends a codec for images of some sizes in pixels, after waiting for one where all are lent
  /// out.
  ///
  /// - Throws: ``TesseraError`` `memory` where an image needs more than half of what there is.
  func withCodec<R>(
    for task: Codec<Device>.Task, _ sizes: [(height: Int, width: Int)],
    _ work: (Codec<Device>) throws -> R
  ) throws -> R {
    var bytes = 0
    for size in sizes { bytes = max(bytes, try need(task, size.height, size.width)) }
    let most = condition.withLock { mostBytes }
    let shelf =
      bytes > most / 2 / batches.lanes ? large : sizes.count > 1 ? batches : singles
    let codec = take(from: shelf)
    defer { put(codec, on: shelf) }
    return try work(codec)
  }

  private func take(from shelf: Shelf) -> Codec<Device> {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if let codec = shelf.idle.popLast() { return codec }
      if shelf.made < shelf.most {
        shelf.made += 1
        return Codec(
          configuration, parameters: parameters, lanes: shelf.lanes,
          pool: LanePool(threads: shelf.lanes))
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
  private func need(
    _ task: Codec<Device>.Task, _ height: Int, _ width: Int
  ) throws(TesseraError) -> Int {
    let size = Size(task: task, height: height, width: width)
    if let known = condition.withLock({ laneBytes[size] }) { return known }
    let codec = take(from: singles)
    let bytes = codec.laneBytes(task, height: height, width: width)
    put(codec, on: singles)
    let limit = MemoryLimits().least
    let most = Int(max(0, min(limit.bytes - MemoryLimits.reserve, 0x1p60)) / 2)
    guard bytes <= most else {
      throw TesseraError(
        .memory,
        "\(width)x\(height) pixels need \(bytes / 1_000_000) MB of working memory, more than the "
          + "\(most / 1_000_000) MB that are half of what \(limit.name) leaves. Resize the image, or "
          + "cut it.")
    }
    condition.withLock {
      if laneBytes.count == Self.keptSizes { laneBytes = [:] }
      laneBytes[size] = bytes
      mostBytes = most
    }
    return bytes
  }
}
