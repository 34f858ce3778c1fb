/// States that move along a velocity field together, `[rows, width]`, each row with times of its own.
///
/// The memory is made once: a step allocates nothing. An integration belongs to one thread.
public final class Integration {
  /// A velocity field: of states `[rows, width]` and a time a row, the velocities.
  public typealias Field = (
    _ states: UnsafePointer<Double>, _ times: UnsafePointer<Double>,
    _ velocities: UnsafeMutablePointer<Double>
  ) -> Void

  /// States that move together, and numbers of each.
  public let rows, width: Int
  /// The states, `[rows, width]`.
  public let states: UnsafeMutablePointer<Double>
  private let first, second, places, times: UnsafeMutablePointer<Double>

  /// Room for states, which are zeros.
  public init(rows: Int, width: Int) {
    (self.rows, self.width) = (rows, width)
    func room(_ count: Int) -> UnsafeMutablePointer<Double> {
      let room = UnsafeMutablePointer<Double>.allocate(capacity: count)
      room.initialize(repeating: 0, count: count)
      return room
    }
    states = room(rows * width)
    (first, second, places) = (room(rows * width), room(rows * width), room(rows * width))
    times = room(rows)
  }

  deinit { for room in [states, first, second, places, times] { room.deallocate() } }

  /// Moves the states through falling levels, a step from each to the next.
  ///
  /// - Parameters:
  ///   - guessesFirst: whether the first direction is ``guessedVelocity(_:at:)``.
  ///   - learned: r and c of a step and a row, for `amed` alone.
  ///   - didStep: called after each step.
  public func run(
    _ solver: Solver, through levels: [Double], guessesFirst: Bool = false,
    learned: (_ step: Int, _ row: Int) -> LearnedStep = { _, _ in LearnedStep() },
    didStep: (_ step: Int) -> Void = { _ in }, field: Field
  ) {
    for step in 0..<levels.count - 1 {
      self.step(
        solver, from: levels[step], to: levels[step + 1], isGuess: guessesFirst && step == 0,
        learned: { learned(step, $0) }, field: field)
      didStep(step)
    }
  }

  /// Makes one step from a time to another.
  public func step(
    _ solver: Solver, from t: Double, to u: Double, isGuess: Bool = false,
    learned: (_ row: Int) -> LearnedStep = { _ in LearnedStep() }, field: Field
  ) {
    if isGuess {
      for i in 0..<rows * width { first[i] = guessedVelocity(states[i], at: t) }
    } else {
      for row in 0..<rows { times[row] = t }
      field(states, times, first)
    }
    guard solver != .euler else {
      for i in 0..<rows * width { states[i] += (u - t) * first[i] }
      return
    }
    func place(_ row: Int) -> SecondPlace {
      solver.secondPlace(from: t, to: u, learned: solver == .amed ? learned(row) : LearnedStep())!
    }
    for row in 0..<rows {
      let s = place(row).time
      times[row] = s
      for i in row * width..<(row + 1) * width { places[i] = states[i] + (s - t) * first[i] }
    }
    field(places, times, second)
    for row in 0..<rows {
      let place = place(row)
      for i in row * width..<(row + 1) * width {
        states[i] += (u - t) * (place.first * first[i] + place.second * second[i])
      }
    }
  }
}
