/// Whether the bounds of ``AverageLossMonitor`` are theorems for a run, and if not, why.
public struct GuaranteeLabel: Sendable, Equatable {
  /// Conditions of the theorems that do not hold.
  public enum Reason: String, Sendable, CaseIterable {
    /// Momentum, Adam, ...
    case optimizer = "the optimizer is not plain gradient descent"
    /// A network of more than one layer.
    case notConvex = "the loss is not convex in the parameters"
    /// `|u_t| < |g_t|` at some steps.
    case clipped = "gradients are clipped"
    /// Decay that is not part of the loss.
    case weightDecay = "weight decay is no part of the loss"
    /// An exponential moving average, say.
    case codebook = "the codebook moves outside the optimizer"
  }

  /// The reasons, in the order of their cases; empty for a theorem.
  public let reasons: [Reason]

  /// By what the caller knows of the run.
  public init(
    plainGradientDescent: Bool, convex: Bool, clipped: Bool, weightDecay: Bool,
    codebookOutsideOptimizer: Bool
  ) {
    let holds: [Reason: Bool] = [
      .optimizer: !plainGradientDescent, .notConvex: !convex, .clipped: clipped,
      .weightDecay: weightDecay, .codebook: codebookOutsideOptimizer,
    ]
    reasons = Reason.allCases.filter { holds[$0] == true }
  }

  /// "theorem" or "proxy".
  public var label: String { reasons.isEmpty ? "theorem" : "proxy" }

  /// The reasons in words.
  public var because: [String] { reasons.map(\.rawValue) }
}
