/// One update of the parameters, and what it is to measure and keep.
///
/// Measurements that are not requested cost nothing.
public struct UpdateRequest: Sendable {
  /// An average of the parameters over steps, and how far it moves towards them.
  public struct Average: Sendable, Equatable {
    /// Its name.
    public let name: String
    /// The fraction of the way, 0...1.
    public let share: Double
    /// The fraction of the way to the held parameters, applied first (two-step lerp); nil if none
    /// are held.
    public let heldShare: Double?

    /// An average that moves.
    public init(name: String, share: Double, heldShare: Double? = nil) {
      self.name = name
      self.share = share
      self.heldShare = heldShare
    }
  }

  /// The optimizer, with the numbers of this step.
  public var rule: UpdateRule
  /// The factor applied to gradients first: less than 1 if they are clipped.
  public var gradientScale: Float
  /// Averages that move towards the parameters as they are before the update.
  public var averages: [Average] = []
  /// Whether to hold the parameters as they are before the update, for averages that move later: two
  /// moves in one pass read and write the averages half as often.
  public var holdsParameters = false
  /// Whether to measure how far the parameters move, and how far they are from their initial
  /// values.
  public var measuresMotion = false
  /// Whether to measure, for each parameter, the cosine between motion and gradient.
  public var measuresDirections = false
  /// Whether to measure the cosine between the gradient and the one that was kept.
  public var comparesGradients = false
  /// Whether to keep the gradient for the next update.
  public var keepsGradient = false

  /// An update that measures nothing.
  public init(_ rule: UpdateRule, gradientScale: Float = 1) {
    self.rule = rule
    self.gradientScale = gradientScale
  }
}

/// What an update measured.
///
/// Sums are in double precision, over the gradients of all lanes.
///
/// The motion is `d = theta_t - theta_(t+1)`, as the parameters hold it: the learning rate and all
/// that the optimizer makes of a gradient are in it.
public struct UpdateMeasurement: Sendable, Equatable {
  /// One parameter's sums.
  public struct Direction: Sendable, Equatable {
    /// `|d|^2`.
    public var motion = 0.0
    /// `|g|^2`, the gradient before clipping.
    public var gradient = 0.0
    /// `<d, g>`: the decrease of the loss to first order.
    public var product = 0.0
    /// `|g'|^2` of the gradient that was kept.
    public var keptGradient = 0.0
    /// `<g, g'>`.
    public var keptProduct = 0.0

    /// Adds the sums of another part of the same parameter.
    static func += (sum: inout Direction, part: Direction) {
      sum.motion += part.motion
      sum.gradient += part.gradient
      sum.product += part.product
      sum.keptGradient += part.keptGradient
      sum.keptProduct += part.keptProduct
    }
  }

  /// `|d|^2`.
  public var motion = 0.0
  /// `|theta_(t+1)|^2`.
  public var length = 0.0
  /// `|theta_(t+1) - theta_1|^2`.
  public var displacement = 0.0
  /// Sums by parameter, in the order of the layout; empty where they were not asked for.
  public var directions: [Direction] = []
}

/// Sums the gradients of a session's lanes and moves the parameters, in parallel slices.
///
/// The slices are fixed by the layout of the parameters, so that the norm, and with it every
/// bit of the result, does not depend on how many threads there are.
public final class Updater<B: Backend>: IndexedWork, @unchecked Sendable {
  // Unchecked: slices do not overlap, each writes its own places of `squares` and `measurements`,
  // whose memory never moves, and `update` returns when all are done.

  /// The words of a slice: 256 KiB, which fits in the second-level cache with its moments.
  static var sliceWords: Int { 1 << 16 }

  /// The words of a portion of a slice: 16 KiB, so that averages and whatever else is kept of it stay
  /// in the cache from one pass to the next.
  private static var portionWords: Int { 1 << 12 }

  private let session: Session<B>
  private let slices: [Slice]
  private let gradients: [B.Memory]
  /// How gradients of other processes' lanes come in; nil for a process by itself.
  private let exchange: GradientExchange<B>?
  private let squares: UnsafeMutableBufferPointer<Double>
  private let measurements: UnsafeMutableBufferPointer<UpdateMeasurement>
  private var phase = Phase.summing

  /// A range of the parameters, and which of them lie in it.
  private struct Slice {
    let range: Range<Int>
    let decays: Bool
    let pieces: [(parameter: Int, range: Range<Int>)]
  }

  private enum Phase {
    case summing
    case updating(UpdateRequest, Blocks)
  }

  /// The memories of an update, all made before slices are dealt out.
  private struct Blocks {
    let firstMoment: B.Memory
    let secondMoment: B.Memory
    let averages: [(average: B.Memory, rest: B.Memory)]
    let held: B.Memory?
    let before: B.Memory?
    let origin: B.Memory?
    let keptGradient: B.Memory?
  }

  /// An updater of the parameters of a session.
  public init(_ session: Session<B>) {
    self.session = session
    let layout = session.parameters.layout
    var slices: [Slice] = []
    for (range, decays) in [
      (0..<layout.decayedWords, true), (layout.decayedWords..<layout.trainedWords, false),
    ] {
      for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.sliceWords) {
        let slice = start..<min(start + Self.sliceWords, range.upperBound)
        slices.append(Slice(range: slice, decays: decays, pieces: layout.pieces(of: slice)))
      }
    }
    self.slices = slices
    gradients = session.memories.map(\.gradients)
    exchange = session.group.map { GradientExchange(session, slices.map(\.range), $0) }
    session.exchange = exchange
    squares = .allocate(capacity: slices.count)
    squares.initialize(repeating: 0)
    measurements = .allocate(capacity: slices.count)
    measurements.initialize(repeating: UpdateMeasurement())
  }

  deinit {
    squares.deallocate()
    measurements.deinitialize()
    measurements.deallocate()
  }

  /// Sums the lanes' gradients.
  ///
  /// Of several processes each sums a part, in the order of all lanes, and gives it to the others.
  ///
  /// - Returns: the Euclidean norm of the sum.
  public func sumGradients() -> Double {
    phase = .summing
    exchange?.collect()
    session.run(self, count: exchange?.ownSlices.count ?? slices.count, as: .summing)
    exchange?.distribute(squares)
    return squares.reduce(0, +).squareRoot()
  }

  /// Moves the parameters by one step, along the summed gradients, and measures nothing.
  ///
  /// - Parameters:
  ///   - rule: the optimizer, with the numbers of this step.
  ///   - gradientScale: what the gradients are multiplied by first: less than 1 where they are
  ///     clipped.
  public func update(_ rule: UpdateRule, gradientScale: Float) {
    update(UpdateRequest(rule, gradientScale: gradientScale))
  }

  /// Moves the parameters by one step, along the gradients that were summed.
  ///
  /// - Returns: what the request asked for, sums of the slices in their order; zeros elsewhere.
  @discardableResult
  public func update(_ request: UpdateRequest) -> UpdateMeasurement {
    phase = .updating(request, blocks(for: request))
    session.run(self, count: slices.count, as: .updating)
    session.parameters.didChange()
    return measurement(request)
  }

  func perform(_ index: Int) {
    switch phase {
    case .summing:
      let index = exchange?.ownSlices[index] ?? index
      let range = slices[index].range
      if let exchange {
        exchange.sum(index)
      } else {
        session.backend.sum(gradients, range: range)
      }
      squares[index] = session.backend.sumOfSquares(gradients[0], range: range)
    case .updating(let request, let blocks):
      measurements[index] = update(slices[index], request, blocks)
    }
  }

  private func update(
    _ slice: Slice, _ request: UpdateRequest, _ blocks: Blocks
  ) -> UpdateMeasurement {
    let (backend, gradient) = (session.backend, gradients[0])
    var measurement = UpdateMeasurement()
    if request.measuresDirections || request.comparesGradients {
      measurement.directions = slice.pieces.map { _ in UpdateMeasurement.Direction() }
    }
    if let kept = blocks.keptGradient {
      if request.comparesGradients {
        for (index, piece) in slice.pieces.enumerated() {
          measurement.directions[index].keptGradient = backend.sumOfSquares(
            kept, range: piece.range)
          measurement.directions[index].keptProduct = backend.innerProduct(
            kept, gradient, range: piece.range)
        }
      }
      if request.keepsGradient { backend.copy(gradient, to: kept, range: slice.range) }
    }
    var start = slice.range.lowerBound
    while start < slice.range.upperBound {
      let end = min(start + Self.portionWords, slice.range.upperBound)
      update(start..<end, decays: slice.decays, request, blocks, &measurement)
      start = end
    }
    if let before = blocks.before, request.measuresDirections {
      measureDirections(slice, before, &measurement)
    }
    return measurement
  }

  /// All passes over a portion, which stays in the cache between them.
  private func update(
    _ range: Range<Int>, decays: Bool, _ request: UpdateRequest, _ blocks: Blocks,
    _ measurement: inout UpdateMeasurement
  ) {
    let (backend, values) = (session.backend, session.parameters.values)
    for index in request.averages.indices {
      let move = request.averages[index]
      backend.moveAverage(
        blocks.averages[index].average, rest: blocks.averages[index].rest,
        after: move.heldShare.map { (blocks.held!, Float($0)) }, towards: values,
        share: Float(move.share), range: range)
    }
    if let before = blocks.before { backend.copy(values, to: before, range: range) }
    backend.update(
      request.rule, range: range, decays: decays, gradientScale: request.gradientScale,
      parameters: values, gradients: gradients[0], firstMoment: blocks.firstMoment,
      secondMoment: blocks.secondMoment)
    guard request.measuresMotion, let before = blocks.before else { return }
    measurement.motion += backend.squaredDistance(before, values, range: range)
    measurement.length += backend.sumOfSquares(values, range: range)
    if let origin = blocks.origin {
      measurement.displacement += backend.squaredDistance(values, origin, range: range)
    }
  }

  /// Norms and inner products of a slice's motion and gradient, parameter by parameter.
  private func measureDirections(
    _ slice: Slice, _ before: B.Memory, _ measurement: inout UpdateMeasurement
  ) {
    let (backend, values, gradient) = (session.backend, session.parameters.values, gradients[0])
    for (index, piece) in slice.pieces.enumerated() {
      measurement.directions[index].motion = backend.squaredDistance(
        before, values, range: piece.range)
      measurement.directions[index].gradient = backend.sumOfSquares(gradient, range: piece.range)
      measurement.directions[index].product =
        backend.innerProduct(before, gradient, range: piece.range)
        - backend.innerProduct(values, gradient, range: piece.range)
    }
  }

  private func blocks(for request: UpdateRequest) -> Blocks {
    let parameters = session.parameters
    let looksBack = request.measuresMotion || request.measuresDirections
    return Blocks(
      firstMoment: parameters[.firstMoment], secondMoment: parameters[.secondMoment],
      averages: request.averages.map {
        (parameters[.average($0.name)], parameters[.averageRest($0.name)])
      },
      held: request.averages.contains { $0.heldShare != nil } ? parameters[.held] : nil,
      // Where nothing is held, the second lane's gradients are in the sum already.
      before: request.holdsParameters
        ? parameters[.held]
        : !looksBack ? nil : gradients.count > 1 ? gradients[1] : parameters[.before],
      origin: request.measuresMotion && parameters.hasMemory(.origin) ? parameters[.origin] : nil,
      keptGradient: request.keepsGradient || request.comparesGradients
        ? parameters[.previousGradient] : nil)
  }

  /// The sum of what the slices measured.
  private func measurement(_ request: UpdateRequest) -> UpdateMeasurement {
    var total = UpdateMeasurement()
    if request.measuresDirections || request.comparesGradients {
      total.directions = session.parameters.layout.parameters.map { _ in
        UpdateMeasurement.Direction()
      }
    }
    for index in slices.indices {
      let part = measurements[index]
      total.motion += part.motion
      total.length += part.length
      total.displacement += part.displacement
      for place in part.directions.indices {
        total.directions[slices[index].pieces[place].parameter] += part.directions[place]
      }
    }
    return total
  }
}
