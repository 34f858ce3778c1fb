import Foundation

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
