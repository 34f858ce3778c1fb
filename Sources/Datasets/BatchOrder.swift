import Randomness
import Synchronization

/// An endless seeded order of images: which image is the i-th of the run.
///
/// Epoch e goes through all images once, in an order that is a function of the seed and e alone;
/// a batch may begin in one epoch and end in the next. So the number of a sample says everything,
/// and the position in the data is the step number.
public final class BatchOrder: Sendable {
  /// A place in the order.
  public struct Position: Sendable, Equatable {
    /// How often all images have been seen.
    public var epoch: Int
    /// How many images of this epoch have been seen.
    public var index: Int

    /// A place in the order.
    public init(epoch: Int, index: Int) {
      self.epoch = epoch
      self.index = index
    }
  }

  /// How many images there are.
  public let count: Int
  /// How many samples a batch has.
  public let batchSize: Int

  private let random: Generator
  /// The orders of the epochs asked for last: those at the two ends of a batch.
  private let recent = Mutex<[(epoch: Int, order: [Int])]>([])

  /// The order of `count` images in batches of `batchSize`.
  ///
  /// - Precondition: both are at least 1.
  public init(count: Int, batchSize: Int, seed: UInt64) {
    precondition(count > 0 && batchSize > 0, "an order has images and batches have samples")
    self.count = count
    self.batchSize = batchSize
    random = Generator(seed: seed).split(named: "batch order")
  }

  /// The samples of a step: batchSize of them, from step * batchSize.
  public func samples(ofStep step: Int) -> Range<Int> {
    step * batchSize..<(step + 1) * batchSize
  }

  /// Where the run is before a step.
  public func position(ofStep step: Int) -> Position {
    let sample = step * batchSize
    return Position(epoch: sample / count, index: sample % count)
  }

  /// The number of the sample at a position.
  public func sample(at position: Position) -> Int { position.epoch * count + position.index }

  /// The index of the image that is sample number `sample` of the run, from 0.
  public func image(ofSample sample: Int) -> Int {
    precondition(sample >= 0, "samples are counted from 0")
    let epoch = sample / count
    return recent.withLock { recent in
      if let known = recent.first(where: { $0.epoch == epoch }) {
        return known.order[sample % count]
      }
      if recent.count == 2 { recent.removeFirst() }
      recent.append((epoch, order(ofEpoch: epoch)))
      return recent[recent.count - 1].order[sample % count]
    }
  }

  /// The order of an epoch: every index once.
  public func order(ofEpoch epoch: Int) -> [Int] {
    var generator = random.split(UInt64(epoch))
    return generator.permutation(of: count)
  }
}

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
