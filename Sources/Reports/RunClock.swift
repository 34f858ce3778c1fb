/// How many images a run had seen, and how long it had trained, by its steps.
///
/// Each is a chain of corners between which it grows evenly; empty where it is not known.
public struct RunClock: Sendable, Equatable {
  /// Corners of a chain.
  public typealias Corners = [(step: Double, value: Double)]

  /// Images seen.
  public let images: Corners
  /// Passes over the training images.
  public let epochs: Corners
  /// Hours of training.
  public let hours: Corners

  /// Corners kept at most.
  static let limit = 160

  /// The clock of a run.
  ///
  /// - Parameters:
  ///   - history: its log: `seconds` of its steps, or else their rates.
  ///   - batchSize: images to a step, as configured last; resumptions may have changed it.
  ///   - trainingImages: images of an epoch; nil where that is not known.
  public init(_ history: RunHistory, batchSize: Int?, trainingImages: Int?) {
    let steps = Double(history.lastStep)
    let batches = Self.batches(history, last: batchSize)
    let images = Self.images(batches, until: steps)
    self.images = images
    epochs =
      trainingImages.map { count in
        count > 0 ? images.map { ($0.step, $0.value / Double(count)) } : []
      } ?? []
    hours = Self.thinned(Self.hours(history, batches)).map { ($0.step, $0.value / 3600) }
  }

  /// Two clocks of equal corners.
  public static func == (a: RunClock, b: RunClock) -> Bool {
    zip([a.images, a.epochs, a.hours], [b.images, b.epochs, b.hours]).allSatisfy { a, b in
      a.map(\.step) == b.map(\.step) && a.map(\.value) == b.map(\.value)
    }
  }

  /// Images to a step, from a step on.
  private static func batches(
    _ history: RunHistory, last: Int?
  ) -> [(from: Double, size: Double)] {
    guard var size = last.map(Double.init) else { return [] }
    var batches: [(from: Double, size: Double)] = []
    for session in history.sessions.reversed() {
      guard let change = session.changes.first(where: { $0.key == "training.batchSize" }),
        let old = Double(change.old)
      else { continue }
      batches.insert((Double(session.step), size), at: 0)
      size = old
    }
    return [(0, size)] + batches
  }

  private static func images(_ batches: [(from: Double, size: Double)], until: Double) -> Corners {
    guard !batches.isEmpty, until > 0 else { return [] }
    var corners: Corners = [(0, 0)]
    for (index, batch) in batches.enumerated() {
      let end = index + 1 < batches.count ? min(until, batches[index + 1].from) : until
      guard let last = corners.last, end > last.step else { continue }
      corners.append((end, last.value + (end - last.step) * batch.size))
    }
    return corners
  }

  /// Seconds by step: as told, or else from the images a second of each line.
  private static func hours(
    _ history: RunHistory, _ batches: [(from: Double, size: Double)]
  ) -> Corners {
    let told = history[.step, "seconds"]
    if let first = told.steps.first {
      let start: Corners = first > 0 ? [(0, 0)] : []
      return start + zip(told.steps, told.values).map { (Double($0), $1) }
    }
    let rates = history[.step, "imagesPerSecond"]
    guard !rates.isEmpty, !batches.isEmpty else { return [] }
    var corners: Corners = [(0, 0)]
    for (step, rate) in zip(rates.steps, rates.values) where rate > 0 {
      let (last, now) = (corners[corners.count - 1], Double(step))
      guard now > last.step else { continue }
      let size = batches.last { $0.from <= last.step }?.size ?? 0
      corners.append((now, last.value + (now - last.step) * size / rate))
    }
    return corners.count > 1 ? corners : []
  }

  private static func thinned(_ corners: Corners) -> Corners {
    guard corners.count > limit else { return corners }
    return (0..<limit).map { corners[$0 * (corners.count - 1) / (limit - 1)] }
  }
}

extension RunHistory {
  /// The last step that any line of training or evaluation is of.
  public var lastStep: Int {
    max(
      self[.step, "loss"].steps.last ?? 0, self[.step, "imagesPerSecond"].steps.last ?? 0,
      self[.evaluation, "psnr"].steps.last ?? 0)
  }
}
