import Foundation
import Imaging

/// Images in order, read and prepared by threads of its own while others compute.
///
/// At most so many images and so many pixels lie ready at a time. What cannot be read comes as its
/// error, at its place.
final class ImageStream: @unchecked Sendable {
  // Unchecked: the condition guards everything that changes.

  /// One image, or what is wrong with it.
  struct Item: Sendable {
    /// The file.
    let input: ImageInput
    /// What came of it.
    let result: Result<PreparedImage, any Error>

    /// The pixels that it keeps in memory.
    var pixels: Int {
      (try? result.get()).map { $0.image.width * $0.image.height } ?? 0
    }
  }

  private let inputs: [ImageInput]
  private let preparation: Preparation
  private let countLimit: Int
  private let pixelLimit: Int

  private let condition = NSCondition()
  private var ready: [Int: Item] = [:]
  private var readyPixels = 0
  private var nextToRead = 0
  private var nextToTake = 0
  private var isStopped = false

  /// Starts to read; `countLimit` and `pixelLimit` bound a portion, and what is read ahead of it.
  init(
    _ inputs: [ImageInput], _ preparation: Preparation, threads: Int, countLimit: Int,
    pixelLimit: Int = 1 << 23
  ) {
    self.inputs = inputs
    self.preparation = preparation
    self.countLimit = max(1, countLimit)
    self.pixelLimit = pixelLimit
    for number in 0..<max(1, min(threads, inputs.count)) {
      let thread = Thread { [self] in readAhead() }
      thread.name = "reader \(number)"
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  /// The next images, in order: as many as the limits allow, but one at least; none at the end.
  func next() -> [Item] {
    var portion: [Item] = []
    var pixels = 0
    condition.lock()
    defer { condition.unlock() }
    while nextToTake < inputs.count, portion.count < countLimit {
      guard let item = ready[nextToTake] else {
        condition.wait()
        continue
      }
      if !portion.isEmpty, pixels + item.pixels > pixelLimit { break }
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
      ready[index] = item
      readyPixels += item.pixels
      condition.broadcast()
      condition.unlock()
    }
  }

  /// The next image to read, once there is room; nil when there is none.
  private func claim() -> Int? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if isStopped || nextToRead >= inputs.count { return nil }
      let ahead = nextToRead - nextToTake
      // The image that is waited for may always be read, or a large one would block for ever.
      if ahead == 0 || (ahead < countLimit && readyPixels < pixelLimit) {
        nextToRead += 1
        return nextToRead - 1
      }
      condition.wait()
    }
  }

  private func read(_ input: ImageInput) -> Item {
    Item(
      input: input,
      result: Result {
        try preparation.prepare(try ImageDecoder().read(input.path), file: input.path)
      })
  }
}
