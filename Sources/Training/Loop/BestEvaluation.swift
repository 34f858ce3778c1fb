/// The best evaluation of a run so far, and for how long none was better.
struct BestEvaluation: Equatable {
  /// What is compared, as ``ModelEvaluation/measure`` has it.
  let measure: Double
  /// The smallest improvement that resets patience.
  let minDelta: Double

  /// The best value so far, and the step that it is of; nil before the first evaluation.
  private(set) var best: (value: Double, step: Int)?
  /// The value that patience looks back on.
  private var reference = -Double.infinity
  /// Evaluations since that one.
  private(set) var evaluationsSince = 0

  /// Before the first evaluation.
  init(measure: Double, minDelta: Double) {
    (self.measure, self.minDelta) = (measure, minDelta)
  }

  /// Takes in the value of an evaluation: higher is better.
  ///
  /// - Returns: whether it is the best so far.
  mutating func record(_ value: Double, step: Int) -> Bool {
    evaluationsSince += 1
    if value > reference + minDelta || !reference.isFinite && value > reference {
      (reference, evaluationsSince) = (value, 0)
    }
    // A value that is no number is never better.
    guard value > best?.value ?? -.infinity else { return false }
    best = (value, step)
    return true
  }

  /// Whether none of so many evaluations was better; 0 is never.
  func isExhausted(_ patience: Int) -> Bool { patience > 0 && evaluationsSince >= patience }

  /// Two are equal when they continue alike.
  static func == (a: BestEvaluation, b: BestEvaluation) -> Bool {
    a.measure == b.measure && a.minDelta == b.minDelta && a.state == b.state
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs: which measure, its best value and step, what patience
  /// looks back on, and since when.
  var state: [Double] {
    guard let best else { return [] }
    return [measure, best.value, Double(best.step), reference, Double(evaluationsSince)]
  }

  /// Continues from the numbers of a state; with another measure, or none, it starts over.
  mutating func restore(_ state: [Double]) {
    guard state.count == 5, state[0] == measure, let step = Int(exactly: state[2]),
      let since = Int(exactly: state[4]), since >= 0
    else { return }
    (best, reference, evaluationsSince) = ((state[1], step), state[3], since)
  }
}
