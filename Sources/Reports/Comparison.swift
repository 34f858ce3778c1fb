/// Several runs on one set of images.
public struct Comparison: Sendable {
  /// What became of one run.
  public enum Outcome: Sendable {
    /// It was evaluated.
    case evaluated(EvaluatedRun)
    /// It could not be, for this reason.
    case failed(reason: String)
  }

  /// One run.
  public struct Entry: Sendable {
    /// The checkpoint's folder, as its user named it.
    public let checkpoint: String
    /// What became of it.
    public let outcome: Outcome

    /// A run and what became of it.
    public init(checkpoint: String, outcome: Outcome) {
      self.checkpoint = checkpoint
      self.outcome = outcome
    }

    /// What was measured, if anything was.
    public var run: EvaluatedRun? {
      if case .evaluated(let run) = outcome { run } else { nil }
    }
  }

  /// The runs, in the order asked for.
  public let entries: [Entry]
  /// How they were compared; nil where no run could be.
  public let evaluationProtocol: EvaluationProtocol?

  /// A comparison.
  public init(entries: [Entry], evaluationProtocol: EvaluationProtocol?) {
    self.entries = entries
    self.evaluationProtocol = evaluationProtocol
  }

  /// The runs' names: the folders' last parts where those differ, else the folders.
  public var names: [String] {
    let names = entries.map { entry in
      entry.checkpoint.split(separator: "/").last.map(String.init) ?? entry.checkpoint
    }
    return Set(names).count == names.count ? names : entries.map(\.checkpoint)
  }
}
