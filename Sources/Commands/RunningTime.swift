/// How long a run still takes, from how long its parts took so far: steps, evaluations, checkpoints.
///
/// Only what this process did counts, so that a resumed run is as right as an uninterrupted one.
struct RunningTime {
  /// What a run does again and again.
  enum Part: Int, CaseIterable {
    /// A step with the batch it waits for, and with the diagnostics of the step before.
    case step
    /// An evaluation on the fixed set, with that of averages.
    case evaluation
    /// A checkpoint.
    case checkpoint
  }

  /// How often something is done.
  struct Schedule {
    /// The length of the run.
    let steps: Int
    /// Steps between two evaluations.
    let evaluateEvery: Int
    /// Steps between two checkpoints.
    let checkpointEvery: Int
    /// The step up to which there are no evaluations.
    var firstEvaluation = 0

    /// How often a part is still done after a step.
    func remaining(_ part: Part, after step: Int) -> Int {
      let every = part == .evaluation ? evaluateEvery : checkpointEvery
      switch part {
      case .step: return steps - step
      case .evaluation, .checkpoint:
        let from = part == .evaluation ? max(step, firstEvaluation - 1) : step
        guard from < steps else { return 0 }
        // The last step has one whether it is a multiple or not.
        return (steps - 1) / every - from / every + 1
      }
    }
  }

  private let schedule: Schedule
  private var seconds = [0.0, 0.0, 0.0]
  private var counts = [0, 0, 0]
  private var recentStep: Double?

  /// Nothing is known yet.
  init(_ schedule: Schedule) { self.schedule = schedule }

  /// Takes in how long a part took.
  ///
  /// - Parameter isWhole: false where it adds to one that was counted already, as the averages do.
  mutating func record(_ part: Part, seconds: Double, isWhole: Bool = true) {
    self.seconds[part.rawValue] += seconds
    if isWhole { counts[part.rawValue] += 1 }
    guard part == .step else { return }
    // The machine may become slower or faster: later steps count more, over some fifty of them.
    recentStep = recentStep.map { $0 + (seconds - $0) / Double(min(counts[0], 50)) } ?? seconds
  }

  /// Seconds until the run ends, once a step has been made; nil before.
  ///
  /// - Parameter evaluationSteps: what an evaluation takes in steps, before the first was made.
  func left(after step: Int, evaluationSteps: Double) -> Double? {
    guard let recentStep else { return nil }
    func mean(_ part: Part) -> Double? {
      counts[part.rawValue] > 0 ? seconds[part.rawValue] / Double(counts[part.rawValue]) : nil
    }
    return Part.allCases.reduce(0) { sum, part in
      let each =
        switch part {
        case .step: recentStep
        case .evaluation: mean(part) ?? recentStep * evaluationSteps
        case .checkpoint: mean(part) ?? 0
        }
      return sum + Double(schedule.remaining(part, after: step)) * each
    }
  }
}
