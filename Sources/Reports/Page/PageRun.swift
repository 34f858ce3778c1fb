import Charts
import Diagnostics

/// A run as all sections of a page draw it.
struct PageRun {
  /// Its place among the comparison's entries, which gives it its colour.
  let index: Int
  /// Its name.
  let name: String
  /// Its name at the end of a curve.
  let label: String
  /// Its quantizer.
  let quantizer: QuantizerPresentation
  /// What was measured; nil where there were no images to measure it on.
  let run: EvaluatedRun?
  /// What else is known.
  let details: RunDetails
  /// Where it comes from.
  let facts: RunFacts
  /// What is made of it.
  let judgement: Judgement
  /// When it collapsed; nil where it was not evaluated.
  let onset: CollapseOnset?

  var style: SeriesStyle { SeriesStyle(index) }

  /// Its log.
  var history: RunHistory { details.history }

  /// A curve of the run; `change` is applied to every value.
  func line(
    _ kind: RunHistory.Kind, _ key: String, _ change: (Double) -> Double = { $0 }
  ) -> LineChart.Line {
    line(history[kind, key].mapped(change))
  }

  /// A series as the run's curve; of several curves the first one carries its label.
  func line(_ series: RunHistory.Series, variant: Int? = nil, name: String? = nil) -> LineChart.Line
  {
    .init(
      name ?? self.name, label: variant ?? 0 > 0 ? "" : label, SeriesStyle(index, variant: variant),
      series.points)
  }

  /// A noisy series as the means of windows, in a band from their least to their greatest value.
  func calmLine(
    _ series: RunHistory.Series, variant: Int? = nil, name: String? = nil
  ) -> LineChart.Line {
    let windows = 80
    guard series.values.count > 2 * windows else {
      return line(series, variant: variant, name: name)
    }
    var (means, lower, upper): ([Point], [Point], [Point]) = ([], [], [])
    for window in 0..<windows {
      let range =
        window * series.values.count / windows..<(window + 1) * series.values.count / windows
      let values = series.values[range]
      let x = Double(series.steps[(range.lowerBound + range.upperBound) / 2])
      means.append(Point(x, values.reduce(0, +) / Double(values.count)))
      lower.append(Point(x, values.min() ?? .nan))
      upper.append(Point(x, values.max() ?? .nan))
    }
    if let step = series.steps.last, let value = means.last?.y {
      means.append(Point(Double(step), value))
    }
    return .init(
      name ?? self.name, label: variant ?? 0 > 0 ? "" : label, SeriesStyle(index, variant: variant),
      means, band: (lower, upper))
  }
}

extension RunHistory.Series {
  /// The values as points of a curve.
  var points: [Point] { zip(steps, values).map { Point(Double($0), $1) } }
}

extension [PageRun] {
  /// The runs whose logs have lines of a kind.
  func telling(_ kind: RunHistory.Kind) -> [PageRun] {
    filter { !$0.history.keys(kind).isEmpty }
  }

  /// The runs that a measure belongs to.
  func having(_ measure: QuantizerPresentation.Measure) -> [PageRun] {
    filter { $0.quantizer.has(measure) }
  }

  /// A sentence on the runs whose logs have no lines of a kind; empty where all have.
  func silence(_ kind: RunHistory.Kind) -> String {
    let silent = filter { $0.history.keys(kind).isEmpty }
    return silent.isEmpty
      ? ""
      : "The log\(silent.count > 1 ? "s" : "") of \(silent.names) "
        + "\(silent.count > 1 ? "have" : "has") no ‘\(kind.rawValue)’ lines."
  }

  /// Names joined for a sentence.
  var names: String { map(\.name).joinedInWords }
}

extension [String] {
  /// "a, b and c".
  var joinedInWords: String {
    guard count > 1 else { return first ?? "" }
    return dropLast().joined(separator: ", ") + " and " + self[count - 1]
  }
}
