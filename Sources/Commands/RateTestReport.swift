import Foundation
import Training

/// The result of `train --find-rate` as text: a plot of the loss over the rate, and the suggestion.
struct RateTestReport {
  private let test: RateTest

  /// Rows and columns of the plot.
  private static let (rows, columns) = (24, 40)

  init(_ test: RateTest) { self.test = test }

  var text: String {
    var lines = [
      "learning rate    loss  (smoothed; * marks the suggested rate)"
    ]
    let shown = Self.spread(test.points.count).map { test.points[$0] }
    let values = shown.map(\.smoothed)
    let (low, high) = (values.min() ?? 0, values.max() ?? 0)
    let marked = test.suggestion.flatMap { suggestion in
      shown.indices.min {
        abs(log(shown[$0].rate / suggestion)) < abs(log(shown[$1].rate / suggestion))
      }
    }
    for (index, point) in shown.enumerated() {
      let share = high > low ? (point.smoothed - low) / (high - low) : 0
      let bar = String(repeating: "#", count: 1 + Int(share * Double(Self.columns - 1)))
      lines.append(
        Self.number(point.rate) + " \(index == marked ? "*" : " ") "
          + Display.loss(point.smoothed).padding(toLength: 10, withPad: " ", startingAt: 0) + bar)
    }
    lines.append("")
    lines += conclusion
    return lines.joined(separator: "\n")
  }

  private var conclusion: [String] {
    var lines: [String] = []
    if let divergence = test.divergence {
      lines.append("Training diverged at \(Self.number(divergence)).")
    }
    if let suggestion = test.suggestion {
      lines.append("Suggested: --set training.optimizer.learningRate=\(Self.number(suggestion))")
      lines.append(
        "This is where the loss falls most steeply in the first steps, or a tenth of where it diverges."
      )
      lines.append(
        "It is a starting point: long runs often end better with a half or a third of it.")
    } else {
      lines.append(
        "The loss neither fell nor diverged: no rate can be suggested. Try more steps or a larger last "
          + "rate.")
    }
    return lines
  }

  /// Rates have two digits: a test cannot resolve more.
  private static func number(_ rate: Double) -> String { String(format: "%.1e", rate) }

  private static func spread(_ count: Int) -> [Int] {
    guard count > rows else { return Array(0..<count) }
    return (0..<rows).map { $0 * (count - 1) / (rows - 1) }
  }
}
