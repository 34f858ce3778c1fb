import Configuration

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
