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
    let limit = MemoryLimits().least
    let most = Int(max(0, min(limit.bytes - MemoryLimits.reserve, 0x1p60)) / 2)
    var bytes = 0
    for size in sizes {
      let need = need(task, size.height, size.width)
      guard need <= most else {
        throw TesseraError(
          .memory,
          "\(size.width)x\(size.height) pixels need \(need / 1_000_000) MB of working memory, more than "
            + "the \(most / 1_000_000) MB that are half of what \(limit.name) leaves. Resize the image, "
            + "or cut it.")
      }
      bytes = max(bytes, need)
    }
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

  /// The bytes that a lane needs for an image of a size; planned once, a few milliseconds.
  private func need(_ task: Codec<Device>.Task, _ height: Int, _ width: Int) -> Int {
    let size = Size(task: task, height: height, width: width)
    condition.lock()
    let known = laneBytes[size]
    condition.unlock()
    if let known { return known }
    let codec = take(from: singles)
    defer { put(codec, on: singles) }
    let bytes = codec.laneBytes(task, height: height, width: width)
    condition.lock()
    laneBytes[size] = bytes
    condition.unlock()
    return bytes
  }
}
