import Execution
import Kernels

/// Passes over ranges of memories that are laid out as parameters are.
extension CPUBackend {
  /// Sums a range over several memories, in order, into the first.
  public func sum(_ memories: [HostMemory], range: Range<Int>) {
    let target = memories[0].words + range.lowerBound
    for memory in memories.dropFirst() {
      accumulate(count: range.count, memory.words + range.lowerBound, into: target)
    }
  }

  /// The sum of the squares of a range, accumulated in double precision.
  public func sumOfSquares(_ memory: HostMemory, range: Range<Int>) -> Double {
    Kernels.sumOfSquares(count: range.count, memory.words + range.lowerBound)
  }

  /// The sum of the products of a range of two memories, accumulated in double precision.
  public func innerProduct(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) -> Double {
    let start = range.lowerBound
    return Kernels.innerProduct(count: range.count, a.words + start, b.words + start)
  }

  /// The squared distance of a range of two memories, accumulated in double precision.
  public func squaredDistance(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) -> Double {
    let start = range.lowerBound
    return Kernels.squaredDistance(count: range.count, a.words + start, b.words + start)
  }

  /// Copies a range to the same place in another memory.
  public func copy(_ source: HostMemory, to target: HostMemory, range: Range<Int>) {
    let start = range.lowerBound
    (target.words + start).update(from: source.words + start, count: range.count)
  }

  /// Exchanges a range of two memories, bit by bit.
  public func exchange(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) {
    let start = range.lowerBound
    Kernels.exchange(count: range.count, a.words + start, b.words + start)
  }

  /// Moves an average, kept as a sum of two parts, towards a range: by a share of the way.
  public func moveAverage(
    _ average: HostMemory, rest: HostMemory, after earlier: (target: HostMemory, share: Float)?,
    towards target: HostMemory, share: Float, range: Range<Int>
  ) {
    let start = range.lowerBound
    guard let earlier else {
      return Kernels.moveAverage(
        count: range.count, towards: target.words + start, share: share,
        average: average.words + start, rest: rest.words + start)
    }
    Kernels.moveAverage(
      count: range.count, towards: earlier.target.words + start, share: earlier.share,
      then: target.words + start, share: share, average: average.words + start,
      rest: rest.words + start)
  }
}
