import Evaluation
import Formatting

/// Detects codebook collapse during training.
///
/// Each step's used codes, less the one that is always used, are taken relative to those that a uniform
/// code would show with as many ids, and smoothed over some ten steps. That is the *level*; the *trend* compares it with the mean of some
/// hundred steps. The first ``Threshold/start`` steps do not count. Then the codebook
///
/// - *is collapsed* where the level is below ``Threshold/collapsed``, and does not rise;
/// - *is collapsing* where the level is below ``Threshold/collapsing``, and falls, or has come down to less
///   than ``Threshold/ofPeak`` of its highest and does not rise.
///
/// A codebook that is used little but more and more is healthy, if it was never used more: such a one is given
/// more time, and its trend is that of the hundred steps against a thousand. ``CodebookHealth`` judges a
/// finished run.
public struct CodebookWatch: Sendable, Equatable {
  /// The limits, and the argument for each.
  public enum Threshold {
    /// Steps that do not count: 50.
    ///
    /// The encoder leaves its initial values, and the codebook lags behind, or was drawn from
    /// them and stays behind: usage may do anything.
    public static let start = 50
    /// Counted steps before a fall can be seen: 20, twice the memory of the level.
    public static let stepsForFall = 20
    /// Counted steps before it can be said that usage does not rise: 100, the memory of the trend.
    public static let stepsForRise = 100
    /// The same where no batch, not even the first, used as much as ``collapsed``: 300.
    ///
    /// By then growth by a factor of e in 1000 steps can be distinguished from none.
    public static let stepsForSlowRise = 300
    /// Level of a collapsed codebook: 0.1, as ``CodebookHealth/Threshold/usageInTraining``.
    public static let collapsed = CodebookHealth.Threshold.usageInTraining
    /// Level below which a fall is reported: 0.25, as ``CodebookHealth/Threshold/usage``.
    ///
    /// Above it, fewer codes may simply be what the images need.
    public static let collapsing = CodebookHealth.Threshold.usage
    /// The level against the trend's mean, that is a fall: 0.9.
    ///
    /// Usage of a healthy codebook differs by a tenth from batch to batch, its level by a few hundredths.
    public static let fall = 0.9
    /// The level against its highest, that is a long fall: 0.5.
    public static let ofPeak = 0.5
    /// The level against the trend's mean, that is a rise: 1.02.
    ///
    /// Where usage grows by a factor of e in 1000 steps, the level is some 1.08 of that mean.
    public static let rise = 1.02
    /// The mean of a hundred steps against that of a thousand, that is a slow rise: 1.03.
    ///
    /// The same growth makes for 1.05 after 300 steps, and for more later; without any, it is within 0.01 of 1.
    public static let slowRise = 1.03
    /// The rise that ends a warning: 1.25.
    ///
    /// From 15 codes to 17 is no recovery.
    public static let strongRise = 1.25
    /// The level against its limit that ends a warning: 1.1.
    ///
    /// Both are more than it takes to begin one, so that a warning does not come and go.
    public static let recovery = 1.1
  }

  private var level = RecentMean(decay: 0.9)
  private var longLevel = RecentMean(decay: 0.99)
  private var longestLevel = RecentMean(decay: 0.999)
  private var counted = 0
  // The highest level, and the highest usage of any batch from the first on.
  private var peak = 0.0
  private var highest = 0.0
  private var kind = Kind.none
  // Of the last step, for the words.
  private var codes = 0
  private var expected = 0.0

  private enum Kind: Int {
    case none, collapsing, collapsed
  }

  /// No steps yet.
  public init() {}

  /// The numbers between two steps; `init(state:)` takes them back bit for bit.
  public var state: [Double] {
    level.state + longLevel.state + longestLevel.state
      + [Double(counted), peak, highest, Double(kind.rawValue), Double(codes), expected]
  }

  /// Continues from a ``state``; nil if it cannot be one.
  public init?(state: [Double]) {
    guard state.count == 12, let counted = Int(exactly: state[6]), counted >= 0,
      let kind = Int(exactly: state[9]).flatMap(Kind.init), let codes = Int(exactly: state[10])
    else { return nil }
    level = RecentMean(decay: level.decay, state: state[0..<2])
    longLevel = RecentMean(decay: longLevel.decay, state: state[2..<4])
    longestLevel = RecentMean(decay: longestLevel.decay, state: state[4..<6])
    (self.counted, peak, highest) = (counted, state[7], state[8])
    (self.kind, self.codes, expected) = (kind, codes, state[11])
  }

  /// Takes in a step, counted from 1; returns ``warning``.
  /// - Parameters:
  ///   - used: codes that the batch used.
  ///   - ids: ids of the batch at the codebook's depth: one a token.
  ///   - codes: the size of the codebook.
  @discardableResult
  public mutating func record(step: Int, used: Int, ids: Int, codes: Int) -> String? {
    // A single id, or a single code, is used as much as it can be.
    guard ids > 1, codes > 1 else { return warning }
    self.codes = codes
    expected = CodebookUsage.expectedUniformUsage(codes: codes, ids: ids) * Double(codes)
    let usage = Double(max(0, used - 1)) / (expected - 1)
    highest = max(highest, usage)
    guard step > Threshold.start else { return nil }
    level.record(usage)
    longLevel.record(usage)
    longestLevel.record(usage)
    counted += 1
    if counted >= Threshold.stepsForFall { peak = max(peak, level.value) }
    judge()
    return warning
  }

  private mutating func judge() {
    let level = level.value
    let trend = level / longLevel.value
    // What ends a warning is more than what keeps one from beginning.
    let isWarning = kind != .none
    let margin = isWarning ? Threshold.recovery : 1
    let rises = trend > (isWarning ? Threshold.strongRise : Threshold.rise)
    if level < Threshold.collapsed * (kind == .collapsed ? margin : 1), !rises, !mayYetRise {
      kind = .collapsed
    } else if level < Threshold.collapsing * margin, counted >= Threshold.stepsForFall,
      trend < Threshold.fall || (isDown(margin) && !rises)
    {
      kind = .collapsing
    } else {
      kind = .none
    }
  }

  /// Whether it is too early to judge, or usage that was never high grows slowly.
  private var mayYetRise: Bool {
    if highest >= Threshold.collapsed { return counted < Threshold.stepsForRise }
    let grows = longLevel.value > Threshold.slowRise * longestLevel.value
    return counted < Threshold.stepsForSlowRise || (grows && kind == .none)
  }

  private func isDown(_ margin: Double) -> Bool {
    counted >= Threshold.stepsForRise && level.value < Threshold.ofPeak * margin * peak
  }

  /// The warning after the last step; nil if there is none.
  public var warning: String? {
    let now = "\(count(level.value)) of \(codes) codes"
    switch kind {
    case .none: return nil
    case .collapsed: return "codebook collapsed: \(now)"
    case .collapsing:
      let isFalling = level.value < Threshold.fall * longLevel.value
      return "codebook collapsing: \(now), "
        + (isFalling ? "falling" : "down from \(count(peak))")
    }
  }

  /// How many codes of the last batch a level amounts to.
  private func count(_ level: Double) -> String {
    Display.decimals(1 + level * (expected - 1), 0)
  }
}
