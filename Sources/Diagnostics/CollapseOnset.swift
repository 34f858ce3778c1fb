import Foundation

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
