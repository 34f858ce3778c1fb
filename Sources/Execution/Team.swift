import CProcessor
import Forms
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// One replay that several threads compute together, where there are fewer replays than threads.
///
/// Each instruction, or each phase of it, is divided into shares. A thread that has nothing to do takes
/// the next share, once all shares of the phase before are done. So it waits for nobody who has not begun:
/// a thread that wakes late, or whose core another program has, takes fewer shares. The values lie in the
/// arena of one lane; scratch memory is each share's own.
final class Team: IndexedWork, @unchecked Sendable {
  // Unchecked: `ended` is called by the first thread alone, which is the one that made the team.

  /// How an instruction is executed: some of its shares, of those of one phase.
  struct Step {
    /// Which one.
    let instruction: Int
    /// The phase; nil where it is not divided.
    let phase: Int?

    /// The steps of a plan whose instructions have these kernels.
    static func all(of kernels: [Kernel]) -> [Step] {
      kernels.enumerated().flatMap { index, kernel in
        kernel.phases == 0
          ? [Step(instruction: index, phase: nil)]
          : (0..<kernel.phases).map { Step(instruction: index, phase: $0) }
      }
    }
  }

  /// Called by the first thread when it goes on to another instruction.
  private let ended: (_ instruction: Int) -> Void
  /// The kernels of the instructions, share by share.
  private let kernels: [[Kernel]]
  private let steps: [Step]

  /// Whether threads may begin.
  private let isOpen = Atomic<Bool>(false)
  /// Shares of all steps, in order: those that were taken, and those that are done.
  private let taken = Atomic<Int>(0)
  private let done = Atomic<Int>(0)

  /// A team that is to replay once.
  ///
  /// - Parameters:
  ///   - kernels: of the instructions, for each share.
  ///   - steps: those of the kernels.
  init(
    kernels: [[Kernel]], steps: [Step], ended: @escaping (_ instruction: Int) -> Void
  ) {
    (self.kernels, self.steps, self.ended) = (kernels, steps, ended)
  }

  /// The shares of a step.
  private var shares: Int { kernels.count }
  private var total: Int { shares * steps.count }

  /// Lets threads begin, once the inputs are there.
  func open() { isOpen.store(true, ordering: .releasing) }
  /// Whether all is done.
  private var isDone: Bool { done.load(ordering: .acquiring) == total }

  /// Takes shares until none is left.
  func perform(_ thread: Int) {
    var patience = Patience()
    while !isOpen.load(ordering: .acquiring) { patience.wait() }
    var instruction = 0
    while !isDone {
      let share = taken.load(ordering: .acquiring)
      let (step, index) = share.quotientAndRemainder(dividingBy: shares)
      guard share < total, done.load(ordering: .acquiring) >= step * shares,
        taken.compareExchange(expected: share, desired: share + 1, ordering: .acquiringAndReleasing)
          .exchanged
      else {
        // The others leave when there is nothing left to take; the first waits for what they took.
        if share >= total && thread > 0 { return }
        patience.wait()
        continue
      }
      patience = Patience()
      if thread == 0, steps[step].instruction != instruction {
        ended(instruction)
        instruction = steps[step].instruction
      }
      execute(steps[step], index)
      done.wrappingAdd(1, ordering: .acquiringAndReleasing)
    }
    if thread == 0 { ended(instruction) }
  }

  private func execute(_ step: Step, _ share: Int) {
    if let phase = step.phase {
      kernels[share][step.instruction](WorkShare(index: share, count: shares, phase: phase))
    } else if share == 0 {
      kernels[0][step.instruction]()
    }
  }

  /// Floating-point operations of a replay that make another thread worth waking: some tens of
  /// microseconds, beside which it costs little that threads wait for each other.
  static var operationsPerThread: Int { 4_000_000 }
}

/// Waiting for microseconds without sleep: whoever waits longer lets others have the core.
struct Patience {
  private var looks = 0

  /// Waits a moment.
  mutating func wait() {
    looks += 1
    if looks < Self.mostLooks { tessera_pause() } else { sched_yield() }
  }

  /// Looks without letting others have the core: some tens of microseconds.
  private static var mostLooks: Int { 1000 }
}
