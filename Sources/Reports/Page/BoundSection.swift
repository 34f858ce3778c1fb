import Charts

/// The average loss beside what convex theory promises for it.
struct BoundSection {
  let runs: [PageRun]

  private static let names: [(key: String, words: String, label: String)] = [
    ("gap", "measured gap", "gap"), ("bound1.average", "B1, radius of the average", "B1 avg"),
    ("bound1.max", "B1, largest radius", "B1 max"),
    ("bound2.average", "B2, radius of the average", "B2 avg"),
    ("bound2.max", "B2, largest radius", "B2 max"),
    ("bestConstantBound", "best constant rate", "best const"),
  ]

  var section: PageSection {
    let told = runs.telling(.averageLoss)
    let isTheorem = told.contains { $0.history.text(.averageLoss, "label") == "theorem" }
    return PageSection(
      id: "bounds", title: "Average loss and convex bounds", short: "Bounds",
      introduction: told.isEmpty
        ? runs.silence(.averageLoss)
        : "The mean loss of the iterates less a reference, beside the bounds of online convex "
          + "optimization: B1 = D²/(2Tη) + Σ η|g|²/(2T) and B2 = (R² + Σ η²|g|²)/(2 Σ η). They are "
          + "theorems for plain gradient steps on a convex loss, and proxies otherwise. "
          + runs.silence(.averageLoss),
      isOpen: isTheorem,
      content: told.isEmpty
        ? "" : words(told) + PageSection.grid(told.map(bounds) + curves(told)))
  }

  private func words(_ told: [PageRun]) -> String {
    let items = told.map { run -> String in
      let history = run.history
      var text: [String] = []
      switch history.text(.averageLoss, "label") {
      case "theorem"?: text.append("the bounds are theorems here")
      case let label?:
        let reasons = history.reasons.joined(separator: ", ")
        text.append(
          "the bounds are \(label == "proxy" ? "proxies" : label)"
            + (reasons.isEmpty ? "" : ": \(reasons)"))
      case nil: break
      }
      if let reference = history.text(.averageLoss, "reference") {
        text.append("the gap is to \(reference == "zero" ? "zero" : "the \(reference)")")
      }
      if let slack = history[.averageLoss, "slack2"].last {
        text.append(
          "it ends at \(NumberLabel.value(slack, digits: 3)) of B2"
            + (slack > 1 ? ": convexity or the radius does not hold" : ""))
      }
      if let exponent = history[.averageLoss, "decayExponent"].last {
        text.append(
          "the mean loss falls as T to the power of -\(NumberLabel.value(exponent, digits: 2)), where "
            + "theory has -0.5")
      }
      if let monotone = history[.averageLoss, "monotone"].last, monotone == 0 {
        text.append("the learning rate rose at times, so that B1 does not apply")
      }
      for key in ["bound4", "bound6"] {
        let value =
          history[.averageLoss, key].last ?? history[.averageLoss, key + ".average"].last
        if let value {
          text.append(
            "\(key == "bound4" ? "B4" : "B6"), for the last iterate, is "
              + NumberLabel.value(value, digits: 3))
        }
      }
      return "<li><b class=\"name r\(run.index)\">\(Markup.escaped(run.name))</b>: "
        + "\(Markup.escaped(text.joined(separator: "; "))).</li>"
    }
    return "<ul class=\"words\">\(items.joined())</ul>"
  }

  private func bounds(_ run: PageRun) -> String {
    let lines = Self.names.enumerated().compactMap { variant, name -> LineChart.Line? in
      let series = run.history[.averageLoss, name.key]
      guard !series.isEmpty else { return nil }
      return .init(
        name.words, label: name.label, SeriesStyle(run.index, variant: variant), series.points)
    }
    let label = run.history.text(.averageLoss, "label") ?? "unlabelled"
    let ends = lines.map { "\($0.name) \(NumberLabel.value($0.points.last?.y ?? .nan))" }
    return Figure(
      "\(run.name): gap and bounds (\(label))", note: "Both axes logarithmic.", subject: run.style,
      LineChart(
        summary: "\(run.name): mean loss gap and its bounds over the steps; at the end "
          + ends.joined(separator: ", "), lines, horizontal: ("step", .logarithmic),
        vertical: .logarithmic)
    ).html
  }

  private func curves(_ told: [PageRun]) -> [String] {
    [
      RunFigure(
        title: "Slack of B1", note: "Gap over bound; above 1 an assumption is broken.",
        vertical: .logarithmic, including: [1], references: [.init(1, "bound")]
      ).html(told) { $0.line(.averageLoss, "slack1") },
      RunFigure(
        title: "Slack of B2", note: "Gap over bound; above 1 an assumption is broken.",
        vertical: .logarithmic, including: [1], references: [.init(1, "bound")]
      ).html(told) { $0.line(.averageLoss, "slack2") },
      RunFigure(
        title: "Decay exponent", note: "Of the mean loss in T, from three dyadic means.",
        including: [0, 0.5], references: [.init(0.5, "theory")]
      ).html(told) { $0.line(.averageLoss, "decayExponent") },
      RunFigure(
        title: "Straightness", note: "Distance from the start over the length of the path.",
        including: [0, 1]
      ).html(told) { $0.line(.averageLoss, "straightness") },
      RunFigure(
        title: "Learning rate against theory",
        note: "η √V / R: far above 1 the rate is above what the bound would choose.",
        vertical: .logarithmic, including: [1], references: [.init(1, "theory")]
      ).html(told) { $0.line(.averageLoss, "rateRatio") },
    ]
  }
}
