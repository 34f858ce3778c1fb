import Foundation

/// When a codebook collapsed, and which diagnostic saw it first.
///
/// Each diagnostic has a limit (``Diagnostic/limit(channels:)``) that is argued once for all runs. Its
/// onset is the first step from which on it stays beyond the limit to the end of the series; a run
/// that recovered has none. Single strays are not counted: every value is replaced by the median of
/// itself and its two neighbours.
///
/// The verdict on a run is ``CodebookHealth``'s; an onset only tells the story of it.
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
  ///   - series: values by step, in the order of their steps; those not finite are passed over.
  ///   - channels: numbers in a code.
  public init(_ series: [Diagnostic: Series], channels: Int) {
    judged = Diagnostic.allCases.filter { diagnostic in
      series[diagnostic]?.contains { $0.value.isFinite } ?? false
    }
    onsets = judged.compactMap { diagnostic in
      Self.onset(of: diagnostic, series[diagnostic] ?? [], channels: channels)
    }.sorted { ($0.step, $0.diagnostic.order) < ($1.step, $1.diagnostic.order) }
  }

  /// The onset of the collapse itself: of usage, else of perplexity, else of the vectors' or codes'
  /// concentration; nil where none of these stays beyond its limit.
  public var collapse: Onset? {
    for diagnostic in Diagnostic.ofCollapse {
      if let onset = onsets.first(where: { $0.diagnostic == diagnostic }) { return onset }
    }
    return nil
  }

  /// The diagnostics that were beyond their limits before the collapse, the earliest first.
  public var signs: [Onset] {
    guard let collapse else { return onsets }
    return onsets.filter { $0.step < collapse.step && $0.diagnostic != collapse.diagnostic }
  }

  private static func onset(of diagnostic: Diagnostic, _ series: Series, channels: Int) -> Onset? {
    let known = series.filter(\.value.isFinite)
    let limit = diagnostic.limit(channels: channels)
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
