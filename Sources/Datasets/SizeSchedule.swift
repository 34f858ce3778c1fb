import Randomness

/// How large the images of each step are, as multiples of the crop's side.
///
/// Images of `m` times the side come a batch of `1 / m^2` as many, so that every batch has as many
/// pixels. Which multiple a step has is a function of the seed and the step alone.
public struct SizeSchedule: Sendable, Equatable {
  /// The multiples, each as likely as any other; one that is listed twice is twice as likely.
  public let multiples: [Int]

  private let random: Generator

  /// A schedule.
  ///
  /// - Precondition: there is a multiple, and all are at least 1.
  public init(multiples: [Int], seed: UInt64) {
    precondition(!multiples.isEmpty && multiples.allSatisfy { $0 > 0 }, "multiples of a side")
    self.multiples = multiples
    random = Generator(seed: seed).split(named: "size schedule")
  }

  /// The multiple of a step, counted from 0.
  public func multiple(ofStep step: Int) -> Int {
    guard multiples.count > 1 else { return multiples[0] }
    var random = random.split(UInt64(step))
    return multiples[random.integer(below: multiples.count)]
  }

  /// How many images a step has of the `batchSize` that one of the multiple 1 has.
  public func images(ofStep step: Int, batchSize: Int) -> Int {
    let multiple = multiple(ofStep: step)
    return batchSize / (multiple * multiple)
  }
}
