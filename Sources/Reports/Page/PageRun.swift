import Charts
import Diagnostics

/// An evaluated run as all sections of a page draw it.
struct PageRun {
  /// Its place among the comparison's entries, which gives it its colour.
  let index: Int
  /// Its name.
  let name: String
  /// Its name at the end of a curve.
  let label: String
  /// What was measured.
  let run: EvaluatedRun
  /// Its journal.
  let history: RunHistory
  /// Its codebook in a plane.
  let plane: CodePlane?
  /// When it collapsed.
  let onset: CollapseOnset

  var style: SeriesStyle { SeriesStyle(index) }

  var isVector: Bool { if case .vq = run.quantizer { true } else { false } }

  /// A curve of the run; `change` is applied to every value.
  func line(
    _ kind: RunHistory.Kind, _ key: String, _ change: (Double) -> Double = { $0 }
  ) -> LineChart.Line {
    line(history[kind, key].mapped(change))
  }

  /// A series as the run's curve.
  func line(_ series: RunHistory.Series) -> LineChart.Line {
    .init(name, label: label, style, series.points)
  }

  /// A noisy series as the means of windows, in a band from their least to their greatest value.
  func calmLine(_ series: RunHistory.Series) -> LineChart.Line {
    let windows = 80
    guard series.values.count > 2 * windows else { return line(series) }
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
    return .init(name, label: label, style, means, band: (lower, upper))
  }
}

extension RunHistory.Series {
  /// The values as points of a curve.
  var points: [Point] { zip(steps, values).map { Point(Double($0), $1) } }
}

extension [PageRun] {
  /// The runs whose journals have lines of a kind.
  func telling(_ kind: RunHistory.Kind) -> [PageRun] {
    filter { !$0.history.keys(kind).isEmpty }
  }

  /// A sentence on the runs whose journals have no lines of a kind; empty where all have.
  func silence(_ kind: RunHistory.Kind) -> String {
    let silent = filter { $0.history.keys(kind).isEmpty }
    return silent.isEmpty
      ? ""
      : "The journal\(silent.count > 1 ? "s" : "") of \(silent.names) "
        + "\(silent.count > 1 ? "have" : "has") no ‘\(kind.rawValue)’ lines."
  }

  /// Names joined for a sentence.
  var names: String {
    let names = map(\.name)
    guard names.count > 1 else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " and " + names[names.count - 1]
  }
}
