import Files
import Configuration
import Diagnostics
import Evaluation
import Formatting
import Tokenizers

/// A run's log as series by step, up to the step of its weights.
///
/// Journals of older versions lack kinds of lines and keys; whatever is missing is an empty series.
/// Nothing in a file can make this fail: malformed lines are skipped, and numbers that are not
/// there are not there.
public struct RunHistory: Sendable {
  /// The kinds of lines that are read.
  public enum Kind: String, Sendable, CaseIterable {
    /// A start or a resumption: program, machine, images.
    case run
    /// An image that could not be used, and the one in its place.
    case replaced
    /// Loss, rate, gradient of a batch.
    case step
    /// Quality on held-out images.
    case evaluation
    /// Use of the codebook over all batches of a window.
    case codes
    /// Stable and entropy rank of each layer's weight, as `stableRank.LAYER`.
    case spectra
    /// Lengths and angles between vectors and codes.
    case quantizer
    /// Names of the tensors, once.
    case tensors
    /// Cosines between updates and gradients.
    case cosines
    /// The average loss and what bounds it.
    case averageLoss
    /// Held-out loss and quality of averaged weights.
    case averages
  }

  /// Values by step, in the order of the steps, one a step.
  public struct Series: Sendable, Equatable {
    /// The steps.
    public internal(set) var steps: [Int] = []
    /// The values, all finite.
    public internal(set) var values: [Double] = []

    /// Whether there is no value.
    public var isEmpty: Bool { values.isEmpty }
    /// The last value.
    public var last: Double? { values.last }

    /// Appends a value; of two of one step the later stays.
    mutating func append(_ step: Int, _ value: Double) {
      guard value.isFinite else { return }
      if let last = steps.last, step <= last {
        // A log that was joined from pieces: the place is searched from the end.
        let place = steps.lastIndex { $0 < step }.map { $0 + 1 } ?? 0
        if steps[place] == step {
          values[place] = value
        } else {
          steps.insert(step, at: place)
          values.insert(value, at: place)
        }
        return
      }
      steps.append(step)
      values.append(value)
    }

    /// The values under a function.
    func mapped(_ change: (Double) -> Double) -> Series {
      var series = Series()
      for (step, value) in zip(steps, values) { series.append(step, change(value)) }
      return series
    }

    /// A value for each step.
    func byStep(_ value: (Int) -> Double) -> Series {
      var series = Series()
      for step in steps { series.append(step, value(step)) }
      return series
    }

    /// Two series' values where both have one, joined.
    func joined(_ other: Series, _ join: (Double, Double) -> Double) -> Series {
      var series = Series()
      var index = 0
      for (step, value) in zip(steps, values) {
        while index < other.steps.count, other.steps[index] < step { index += 1 }
        guard index < other.steps.count else { break }
        if other.steps[index] == step { series.append(step, join(value, other.values[index])) }
      }
      return series
    }
  }

  /// Lines whose lists for each tensor are read: as many columns as a heat map shows, twice over.
  static let listLimit = 144

  private var series: [Kind: [String: Series]] = [:]
  private var lastTexts: [Kind: [String: String]] = [:]
  /// Lists of numbers of a line by key, for some of the lines.
  private var lists: [Kind: [String: [(step: Int, numbers: [Double])]]] = [:]
  /// The fraction of tokens on each level in the last window, `[channel][level]`; empty if not
  /// recorded.
  public private(set) var levels: [[Double]] = []
  /// The tensors' names in the order of the network.
  public private(set) var tensors: [String] = []
  /// The module of each tensor.
  public private(set) var modules: [String] = []
  /// Why a bound is a proxy and no theorem, as last reported.
  public private(set) var reasons: [String] = []
  /// Warnings, consecutive ones of a kind as one; at most the first hundred.
  public private(set) var warnings: [WarningSpan] = []
  /// Starts and resumptions, in order.
  public private(set) var sessions: [RunSession] = []
  /// Images that could not be used and were replaced by others: `training` or `validation`, the file's
  /// path within its folder, and why.
  public private(set) var replacements: [(set: String, file: String, reason: String)] = []
  /// The Simpson flags by step.
  public private(set) var simpson: [(step: Int, flags: [String])] = []

  /// No history.
  public init() {}

  /// The history in a log's bytes, up to and with the given step.
  public init(journal: [UInt8], upTo limit: Int = .max) {
    var wanted: [Kind: [(step: Int, lists: [(key: String, range: Range<Int>)])]] = [:]
    var names: [(key: String, range: Range<Int>)] = []
    JournalScanner.scan(journal) { line in
      guard line.step <= limit, let kind = Kind(rawValue: line.kind) else { return }
      if kind == .run {
        sessions.append(RunSession(line, journal))
        return
      }
      if kind == .replaced {
        func text(_ key: String) -> String { line.texts.first { $0.key == key }?.value ?? "" }
        replacements.append((text("set"), text("file"), text("reason")))
        return
      }
      for (key, value) in line.numbers where key != "step" {
        series[kind, default: [:]][key, default: Series()].append(line.step, value)
      }
      for (key, value) in line.texts where key != "kind" {
        lastTexts[kind, default: [:]][key] = value
      }
      if kind == .step {
        warn(line.texts.first { $0.key == "warning" }?.value, step: line.step)
      }
      if kind == .tensors {
        names = line.lists
      } else if !line.lists.isEmpty {
        wanted[kind, default: []].append((line.step, line.lists))
      }
    }
    for (key, range) in names {
      if key == "names" { tensors = JournalList.texts(journal[range]) }
      if key == "modules" { modules = JournalList.texts(journal[range]) }
    }
    for (kind, lines) in wanted { read(kind, lines, journal) }
  }

  /// The history in a log's lines.
  public init(lines: [JSONObject], upTo limit: Int = .max) {
    let text = lines.map { JSONValue.object($0).compactText + "\n" }.joined()
    self.init(journal: Array(text.utf8), upTo: limit)
  }

  /// Takes in whether a line of a step warns.
  private mutating func warn(_ text: String?, step: Int) {
    if let text, let last = warnings.last, !last.hasEnded, last.kind == WarningSpan.kind(of: text) {
      warnings[warnings.count - 1].extend(text, to: step)
      return
    }
    if !warnings.isEmpty { warnings[warnings.count - 1].hasEnded = true }
    if let text, warnings.count < 100 { warnings.append(WarningSpan(text, step: step)) }
  }

  /// The series of a key; empty where the log has none.
  public subscript(_ kind: Kind, _ key: String) -> Series { series[kind]?[key] ?? Series() }

  /// The keys of a kind that have a value.
  public func keys(_ kind: Kind) -> [String] { (series[kind] ?? [:]).keys.sorted() }

  /// The text of a key as last reported.
  public func text(_ kind: Kind, _ key: String) -> String? { lastTexts[kind]?[key] }

  /// The lists of a key, of some of the lines, in the order of their steps.
  public func lists(_ kind: Kind, _ key: String) -> [(step: Int, numbers: [Double])] {
    lists[kind]?[key] ?? []
  }

  private mutating func read(
    _ kind: Kind, _ lines: [(step: Int, lists: [(key: String, range: Range<Int>)])],
    _ journal: [UInt8]
  ) {
    let lines = lines.sorted { $0.step < $1.step }
    let size = max(1, (lines.count + Self.listLimit - 1) / Self.listLimit)
    for (index, line) in lines.enumerated() {
      let isLast = index == lines.count - 1
      for (key, range) in line.lists {
        let text = journal[range]
        switch (kind, key) {
        case (.cosines, "simpson"):
          let flags = JournalList.texts(text)
          if !flags.isEmpty { simpson.append((line.step, flags)) }
        case (.averageLoss, "because"):
          if isLast { reasons = JournalList.texts(text) }
        case (.codes, "levels"):
          if isLast { levels = JournalList.rows(text) }
        default:
          guard index % size == size - 1 || isLast else { continue }
          lists[kind, default: [:]][key, default: []].append((line.step, JournalList.numbers(text)))
        }
      }
    }
  }
}

// MARK: - Derived series

extension RunHistory {
  /// Used codes of a window over what a code drawn uniformly would show with as many tokens.
  ///
  /// Evaluations replace the windows of training where a log has none.
  var uniformUsage: Series {
    let windows = against(
      .codes,
      share: self[.codes, "usedCodes"].joined(self[.codes, "codes"]) {
        $1 > 0 ? $0 / $1 : .nan
      })
    return windows.isEmpty ? against(.evaluation, share: self[.evaluation, "usage"]) : windows
  }

  /// Whether the log has windows of training.
  var hasWindows: Bool { !self[.codes, "usedCodes"].isEmpty }

  private func against(_ kind: Kind, share: Series) -> Series {
    share.joined(self[kind, "expectedUniformUsage"]) { $1 > 0 ? $0 / $1 : .nan }
  }
}

extension CollapseOnset {
  /// The onsets in a run's history.
  ///
  /// Usage and perplexity are taken over the windows of the `codes` lines; where a log has none,
  /// usage of single batches stands in for it.
  public init(_ history: RunHistory, of run: EvaluatedRun) {
    var series: [Diagnostic: RunHistory.Series] = [:]
    if let use = run.latentUse {
      // Lines of training, or of evaluations where those have none.
      let lines = history[.quantizer, "deadChannels"]
      let dead = lines.isEmpty ? history[.evaluation, "deadChannels"] : lines
      if use.klByChannel != nil {
        series[.deadChannels] = dead.mapped { $0 / Double(max(1, use.channels)) }
      }
    } else {
      series[.usage] = Self.usage(history, codes: run.usage.codes)
    }
    series[.perplexity] = history[.codes, "perplexity"]
    series[.warning] = Self.warnings(history)
    if run.quantizer.has(.angles) {
      series[.lambda] = history[.quantizer, "lambda"]
      series[.cosine] = history[.quantizer, "cosine"]
      series[.obtuse] = history[.quantizer, "obtuse"]
      series[.commitmentRatio] = history[.quantizer, "commitmentRatio"]
      series[.latentSpread] = history[.quantizer, "latentSpread"]
      series[.codebookRank] = history[.quantizer, "codebookRank"]
      series[.codebookSpread] = history[.quantizer, "codebookSpread"]
      series[.quantizationError] = history[.step, "quantizationError"].joined(
        history[.quantizer, "vectorLength"]
      ) { $1 > 0 ? $0 / ($1 * $1) : .nan }
    }
    if run.evidence.latents.dimension > 1 {
      series[.latentRank] = history[.quantizer, "latentRank"]
    }
    self.init(
      series.mapValues { Array(zip($0.steps, $0.values)).map { (step: $0.0, value: $0.1) } },
      channels: run.evidence.latents.dimension, perplexity: Self.leastPerplexity(history))
  }

  /// The limit of perplexity for windows such as the last one.
  private static func leastPerplexity(_ history: RunHistory) -> Double {
    guard let codes = history[.codes, "codes"].last,
      let share = history[.codes, "expectedUniformUsage"].last,
      let used = history[.codes, "usedCodes"].last, codes >= 1, codes < 1e12
    else { return CodebookHealth.Threshold.leastPerplexity }
    return CodebookHealth.collapsedPerplexity(codes: Int(codes), uniform: share * codes, used: used)
  }

  /// 1 at the steps at which training warned of its codebook or posterior, 0 at the others; empty where it never did.
  private static func warnings(_ history: RunHistory) -> RunHistory.Series {
    let spans = history.warnings.filter {
      $0.kind.hasPrefix("codebook") || $0.kind.hasPrefix("posterior")
    }
    guard !spans.isEmpty else { return RunHistory.Series() }
    return history[.step, "loss"].byStep { step in
      spans.contains { $0.first <= step && step <= $0.last } ? 1 : 0
    }
  }

  private static func usage(_ history: RunHistory, codes: Int) -> RunHistory.Series {
    if history.hasWindows { return history.uniformUsage }
    // Journals of older versions count ids as tokens.
    let ids = history[.step, "ids"]
    return history[.step, "usage"].joined(ids.isEmpty ? history[.step, "tokens"] : ids) {
      usage, ids in
      guard ids >= Double(CodebookHealth.Threshold.ids), ids < 1e12 else { return .nan }
      return usage / CodebookUsage.expectedUniformUsage(codes: codes, ids: Int(ids))
    }
  }
}

/// Consecutive lines of a log with one kind of warning.
public struct WarningSpan: Sendable, Equatable {
  /// The kind: the warning up to its first colon or digit.
  public let kind: String
  /// The step of the first line.
  public let first: Int
  /// The step of the last line so far.
  public private(set) var last: Int
  /// The warning in full, as last reported.
  public private(set) var text: String
  /// How many lines.
  public private(set) var count = 1
  /// Whether a line without it, or with another, followed.
  public var hasEnded = false

  /// A span of one line.
  init(_ text: String, step: Int) {
    kind = Self.kind(of: text)
    first = step
    last = step
    self.text = text
  }

  /// Takes in another line of the same kind.
  mutating func extend(_ text: String, to step: Int) {
    last = step
    self.text = text
    count += 1
  }

  /// The span in words: "steps 110 to 149: codebook collapsing".
  public var words: String {
    let place =
      !hasEnded && count > 1
      ? "from step \(Display.count(first)) on"
      : first == last
        ? "step \(Display.count(first))"
        : "steps \(Display.count(first)) to \(Display.count(last))"
    return place + ": " + text
  }

  static func kind(of text: String) -> String {
    String(text.prefix { $0 != ":" && !$0.isNumber }).trimmingSpaces
  }
}

extension String {
  fileprivate var trimmingSpaces: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
