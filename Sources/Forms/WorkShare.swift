/// A share of an operation that several threads compute together, each with scratch memory of its own.
///
/// Work is divided so that each number is computed as one thread alone would: results do not depend, bit
/// for bit, on how many threads there are. Some operations are done in phases, of which each begins when
/// all threads are done with the one before.
public struct WorkShare: Sendable, Hashable {
  /// Which of the shares, from 0.
  public let index: Int
  /// How many there are.
  public let count: Int
  /// The phase that is asked for; nil for all of them, one after the other.
  public let phase: Int?

  /// A share of one phase.
  public init(index: Int, count: Int, phase: Int) {
    (self.index, self.count, self.phase) = (index, count, phase)
  }

  /// All the work of all phases.
  public static let whole = WorkShare()

  private init() { (index, count, phase) = (0, 1, nil) }

  /// Whether a phase is to be done now.
  @inline(__always)
  public func includes(phase: Int) -> Bool { self.phase == nil || self.phase == phase }

  /// This share of `0 ..< total`: a range that begins at a multiple of `unit`, and that of another share
  /// behind it.
  @inline(__always)
  public func range(of total: Int, unit: Int = 1) -> Range<Int> {
    let units = (total + unit - 1) / unit
    let first = units * index / count * unit
    let end = units * (index + 1) / count * unit
    return min(first, total)..<min(end, total)
  }
}
