import Configuration
import Diagnostics
import Formatting
import Tokenizers

/// A run's verdict in reports: one word, its reasons, since when, and what to do next.
public struct Judgement: Sendable, Equatable {
  /// Its mark.
  public enum Mark: String, Sendable {
    /// Nothing is wrong.
    case good
    /// More training will tell.
    case open
    /// The codebook collapsed.
    case bad
    /// It could not be evaluated.
    case none
  }

  /// Its mark.
  public let mark: Mark
  /// The verdict: "healthy", "codebook collapse", "embedding collapse", "posterior collapse", "still
  /// improving", "too early to judge", "not evaluated", "failed"; "trained" of priors and models of one's own.
  public let title: String
  /// Why, the gravest first; each without a full stop.
  public let reasons: [String]
  /// Of a collapse: since when, and what had shown it before; may be empty.
  public let story: String
  /// What to do, a sentence with its command; may be empty.
  public let next: String

  /// The judgement of an entry.
  ///
  /// - Parameter folder: the run's folder as commands should name it.
  public init(_ entry: Comparison.Entry, folder: String) {
    switch entry.outcome {
    case .evaluated(let run): self.init(run, folder: folder)
    case .failed(let reason): self.init(.none, "failed", [reason], next: "")
    case .prior(let run):
      self.init(.none, "trained", run.reasons, next: run.next(folder: folder))
    case .recorded(let run) where !run.isTokenizer:
      let loss = NumberText.significant(run.lastLoss)
      let held =
        run.evaluationStep.map {
          "held-out loss \(NumberText.significant(run.evaluation["loss"])) at step "
            + Display.count($0)
        } ?? "without a validation batch"
      self.init(
        .none, "trained",
        ["training loss \(loss) after \(Display.count(run.steps)) steps", held],
        next: "")
    case .recorded(let run):
      let source =
        run.evaluationStep.map {
          "its numbers are those of its log's last evaluation, at step \(Display.count($0))"
        } ?? "its log has no evaluation"
      self.init(.none, "not evaluated", [source], next: "Name images with --data")
    }
  }

  private init(_ mark: Mark, _ title: String, _ reasons: [String], next: String) {
    (self.mark, self.title, self.reasons, self.next) = (mark, title, reasons, next)
    story = ""
  }

  private init(_ run: EvaluatedRun, folder: String) {
    let health = run.health
    title = run.verdict
    mark =
      switch health.verdict {
      case .healthy: .good
      case .underTrained: .open
      case .tokenCollapse, .embeddingCollapse, .posteriorCollapse: .bad
      }
    var last = health.verdict
    var reasons =
      health.findings.isEmpty
      ? [
        run.isContinuous
          ? "latents and training show nothing amiss"
          : "codes, vectors and training show nothing amiss"
      ]
      : health.findings.map { finding in
        defer { last = finding.verdict }
        return finding.verdict == last
          ? finding.reason : "also \(finding.verdict.rawValue): \(finding.reason)"
      }
    reasons += health.remarks
    if let known = run.imagesTrainedOn, known > 0 {
      reasons.append(
        "it was trained on \(Display.count(known)) of these \(Display.count(run.images)) "
          + "images, which flatters its numbers")
    }
    self.reasons = reasons
    story = mark == .bad ? run.onset?.words ?? "" : ""
    switch health.verdict {
    case .healthy:
      next =
        "Ready to use: \(CommandName.typed("encode")) --checkpoint \(folder) "
        + "--output \(run.isContinuous ? "latents" : "tokens").safetensors IMAGES"
    case .underTrained:
      let isUnfinished = run.steps < run.evidence.plannedSteps
      next =
        "Continue: \(CommandName.typed("train")) --resume --output \(folder)"
        + (isUnfinished ? "" : " --steps \(2 * max(run.steps, CodebookHealth.Threshold.steps))")
    case .tokenCollapse, .posteriorCollapse:
      next = "Train again, and \(run.quantizer.remedy)"
    case .embeddingCollapse:
      next =
        "Train again with a lower training.optimizer.learningRate"
        + (run.quantizer.has(.commitment) ? " or quantizer.commitmentWeight" : "")
        + ": the encoder's outputs have collapsed to a point or a line"
        + (run.isContinuous ? "" : ", which no codebook repairs")
    }
  }

  /// All of it as one paragraph.
  public var words: String {
    var parts = "\(title): " + reasons.joined(separator: "; ")
    if !story.isEmpty { parts += "; " + story }
    guard !next.isEmpty else { return parts }
    return parts + (parts.hasSuffix(".") ? " " : ". ") + next
  }
}

extension EvaluatedRun {
  /// The verdict in words; a run that is too short is "too early to judge".
  public var verdict: String {
    guard health.verdict == .underTrained else { return health.verdict.rawValue }
    let gain = evidence.gainOfSecondHalf ?? 0
    return gain > CodebookHealth.Threshold.gain ? health.verdict.rawValue : "too early to judge"
  }
}
