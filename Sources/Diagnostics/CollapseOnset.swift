import Formatting

/// When a codebook collapsed, and which diagnostic saw it first.
///
/// Each diagnostic has a limit (``Diagnostic/limit(channels:)``) that is argued once for all runs. Its
/// onset is the first step from which on it stays beyond the limit to the end of the series; a run
/// that recovered has none. The signs of a collapse are looked for up to it, not to the end: what was
/// beyond its limit until the collapse had shown it, even if it came back later. Single strays are not
/// counted: every value is replaced by the median of itself and its two neighbours.
///
/// The verdict on a run is ``CodebookHealth``'s; an onset only says how it came about.
public struct CollapseOnset: Sendable, Equatable {
  /// Values of one diagnostic by step.
  public typealias Series = [(step: Int, value: Double)]

  /// A diagnostic that stays beyond its limit.
  public struct Onset: Sendable, Equatable {
    /// Which.
    public let diagnostic: Diagnostic
    /// The first step from which on it stays beyond.
    public let step: Int
    /// Whether it was beyond when it was measured first, so that it may be so since before.
    public let sinceStart: Bool
    /// Its value at that step.
    public let value: Double
    /// The limit.
    public let limit: Double
  }

  /// The diagnostics that stay beyond their limits, the earliest first.
  public let onsets: [Onset]
  /// The diagnostics that had values to judge.
  public let judged: [Diagnostic]

  /// Looks for the onsets.
  ///
  /// - Parameters:
  ///   - series: values by step, in the order of their steps; those not finite are skipped.
  ///   - channels: numbers in a code.
  ///   - perplexity: the limit of perplexity: see
  ///     ``CodebookHealth/collapsedPerplexity(codes:uniform:used:)``.
  public init(
    _ series: [Diagnostic: Series], channels: Int,
    perplexity: Double = CodebookHealth.Threshold.leastPerplexity
  ) {
    let judged = Diagnostic.allCases.filter { diagnostic in
      series[diagnostic]?.contains { $0.value.isFinite } ?? false
    }
    func onsets(upTo step: Int) -> [Onset] {
      judged.compactMap { diagnostic in
        Self.onset(
          of: diagnostic, (series[diagnostic] ?? []).filter { $0.step <= step },
          limit: diagnostic.limit(channels: channels, perplexity: perplexity))
      }.sorted { ($0.step, $0.diagnostic.order) < ($1.step, $1.diagnostic.order) }
    }
    self.judged = judged
    let final = onsets(upTo: .max)
    self.onsets = final
    collapse =
      Diagnostic.ofCollapse.lazy.compactMap { diagnostic in
        final.first { $0.diagnostic == diagnostic }
      }.first
    if let collapse {
      signs = onsets(upTo: collapse.step).filter {
        $0.step < collapse.step && $0.diagnostic != collapse.diagnostic
      }
    } else {
      signs = final
    }
  }

  /// The onset of the collapse itself: of usage, else of perplexity, else of the vectors' or codes'
  /// concentration, else of the warning; nil where none of these stays beyond its limit.
  public let collapse: Onset?

  /// The diagnostics that were beyond their limits from before the collapse up to it, the earliest first;
  /// without a collapse all that stay beyond.
  public let signs: [Onset]

  private static func onset(of diagnostic: Diagnostic, _ series: Series, limit: Double) -> Onset? {
    let known = series.filter(\.value.isFinite)
    let smooth = medians(known.map(\.value))
    guard let last = smooth.last, diagnostic.isBeyond(last, limit) else { return nil }
    var first = smooth.count - 1
    while first > 0, diagnostic.isBeyond(smooth[first - 1], limit) { first -= 1 }
    return Onset(
      diagnostic: diagnostic, step: known[first].step, sinceStart: first == 0,
      value: known[first].value, limit: limit)
  }

  /// Each value's median with its neighbours; the ends stay as they are.
  static func medians(_ values: [Double]) -> [Double] {
    guard values.count > 2 else { return values }
    return values.indices.map { index in
      guard index > 0, index < values.count - 1 else { return values[index] }
      return values[index - 1...index + 1].sorted()[1]
    }
  }
}

// MARK: - Diagnostics and their limits

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
    /// The share of channels of continuous latents that carry nothing, above
    /// ``LatentUse/Threshold/dead``: see ``LatentUse``.
    case deadChannels
    /// Mean of `|z - q|^2` against the squared length of `z`, above 0.5.
    ///
    /// More than half of what the encoder says is lost.
    case quantizationError

    /// The diagnostics that are the collapse itself, the gravest first; all others are signs of it.
    ///
    /// The warning comes last: where nothing else shows the collapse, as of one depth of several, it was
    /// seen in training.
    static let ofCollapse: [Self] = [
      .deadChannels, .usage, .perplexity, .latentSpread, .latentRank, .codebookSpread, .warning,
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
      case .deadChannels: LatentUse.Threshold.dead
      }
    }

    /// Whether what is amiss lies above the limit.
    var isAbove: Bool {
      switch self {
      case .warning, .obtuse, .commitmentRatio, .quantizationError, .deadChannels: true
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
      case .deadChannels: "the share of dead channels"
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
      case .deadChannels: "above a half"
      case .latentSpread, .codebookSpread: "below 5% of their length"
      default: "below \(Display.significant(limit, 3))"
      }
    }
  }
}

// MARK: - In words

extension CollapseOnset {
  /// The story in sentences: when it collapsed, and what had shown it before.
  ///
  /// "usage fell below a quarter of uniform usage at step 220; lambda had fallen below 0.3 at step
  /// 60, 160 steps before". Empty where nothing stays beyond its limit.
  public var words: String {
    guard let collapse else {
      guard !onsets.isEmpty else { return "" }
      return "beyond its limit to the end: "
        + onsets.map(Self.phrase).joined(separator: "; ")
    }
    let first =
      collapse.diagnostic == .warning
      ? "the training warned of it from step \(Display.count(collapse.step)) on"
      : collapse.sinceStart
        ? "\(collapse.diagnostic.subject) was \(collapse.diagnostic.bound(collapse.limit)) from its "
          + "first measurement on, at step \(Display.count(collapse.step))"
        : "\(collapse.diagnostic.subject) \(verb(collapse)) \(collapse.diagnostic.bound(collapse.limit)) "
          + "at step \(Display.count(collapse.step))"
    var sentences = [first]
    if let sign = signs.first {
      sentences.append(earlier(sign, than: collapse))
    } else if !collapse.sinceStart, judged.contains(where: { !Diagnostic.ofCollapse.contains($0) })
    {
      sentences.append("no earlier warning sign")
    }
    let others = signs.dropFirst()
    guard !others.isEmpty else { return sentences.joined(separator: "; ") }
    return sentences.joined(separator: "; ") + ". Between the two: "
      + others.map { sign in
        sign.diagnostic == .warning
          ? "the training's warning (step \(Display.count(sign.step)))"
          : "\(sign.diagnostic.subject) \(sign.diagnostic.bound(sign.limit)) "
            + "(step \(Display.count(sign.step)))"
      }.joined(separator: ", ")
  }

  private func verb(_ onset: Onset) -> String { onset.diagnostic.isAbove ? "rose" : "fell" }

  private func earlier(_ sign: Onset, than collapse: Onset) -> String {
    let distance = "\(Display.count(collapse.step - sign.step)) steps before"
    let bound = sign.diagnostic.bound(sign.limit)
    let place = "at step \(Display.count(sign.step)), \(distance)"
    if sign.diagnostic == .warning { return "the training had warned of it " + place }
    if sign.sinceStart {
      return "\(sign.diagnostic.subject) had been \(bound) since its first measurement \(place)"
    }
    return
      "\(sign.diagnostic.subject) had \(sign.diagnostic.isAbove ? "risen" : "fallen") \(bound) "
      + place
  }

  private static func phrase(_ onset: Onset) -> String {
    if onset.diagnostic == .warning {
      return "the training warns since step " + Display.count(onset.step)
    }
    return "\(onset.diagnostic.subject) is \(onset.diagnostic.bound(onset.limit)) since step "
      + Display.count(onset.step)
  }
}
