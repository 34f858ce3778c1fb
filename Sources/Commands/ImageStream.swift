import Foundation
import Imaging
import Threads

/// Images in order, read and prepared by threads of its own while others compute.
///
/// At most a portion of images lies ready at a time. What cannot be read comes as its
/// error, at its place. Where there are no threads to be had, images are read when they are asked for.
final class ImageStream: @unchecked Sendable {
  // Unchecked: the condition guards everything that changes.

  /// One image, or what is wrong with it.
  struct Item: Sendable {
    /// The file.
    let input: ImageInput
    /// The result.
    let result: Result<PreparedImage, any Error>

    /// The pixels that it keeps in memory, as portions count them.
    let pixels: Int
  }

  private let inputs: [ImageInput]
  private let preparation: Preparation
  private let limit: PortionLimit

  private let condition = NSCondition()
  private var ready: [Int: Item] = [:]
  private var readyPixels = 0
  private var nextToRead = 0
  private var nextToTake = 0
  private var isStopped = false
  private var readers = 0

  /// Starts to read.
  init(_ inputs: [ImageInput], _ preparation: Preparation, threads: Int) {
    self.inputs = inputs
    self.preparation = preparation
    limit = PortionLimit(threads: threads)
    for number in 0..<max(1, min(threads, inputs.count)) {
      guard WorkerThread.start("reader \(number)", { [self] in readAhead() }) else { break }
      readers += 1
    }
  }

  /// The next images, in order: as many as the limit allows; none at the end.
  func next() -> [Item] {
    var portion: [Item] = []
    var pixels = 0
    condition.lock()
    defer { condition.unlock() }
    while nextToTake < inputs.count {
      if readers == 0, ready[nextToTake] == nil { keep(read(inputs[nextToTake]), at: nextToTake) }
      guard let item = ready[nextToTake] else {
        condition.wait()
        continue
      }
      guard limit.admits(item.pixels, to: portion.count, pixels: pixels) else { break }
      ready[nextToTake] = nil
      nextToTake += 1
      pixels += item.pixels
      readyPixels -= item.pixels
      portion.append(item)
      condition.broadcast()
    }
    return portion
  }

  /// Lets the threads end; nothing comes any more.
  func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    condition.unlock()
  }

  private func readAhead() {
    while let index = claim() {
      let item = read(inputs[index])
      condition.lock()
      keep(item, at: index)
      condition.broadcast()
      condition.unlock()
    }
  }

  private func keep(_ item: Item, at index: Int) {
    ready[index] = item
    readyPixels += item.pixels
  }

  /// The next image to read, once there is room; nil when there is none.
  private func claim() -> Int? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if isStopped || nextToRead >= inputs.count { return nil }
      let ahead = nextToRead - nextToTake
      // The image that is waited for may always be read, or a large one would block for ever.
      if limit.admits(0, to: ahead, pixels: readyPixels) {
        nextToRead += 1
        return nextToRead - 1
      }
      condition.wait()
    }
  }

  private func read(_ input: ImageInput) -> Item {
    let result = Result { try preparation.read(input.path) }
    let pixels = (try? result.get()).map { $0.image.width * $0.image.height } ?? 0
    return Item(input: input, result: result, pixels: PortionLimit.counted(pixels))
  }
}
