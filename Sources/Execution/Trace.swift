/// The time that each instruction of a plan took, summed over replays.
public final class Trace: @unchecked Sendable {
  // Unchecked: each lane adds to its own row.

  private var seconds: [[Double]]
  private let clock = ContinuousClock()

  /// A trace of a plan in a number of lanes.
  public init(_ plan: Plan, lanes: Int) {
    seconds = Array(
      repeating: Array(repeating: 0, count: plan.instructions.count), count: lanes)
  }

  /// The seconds of each instruction, summed over lanes.
  public var totals: [Double] {
    seconds[0].indices.map { index in seconds.reduce(0) { $0 + $1[index] } }
  }

  func execute<B: Backend>(
    _ instructions: [Instruction], on backend: B, in memory: Memories<B.Memory>, lane: Int
  ) {
    seconds.withUnsafeMutableBufferPointer { lanes in
      for (index, instruction) in instructions.enumerated() {
        let start = clock.now
        backend.execute(instruction, in: memory)
        let (whole, fraction) = start.duration(to: clock.now).components
        lanes[lane][index] += Double(whole) + Double(fraction) * 1e-18
      }
    }
  }
}
