/// Several runs on one set of images.
public struct Comparison: Sendable {
  /// The outcome of one run.
  public enum Outcome: Sendable {
    /// It was evaluated.
    case evaluated(EvaluatedRun)
    /// It could not be, for this reason.
    case failed(reason: String)
    /// There were no images to evaluate it on; this comes from its configuration and log.
    case recorded(RecordedRun)
  }

  /// One run.
  public struct Entry: Sendable {
    /// The checkpoint's folder, as its user named it.
    public let checkpoint: String
    /// The outcome.
    public let outcome: Outcome

    /// A run and its outcome.
    public init(checkpoint: String, outcome: Outcome) {
      self.checkpoint = checkpoint
      self.outcome = outcome
    }

    /// The measurements, if there are any.
    public var run: EvaluatedRun? {
      if case .evaluated(let run) = outcome { run } else { nil }
    }

    /// What its log holds, if it was not evaluated.
    public var recorded: RecordedRun? {
      if case .recorded(let run) = outcome { run } else { nil }
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

  /// The runs' names: as many of the folders' last parts as distinguish them.
  ///
  /// A folder that was named twice has its place behind its name the second time.
  public var names: [String] {
    let parts = entries.map { $0.checkpoint.split(separator: "/").map(String.init) }
    let longest = max(1, parts.map(\.count).max() ?? 1)
    var names: [String] = []
    for length in 1...longest {
      names = zip(entries, parts).map { entry, parts in
        parts.isEmpty ? entry.checkpoint : parts.suffix(length).joined(separator: "/")
      }
      if Set(names).count == names.count { return names }
    }
    return names.enumerated().map { index, name in
      names[..<index].contains(name) ? "\(name) (\(index + 1))" : name
    }
  }
}
