import Foundation
import Randomness
import Threads

/// Batches of training samples by step number, prepared in the background.
///
/// Sample i of the run is image `order.image(ofSample: i)`, cropped and flipped by a generator that
/// is a function of the seed and i alone. So a batch is the same whatever the number of threads,
/// their timing, or the step at which a run was taken up again.
///
/// While a batch is used, threads of the loader prepare the ones after it in buffers that are used
/// again and again; with all images cached nothing is allocated. Asking for a step that is not
/// the next one is allowed and only costs the wait. Where there are no threads to be had, a batch is
/// prepared when it is asked for.
public final class BatchLoader: Sendable {
  /// The images.
  public let images: ImageSet
  /// Their order.
  public let order: BatchOrder

  private let buffers: BatchBuffers

  /// Starts the threads.
  ///
  /// - Parameters:
  ///   - images: The images, at least one.
  ///   - batchSize: Samples a batch.
  ///   - seed: Decides the order, crops and flips.
  ///   - firstStep: The step that is prepared first, before anything is asked for.
  ///   - prefetch: How many batches are prepared ahead, at least 1.
  ///   - threads: How many threads prepare batches; more than one pays if images do not fit the
  ///     cache.
  ///   - isNeeded: Whether the sample at a place of a step's batch is needed here; the others are not
  ///     decoded, and what stands in their places means nothing. Nil where all are.
  public init(
    images: ImageSet, batchSize: Int, seed: UInt64, firstStep: Int = 0, prefetch: Int = 2,
    threads: Int = 1, isNeeded: (@Sendable (_ place: Int, _ step: Int) -> Bool)? = nil
  ) {
    precondition(prefetch > 0 && threads > 0, "a loader has a thread and a batch ahead")
    let order = BatchOrder(count: images.count, batchSize: batchSize, seed: seed)
    let sizes = SizeSchedule(multiples: images.store.augmentation.sizeMultiples, seed: seed)
    let filler = BatchFiller(
      images: images, order: order, sizes: sizes, isNeeded: isNeeded,
      random: Generator(seed: seed).split(named: "augmentation"))
    self.images = images
    self.order = order
    buffers = BatchBuffers(count: prefetch + 1, filler: filler, firstStep: firstStep)
    for number in 1...threads {
      buffers.addWorker()
      guard WorkerThread.start("loader \(number)", { [buffers] in buffers.work() }) else {
        buffers.removeWorker()
        break
      }
    }
  }

  deinit { buffers.stop() }

  /// How large the images of each step are.
  public var sizes: SizeSchedule { buffers.filler.sizes }

  /// How many numbers a batch is: batchSize * size * size * 3, whatever the size of its images.
  public var batchCount: Int { buffers.filler.batchCount }

  /// Waits for the batch of a step and hands it over, [batchSize, size, size, 3] in [-1, 1], or as
  /// many numbers of fewer, larger images: see ``sizes``.
  ///
  /// The numbers are valid until `body` returns. Meanwhile the next batches are prepared.
  ///
  /// - Throws: ``DatasetError`` if an image of the batch cannot be decoded, which stops neither
  ///   the loader nor the steps around it, or if the loader was stopped; and what `body` throws.
  public func withBatch<Result>(
    step: Int, _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> Result {
    precondition(step >= 0, "steps are counted from 0")
    let slot = try buffers.take(step)
    defer { buffers.giveBack(slot) }
    return try body(buffers.numbers(slot))
  }

  /// Fills memory of the caller with any samples of the run, here and now, on this thread.
  ///
  /// `target` has room for samples.count * size * size * 3 numbers.
  public func fill(
    samples: Range<Int>, to target: UnsafeMutablePointer<Float>
  ) throws(DatasetError) {
    try buffers.filler.fill(samples: samples, to: target)
  }

  /// Ends the threads and waits for them; a batch that is in use stays valid.
  ///
  /// Whoever waits for a batch, or asks for one later, gets `DatasetError.stopped`.
  public func stop() { buffers.stop() }
}

/// Makes samples from their numbers.
struct BatchFiller: Sendable {
  let images: ImageSet
  let order: BatchOrder
  let sizes: SizeSchedule
  let isNeeded: (@Sendable (_ place: Int, _ step: Int) -> Bool)?
  let random: Generator

  var batchCount: Int { order.batchSize * images.store.augmentation.sampleCount }

  /// Fills in the samples of a step: where they are larger than usual, the first few of its samples.
  func fill(step: Int, to target: UnsafeMutablePointer<Float>) throws(DatasetError) {
    let first = order.samples(ofStep: step).lowerBound
    let count = sizes.images(ofStep: step, batchSize: order.batchSize)
    try fill(
      samples: first..<first + count, multiple: sizes.multiple(ofStep: step), ofStep: step,
      to: target)
  }

  func fill(
    samples: Range<Int>, multiple: Int = 1, ofStep step: Int? = nil,
    to target: UnsafeMutablePointer<Float>
  ) throws(DatasetError) {
    let recipe = images.store.augmentation
    let stride = recipe.sampleCount * multiple * multiple
    for sample in samples {
      if let step, let isNeeded, !isNeeded(sample - samples.lowerBound, step) { continue }
      let image = try images.image(order.image(ofSample: sample))
      var generator = random.split(UInt64(sample))
      recipe.write(
        image, multiple: multiple, random: &generator,
        to: target + (sample - samples.lowerBound) * stride)
    }
  }
}

/// The buffers between the threads that prepare batches and the one that uses them.
///
/// The buffers serve a window of steps: the one in use or asked for last, and those that follow.
/// A thread takes the first step of the window that no buffer has, and a buffer that is free or has
/// a step outside of the window. All of `slots`, `base` and `workers` is guarded by `condition`;
/// the memory of a slot belongs to the thread that fills it, or to the user, as its state says.
final class BatchBuffers: @unchecked Sendable {
  let filler: BatchFiller

  private enum State {
    case free
    case filling
    case ready(DatasetError?)
    case inUse
  }

  private struct Slot {
    var state = State.free
    var step = -1
    let memory: UnsafeMutablePointer<Float>
  }

  private let condition = NSCondition()
  private var slots: [Slot]
  private var base: Int
  private var workers = 0
  private var isStopped = false

  init(count: Int, filler: BatchFiller, firstStep: Int) {
    self.filler = filler
    base = firstStep
    slots = (0..<count).map { _ in
      Slot(memory: UnsafeMutablePointer<Float>.allocate(capacity: filler.batchCount))
    }
    for slot in slots { slot.memory.initialize(repeating: 0, count: filler.batchCount) }
  }

  deinit {
    for slot in slots { slot.memory.deallocate() }
  }

  /// Counts a thread that is about to `work`.
  func addWorker() {
    condition.lock()
    workers += 1
    condition.unlock()
  }

  /// A thread has ended, or did not begin.
  func removeWorker() {
    condition.lock()
    workers -= 1
    condition.broadcast()
    condition.unlock()
  }

  /// The loop of a thread until the loader stops.
  func work() {
    condition.lock()
    while !isStopped {
      guard let (slot, step) = nextTask() else {
        condition.wait()
        continue
      }
      prepare(step, in: slot)
    }
    condition.unlock()
    removeWorker()
  }

  /// Prepares a batch in a buffer; the lock is held before and after, not meanwhile.
  private func prepare(_ step: Int, in slot: Int) {
    slots[slot].state = .filling
    slots[slot].step = step
    let memory = slots[slot].memory
    condition.unlock()
    let failure = fill(step, memory)
    condition.lock()
    slots[slot].state = .ready(failure)
    condition.broadcast()
  }

  private func fill(_ step: Int, _ memory: UnsafeMutablePointer<Float>) -> DatasetError? {
    do throws(DatasetError) {
      try filler.fill(step: step, to: memory)
      return nil
    } catch {
      return error
    }
  }

  /// The first step of the window that is not being seen to, and a buffer for it.
  private func nextTask() -> (slot: Int, step: Int)? {
    for step in base..<base + slots.count where slot(of: step) == nil {
      for index in slots.indices {
        switch slots[index].state {
        case .free: return (index, step)
        case .ready where !(base..<base + slots.count).contains(slots[index].step):
          return (index, step)
        case .ready, .filling, .inUse: continue
        }
      }
      return nil
    }
    return nil
  }

  /// The buffer that has, or will have, the batch of a step.
  private func slot(of step: Int) -> Int? {
    slots.indices.first { index in
      if case .free = slots[index].state { return false }
      return slots[index].step == step
    }
  }

  /// Waits until the batch of a step is ready, and takes it.
  func take(_ step: Int) throws(DatasetError) -> Int {
    condition.lock()
    defer { condition.unlock() }
    base = step
    condition.broadcast()
    while !isStopped {
      if let index = slot(of: step), case .ready(let failure) = slots[index].state {
        if let failure {
          slots[index].state = .free
          throw failure
        }
        slots[index].state = .inUse
        return index
      }
      if workers == 0, let (slot, step) = nextTask() {
        prepare(step, in: slot)
      } else {
        condition.wait()
      }
    }
    throw .stopped
  }

  /// The numbers of a buffer that was taken.
  func numbers(_ slot: Int) -> UnsafeBufferPointer<Float> {
    condition.lock()
    defer { condition.unlock() }
    return UnsafeBufferPointer(start: slots[slot].memory, count: filler.batchCount)
  }

  /// Frees a buffer that was taken; the window moves to the step after it.
  func giveBack(_ slot: Int) {
    condition.lock()
    slots[slot].state = .free
    if base == slots[slot].step { base += 1 }
    condition.broadcast()
    condition.unlock()
  }

  /// Ends the threads and waits until they have.
  func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    while workers > 0 { condition.wait() }
    condition.unlock()
  }
}
