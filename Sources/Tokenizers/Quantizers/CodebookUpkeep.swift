import Configuration

/// Updates of a codebook between steps, in addition to or instead of gradients.
public struct CodebookUpkeep: Sendable, Equatable {
  /// How the codebook learns.
  public enum Learning: String, Sendable, CaseIterable {
    /// By the codebook loss, as all weights do.
    case gradient
    /// Each code is the moving average of the vectors that chose it. No optimizer, decay or average of
    /// the weights touches it, and there is no codebook loss. Van den Oord et al., 1711.00937,
    /// appendix A.1.
    case ema
  }

  /// How the codebook learns.
  public var learning: Learning
  /// The fraction of the moving averages that a step leaves: of each code's uses and of the sum of
  /// its vectors.
  public var decay: Double
  /// Added to the uses of every code before division (Laplace smoothing).
  public var epsilon: Double
  /// Steps between dead-code revivals; 0 is never.
  public var reviveEvery: Int
  /// Codes are replaced where their moving average of uses a batch is below this share of what each
  /// code would have if all were used alike.
  ///
  /// A code that is not used at all falls below it after `ln(reviveBelow) / ln(decay)` steps: 230 with
  /// 0.1 and 0.99.
  public var reviveBelow: Double

  /// Describes the upkeep of a codebook; by default there is none.
  public init(
    learning: Learning = .gradient, decay: Double = 0.99, epsilon: Double = 1e-5,
    reviveEvery: Int = 0, reviveBelow: Double = 0.1
  ) {
    self.learning = learning
    self.decay = decay
    self.epsilon = epsilon
    self.reviveEvery = reviveEvery
    self.reviveBelow = reviveBelow
  }

  /// Whether anything is done between steps.
  public var isNeeded: Bool { learning == .ema || reviveEvery > 0 }
}

extension CodebookUpkeep {
  /// Declares the fields.
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.choice(
      "codebookLearning", &learning,
      "How the codebook learns: by the gradient of the codebook loss, or by EMA updates, where "
        + "each code is the moving average of its vectors and codebookWeight has no effect.")
    fields.number(
      "emaDecay", &decay, in: .from(0, below: 1),
      "EMA decay of each code's uses and vectors.")
    fields.number(
      "emaEpsilon", &epsilon, in: .above(0),
      "Added to the uses of every code before division (Laplace smoothing).")
    fields.integer(
      "reviveEvery", &reviveEvery, in: .atLeast(0),
      "Steps between dead-code revivals, which replace unused codes by vectors of the batch; 0 is off."
    )
    fields.number(
      "reviveBelow", &reviveBelow, in: .inside(0, 1),
      "Codes are revived when their moving average of uses is below this fraction of uniform use; "
        + "a code that is never used falls below it after "
        + "ln(reviveBelow) / ln(emaDecay) steps.")
  }
}
