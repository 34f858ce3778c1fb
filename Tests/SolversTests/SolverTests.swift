import Foundation
import Solvers
import Testing

/// Solvers against closed forms: single steps to twelve digits, and the order in which errors vanish.
@Suite struct SolverTests {
  /// One step of a scalar state.
  private func step(
    _ solver: Solver, _ x: Double, from t: Double, to u: Double, isGuess: Bool = false,
    learned: LearnedStep = LearnedStep(), _ velocity: (Double, Double) -> Double
  ) -> Double {
    let integration = Integration(rows: 1, width: 1)
    integration.states[0] = x
    integration.step(solver, from: t, to: u, isGuess: isGuess, learned: { _ in learned }) {
      $2[0] = velocity($0[0], $1[0])
    }
    return integration.states[0]
  }

  @Test func scheduleOfFiveSteps() {
    let levels = NoiseSchedule().levels(steps: 5)
    let expected = [80, 24.4083417866, 5.83894763101, 0.965416926332, 0.0850872026894, 0.002]
    for (a, b) in zip(levels, expected) { #expect(abs(a - b) < 1e-9) }
    let teacher = [45.3137340752, 12.3815761385, 2.51521897615, 0.318283288839, 0.016720753235]
    for (index, middle) in teacher.enumerated() {
      let inside = NoiseSchedule().levels(between: levels[index], levels[index + 1], count: 1)
      #expect(inside.count == 1 && abs(inside[0] - middle) < 1e-9)
    }
  }

  /// dx/dt = x from 1 to 0 at 2: AMED is exact at the best time.
  @Test func linearStep() {
    func run(_ solver: Solver, _ learned: LearnedStep = LearnedStep()) -> Double {
      // Times one up: the geometric mean of 0 is no time to look at.
      step(solver, 2, from: 2, to: 1, learned: learned) { x, _ in x }
    }
    let exact = 0.735758882343
    #expect(abs(run(.euler)) < 1e-12)
    #expect(abs(run(.heun) - 1) < 1e-12 && abs(run(.midpoint) - 1) < 1e-12)
    // s = 0.632120558829 between 0 and 1.
    let r = log(1.632120558829 / 2) / log(0.5)
    #expect(abs(run(.amed, LearnedStep(r: r)) - exact) < 1e-9)
    let middle = log(1.5 / 2) / log(0.5)
    #expect(abs(run(.amed, LearnedStep(r: middle, c: 1.26424111766)) - exact) < 1e-9)
  }

  /// For every rate the time that makes AMED exact is the closed form's.
  @Test(arguments: [0.1, 0.5, 1, 2, -1]) func amedIsExactOnLinearFields(rate: Double) {
    let h = 1.0, z = rate * h
    let back = h * (1 / z) * (1 - (1 - exp(-z)) / z)
    let r = log((2 - back) / 2) / log(0.5)
    let x = step(.amed, 3, from: 2, to: 1, learned: LearnedStep(r: r)) { x, _ in rate * x }
    #expect(abs(x - 3 * exp(-z)) < 1e-12)
  }

  /// The probability flow of normally distributed data with deviation 1/2.
  private func flow(_ x: Double, _ t: Double) -> Double { t * x / (0.25 + t * t) }

  @Test func gaussianFlowStep() {
    func run(_ solver: Solver, _ learned: LearnedStep = LearnedStep()) -> Double {
      step(solver, 3, from: 2, to: 0.5, learned: learned, flow)
    }
    #expect(abs(run(.euler) - 0.882352941176) < 1e-9)
    #expect(abs(run(.heun) - 1.27941176471) < 1e-9)
    #expect(abs(run(.midpoint) - 0.991886409736) < 1e-9)
    #expect(abs(run(.dpm2(r: 0.5)) - 1.09411764706) < 1e-9)
    let best = LearnedStep(r: 0.405043952752)
    #expect(abs(best.time(from: 2, to: 0.5) - 1.1406942096) < 1e-9)
    #expect(abs(run(.amed, best) - 1.02899151086) < 1e-9)
    #expect(abs(run(.amed, LearnedStep(c: 1.03417112085)) - 1.02899151086) < 1e-9)
    #expect(abs(guessedVelocity(3, at: 2) - 1.3416407865) < 1e-9)
    let guessed = step(.euler, 3, from: 2, to: 0.5, isGuess: true, flow)
    #expect(abs(guessed - (3 - 1.5 * 1.3416407865)) < 1e-9)
  }

  /// The mean velocity of a rotation is that in the middle, shortened: why a factor is learned.
  @Test func rotationNeedsAFactor() {
    let c = sin(0.5) / 0.5
    #expect(abs(c - 0.958851077208) < 1e-12)
    // The state in the middle of the arc, and its velocity, lead exactly from one end to the other.
    let (start, middle) = ((1.0, 0.0), (cos(0.5), sin(0.5)))
    let end = (start.0 - c * middle.1, start.1 + c * middle.0)
    #expect(abs(end.0 - cos(1)) < 1e-12 && abs(end.1 - sin(1)) < 1e-12)
  }

  @Test func headsOfThePredictor() {
    let steps = [-2.0, 0, 1].map { LearnedStep(logits: $0, $0) }
    for (step, expected) in zip(
      steps,
      [
        (0.119202922022, 0.99238405844, 1.69536294021), (0.5, 1, 1),
        (0.73105857863, 1.00462117157, 0.725920187595),
      ])
    {
      #expect(abs(step.r - expected.0) < 1e-9 && abs(step.c - expected.1) < 1e-9)
      #expect(abs(step.time(from: 2, to: 0.5) - expected.2) < 1e-9)
    }
  }

  /// Halving the steps divides the error by 2 to the order.
  @Test(arguments: [
    (Solver.euler, 1.0), (.heun, 2), (.midpoint, 2), (.dpm2(r: 0.5), 2), (.dpm2(r: 0.3), 2),
    (.amed, 2),
  ]) func order(solver: Solver, order: Double) {
    let schedule = NoiseSchedule(smallest: 0.1, largest: 3)
    // dx/dt = x cos t
    let exact = 2 * exp(sin(0.1) - sin(3))
    func error(_ steps: Int) -> Double {
      let integration = Integration(rows: 1, width: 1)
      integration.states[0] = 2
      integration.run(solver, through: schedule.levels(steps: steps)) {
        $2[0] = $0[0] * cos($1[0])
      }
      return abs(integration.states[0] - exact)
    }
    let found = log2(error(1000) / error(2000))
    #expect(abs(found - order) < 0.15, "order \(found)")
  }

  /// Rows have times of their own, and do not see each other.
  @Test func rowsAreIndependent() {
    let levels = NoiseSchedule().levels(steps: 3)
    let learned = [LearnedStep(r: 0.3, c: 1.01), LearnedStep(r: 0.6, c: 0.99)]
    func run(_ rows: [Int]) -> [[Double]] {
      let integration = Integration(rows: rows.count, width: 2)
      for (place, row) in rows.enumerated() {
        integration.states[2 * place] = Double(row + 1) * 10
        integration.states[2 * place + 1] = -3
      }
      integration.run(.amed, through: levels, learned: { learned[rows[$1]] }) {
        for row in rows.indices {
          for i in 2 * row..<2 * row + 2 { $2[i] = self.flow($0[i], $1[row]) }
        }
      }
      return rows.indices.map { [integration.states[2 * $0], integration.states[2 * $0 + 1]] }
    }
    #expect(run([0, 1]) == [run([0])[0], run([1])[0]])
  }

  @Test func evaluationsAreCounted() {
    #expect(Solver.euler.evaluations(steps: 5) == 5)
    #expect(Solver.heun.evaluations(steps: 5) == 10)
    #expect(Solver.amed.evaluations(steps: 3, guessesFirst: true) == 5)
    for (solver, guesses) in [(Solver.heun, false), (.amed, true), (.euler, true)] {
      var count = 0
      Integration(rows: 1, width: 1).run(
        solver, through: NoiseSchedule().levels(steps: 4), guessesFirst: guesses
      ) { _, _, _ in count += 1 }
      #expect(count == solver.evaluations(steps: 4, guessesFirst: guesses))
    }
  }
}
