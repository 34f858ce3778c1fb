import AllocationCounter
import Autodiff
import Execution
import Foundation
import TestSupport
import Testing
import Tokenizers

/// A replayed step allocates nothing, in no thread.
///
/// Each test counts in a process of its own: other tests run beside this one, and they allocate.
struct AllocationTests {
  static let absence = Comment("this platform does not let a program count calls of malloc")

  /// The counter itself: one array is noticed.
  @Test(.enabled(if: allocation_counter_works() == 1, absence))
  func anAllocationIsNoticed() async {
    await #expect(processExitsWith: .success) {
      allocation_counter_start()
      let numbers = [Float](repeating: Float(getpid()), count: 1000)
      let count = allocation_counter_stop()
      exit(count > 0 && numbers[7] > 0 ? 0 : 1)
    }
  }

  /// One array in the last lane alone, in a thread that is not the caller's, is noticed too.
  @Test(.enabled(if: allocation_counter_works() == 1, absence))
  func anAllocationInALaneIsNoticed() async {
    await #expect(processExitsWith: .failure) {
      countAllocations(SmallTokenizer.all[0]) { lane in
        if lane == 2 { _ = [Float](repeating: Float(getpid()), count: 1000).max() }
      }
    }
  }

  @Test(.enabled(if: allocation_counter_works() == 1, absence))
  func aStepOfFSQAllocatesNothing() async {
    await #expect(processExitsWith: .success) { countAllocations(SmallTokenizer.all[0]) }
  }

  @Test(.enabled(if: allocation_counter_works() == 1, absence))
  func aStepOfVQWithRotationAllocatesNothing() async {
    await #expect(processExitsWith: .success) { countAllocations(SmallTokenizer.all[1]) }
  }

  @Test(
    .enabled(if: allocation_counter_works() == 1, absence), arguments: 2..<SmallTokenizer.all.count)
  func aStepOfTheOthersAllocatesNothing(_ index: Int) async {
    await #expect(processExitsWith: .success) { [index = index as Int] in
      countAllocations(SmallTokenizer.all[index])
    }
  }
}

/// Ends the process: with success if some steps, once warm, allocated nothing.
private func countAllocations(
  _ small: SmallTokenizer, besides planted: @escaping (_ lane: Int) -> Void = { _ in }
) -> Never {
  let (lanes, items) = (3, 6)
  let run = small.run(lanes: lanes, threads: lanes, items: items)
  run.parameters.initialize(seed: 4)
  let pixels = UnsafeMutablePointer<Float>.allocate(capacity: items * small.imageCount)
  let values = HashedNumbers.values("images", count: items * small.imageCount)
  pixels.initialize(from: values, count: values.count)
  run.session.feed = {
    $0.write("images", UnsafePointer(pixels + $0.item * small.imageCount))
    planted($0.lane)
  }
  let updater = Updater(run.session)

  func step(_ number: Int) {
    run.session.run(items: items)
    let norm = updater.sumGradients()
    let moments = UpdateRule.Moments(
      learningRate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.01, step: number)
    updater.update(.adamW(moments), gradientScale: norm > 1 ? Float(1 / norm) : 1)
  }
  for number in 1...3 { step(number) }
  let loss = run.session.mean("loss")
  allocation_counter_start()
  for number in 4...8 { step(number) }
  let count = allocation_counter_stop()
  guard count == 0, run.session.mean("loss") < loss else {
    FileHandle.standardError.write(
      Data("\(count) allocations in five steps of \(small); the first:\n".utf8))
    allocation_counter_print_first(STDERR_FILENO)
    exit(1)
  }
  exit(0)
}
