extension CollapseOnset {
  /// Diagnostics for the onset of a collapse, each with a limit and its justification.
  public enum Diagnostic: String, Sendable, CaseIterable {
    /// Used codes relative to uniform sampling, below ``CodebookHealth/Threshold/usage``.
    case usage
    /// Perplexity, below ``CodebookHealth/collapsedPerplexity(codes:uniform:used:)``: for every size of
    /// codebook the greatest that a verdict of collapse can rest on.
    case perplexity
    /// The warning of a codebook collapse that training gave: see ``CodebookWatch``.
    case warning
    /// `|q| / |z|`, below 0.3.
    ///
    /// A code in the vector's very direction then still leaves `(1 - 0.3)^2`, half, of its squared
    /// length unexplained; and the rotation trick hands the encoder less than a third of the
    /// reconstruction gradient, while the commitment gradient comes whole.
    case lambda
    /// `cos(z, q)`, below 0.5.
    ///
    /// Whatever its length, a code in that direction explains at most `cos^2`, a quarter, of the
    /// vector's squared length.
    case cosine
    /// The fraction of tokens with `cos(z, q) < 0`, above 0.05.
    ///
    /// At an obtuse angle `|z - q|^2 > |z|^2`: the nearest code is farther off than the origin.
    case obtuse
    /// The commitment gradient's norm against the reconstruction gradient's, at `z`, above 10.
    ///
    /// The encoder is then led by the codebook and no longer by the images.
    case commitmentRatio
    /// Effective rank of the vectors before quantization, below ``CodebookHealth/Threshold/rank(channels:)``.
    case latentRank
    /// Deviation of those vectors in lengths, below ``CodebookHealth/Threshold/relativeSpread``.
    case latentSpread
    /// Effective rank of the used codes, with the limit of the vectors'.
    case codebookRank
    /// Deviation of the used codes in lengths, with the limit of the vectors'.
    case codebookSpread
    /// Mean of `|z - q|^2` against the squared length of `z`, above 0.5.
    ///
    /// More than half of what the encoder says is lost.
    case quantizationError

    /// The diagnostics that are the collapse itself, the gravest first; all others are signs of it.
    ///
    /// The warning comes last: where nothing else shows the collapse, as of one depth of several, it was
    /// seen in training.
    static let ofCollapse: [Self] = [
      .usage, .perplexity, .latentSpread, .latentRank, .codebookSpread, .warning,
    ]

    var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// The number beyond which something is amiss.
    ///
    /// - Parameters:
    ///   - channels: numbers in a code.
    ///   - perplexity: the limit of perplexity, which depends on the codebook.
    public func limit(
      channels: Int, perplexity: Double = CodebookHealth.Threshold.leastPerplexity
    ) -> Double {
      switch self {
      case .usage: CodebookHealth.Threshold.usage
      case .perplexity: perplexity
      case .warning: 0
      case .lambda: 0.3
      case .cosine: 0.5
      case .obtuse: 0.05
      case .commitmentRatio: 10
      case .latentRank, .codebookRank: CodebookHealth.Threshold.rank(channels: channels)
      case .latentSpread, .codebookSpread: CodebookHealth.Threshold.relativeSpread
      case .quantizationError: 0.5
      }
    }

    /// Whether what is amiss lies above the limit.
    var isAbove: Bool {
      switch self {
      case .warning, .obtuse, .commitmentRatio, .quantizationError: true
      default: false
      }
    }

    func isBeyond(_ value: Double, _ limit: Double) -> Bool {
      isAbove ? value > limit : value < limit
    }

    /// The subject of a sentence on this diagnostic.
    var subject: String {
      switch self {
      case .usage: "usage"
      case .perplexity: "perplexity"
      case .warning: "the training warning"
      case .lambda: "lambda"
      case .cosine: "cos(z, q)"
      case .obtuse: "the share of codes at obtuse angles"
      case .commitmentRatio: "the commitment gradient"
      case .latentRank: "the effective rank of the vectors"
      case .latentSpread: "the spread of the vectors"
      case .codebookRank: "the effective rank of the used codes"
      case .codebookSpread: "the spread of the used codes"
      case .quantizationError: "the quantization error"
      }
    }

    /// Below or above what, in words.
    func bound(_ limit: Double) -> String {
      switch self {
      case .usage: "below a quarter of uniform usage"
      case .warning: "given"
      case .obtuse: "above 5%"
      case .commitmentRatio: "above ten times the reconstruction gradient"
      case .quantizationError: "above half of the vectors' squared length"
      case .latentSpread, .codebookSpread: "below 5% of their length"
      default: "below \(CollapseOnset.text(limit))"
      }
    }
  }
}
