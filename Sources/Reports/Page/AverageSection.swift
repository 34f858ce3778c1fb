import Charts

/// The last weights beside averages of the weights.
struct AverageSection {
  let runs: [PageRun]

  private static let names: [(key: String, words: String, label: String)] = [
    ("last", "last weights", "last"), ("uniform", "uniform", "uniform"),
    ("rateWeighted", "rate-weighted", "by rate"), ("tail", "tail", "tail"),
    ("polynomial", "polynomial", "polynom."), ("ema", "EMA", "EMA"),
  ]
  /// What follows the name of an average whose codebook was re-estimated in one pass.
  private static let anew = "+codebook"

  private static let measures: [(key: String, title: String, kind: Scale.Kind, decimals: Int?)] = [
    ("psnr", "held-out PSNR, dB", .linear, 2), ("loss", "held-out loss", .logarithmic, nil),
    ("jensenGap", "Jensen gap", .linear, nil),
  ]

  var section: PageSection {
    let told = runs.telling(.averages)
    return PageSection(
      id: "averages", title: "Last weights against averages", short: "Averages",
      introduction: told.isEmpty
        ? runs.silence(.averages)
        : "All on the same held-out images; wide: the last weights, dashed: the average that ends best. "
          + "The Jensen gap is the mean loss of the iterates less the loss of their average: not "
          + "below zero for a convex loss. " + runs.silence(.averages),
      content: told.isEmpty
        ? ""
        : best(told) + PageSection.grid(Self.measures.map { shared($0, told) })
          + PageSection.folded(
            "All averages of each run, also with a re-estimated codebook",
            PageSection.grid(told.flatMap(details))))
  }

  /// One chart of a measure for all runs: the last weights, and the best average.
  private func shared(
    _ measure: (key: String, title: String, kind: Scale.Kind, decimals: Int?), _ told: [PageRun]
  ) -> String {
    let isGap = measure.key == "jensenGap"
    return RunFigure(
      title: "Averages: \(measure.title)", vertical: measure.kind, including: isGap ? [0] : [],
      references: isGap ? [.init(0, "convex: not below")] : [], decimals: measure.decimals,
      source: "log"
    ).html(told) { run in
      let best = Self.best(run)?.key
      let last = run.line(
        run.history[.averages, "last.\(measure.key)"], variant: 0, name: "\(run.name) last")
      guard let best else { return [last] }
      return [
        last,
        run.line(
          run.history[.averages, "\(best).\(measure.key)"], variant: 1,
          name: "\(run.name) average"),
      ]
    }
  }

  private func details(_ run: PageRun) -> [String] {
    let plain = Self.measures.map { figure(run, $0, suffix: "") }
    guard run.history.keys(.averages).contains(where: { $0.contains(Self.anew) }) else {
      return plain
    }
    return plain + Self.measures.map { figure(run, $0, suffix: Self.anew) }
  }

  private func figure(
    _ run: PageRun, _ measure: (key: String, title: String, kind: Scale.Kind, decimals: Int?),
    suffix: String
  ) -> String {
    let title = measure.title + (suffix.isEmpty ? "" : ", re-estimated codebook")
    let lines = Self.names.enumerated().compactMap { variant, name -> LineChart.Line? in
      let average = variant == 0 ? name.key : name.key + suffix
      let series = run.history[.averages, "\(average).\(measure.key)"]
      guard !series.isEmpty else { return nil }
      return .init(
        name.words, label: name.label, SeriesStyle(run.index, variant: variant), series.points)
    }
    let isGap = measure.key == "jensenGap"
    let ends = lines.compactMap { line in line.points.last.map { (line.name, $0.y) } }
    let words = ends.map { "\($0.0) \(NumberLabel.value($0.1))" }.joined(separator: ", ")
    return Figure(
      "\(run.name): \(title)", subject: run.style,
      LineChart(
        summary: "\(run.name): \(title) over the steps; at the end \(words)", lines,
        horizontal: ("step", .linear), vertical: measure.kind, including: isGap ? [0] : [],
        references: isGap ? [.init(0, "convex: not below")] : [], decimals: measure.decimals)
    ).html
  }

  /// The average that ends with the highest PSNR, and by how many dB it is above the last weights.
  private static func best(_ run: PageRun) -> (key: String, gain: Double)? {
    guard let last = run.history[.averages, "last.psnr"].last else { return nil }
    return names.dropFirst().flatMap { name in [name.key, name.key + anew] }
      .compactMap { key in run.history[.averages, "\(key).psnr"].last.map { (key, $0 - last) } }
      .max { $0.1 < $1.1 }
  }

  private static func words(_ key: String) -> String {
    let plain = key.hasSuffix(anew) ? String(key.dropLast(anew.count)) : key
    let words = names.first { $0.key == plain }?.words ?? plain
    return words + (plain == key ? "" : " with a re-estimated codebook")
  }

  /// The gain of averages at the end, in words.
  private func best(_ told: [PageRun]) -> String {
    let items = told.compactMap { run -> String? in
      guard let best = Self.best(run) else { return nil }
      let words =
        best.gain >= 0.005
        ? "the best average, \(Self.words(best.key)), ends \(NumberText.decimals(best.gain, 2)) dB "
          + "above the last weights"
        : "no average ends above the last weights; the best, \(Self.words(best.key)), is at "
          + "\(NumberText.decimals(best.gain, 2)) dB"
      return "<li><b class=\"name r\(run.index)\">\(Markup.escaped(run.name))</b>: "
        + "\(Markup.escaped(words)).</li>"
    }
    return "<ul class=\"words\">\(items.joined())</ul>"
  }
}
