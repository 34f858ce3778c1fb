import Charts

/// The last iterate beside averages of the weights.
struct AverageSection {
  let runs: [PageRun]

  private static let names: [(key: String, words: String)] = [
    ("last", "last iterate"), ("uniform", "uniform"), ("rateWeighted", "rate-weighted"),
    ("tail", "tail"), ("polynomial", "polynomial"), ("ema", "EMA"),
    ("uniform+codebook", "uniform, new codebook"),
    ("rateWeighted+codebook", "rate-weighted, new codebook"), ("tail+codebook", "tail, new codebook"),
    ("polynomial+codebook", "polynomial, new codebook"), ("ema+codebook", "EMA, new codebook"),
  ]

  var html: String {
    let told = runs.filter { !$0.history[.averages, "last.loss"].isEmpty }
    guard !told.isEmpty else {
      return PageSection(
        id: "averages", title: "Raw against averaged weights", introduction: "",
        content: PageSection.absence("No averages in the journals of \(runs.names).")
      ).html
    }
    let figures = told.flatMap { run in
      [
        figure(run, "psnr", title: "held-out PSNR, dB", kind: .linear, decimals: 2),
        figure(run, "loss", title: "held-out loss", kind: .logarithmic, decimals: nil),
        figure(run, "jensenGap", title: "Jensen gap", kind: .linear, decimals: nil),
      ]
    }
    return PageSection(
      id: "averages", title: "Raw against averaged weights",
      introduction:
        "All on the same held-out images. The Jensen gap is the mean loss of the iterates less the "
        + "loss of their average: not below zero for a convex loss.",
      content: PageSection.grid(figures + [best(told)])
    ).html
  }

  private func figure(
    _ run: PageRun, _ key: String, title: String, kind: Scale.Kind, decimals: Int?
  ) -> String {
    let lines = Self.names.enumerated().compactMap { variant, name -> LineChart.Line? in
      let series = run.history[.averages, "\(name.key).\(key)"]
      guard !series.isEmpty else { return nil }
      let short = name.words.split(separator: ",").count > 1 ? name.words.prefix { $0 != "," } + "+" : name.words
      return .init(
        name.words, label: String(short.filter { $0 != "," }.prefix(12)),
        SeriesStyle(run.index, variant: variant), series.points)
    }
    let best = lines.compactMap { line in line.points.last.map { (line.name, $0.y) } }
    let words = best.map { "\($0.0) \(NumberLabel.value($0.1))" }.joined(separator: ", ")
    return Figure(
      "\(run.name): \(title)", subject: run.style,
      LineChart(
        summary: "\(run.name): \(title) over the steps; at the end \(words)", lines,
        horizontal: ("step", .linear), vertical: kind,
        including: key == "jensenGap" ? [0] : [],
        references: key == "jensenGap" ? [.init(0, "convex: not below")] : [], decimals: decimals)
    ).html(missing: "The journal has none.")
  }

  /// What the averages won at the end, in words.
  private func best(_ told: [PageRun]) -> String {
    let items = told.compactMap { run -> String? in
      guard let last = run.history[.averages, "last.psnr"].last else { return nil }
      let gains = Self.names.dropFirst().compactMap { name -> (words: String, gain: Double)? in
        run.history[.averages, "\(name.key).psnr"].last.map { (name.words, $0 - last) }
      }
      guard let best = gains.max(by: { $0.gain < $1.gain }) else { return nil }
      let words =
        best.gain >= 0.005
        ? "the best average, \(best.words), is \(NumberText.decimals(best.gain, 2)) dB above the last "
          + "iterate"
        : "no average is above the last iterate; the best, \(best.words), is at "
          + "\(NumberText.decimals(best.gain, 2)) dB"
      return "<li><b class=\"name r\(run.index)\">\(Markup.escaped(run.name))</b>: "
        + "\(Markup.escaped(words)).</li>"
    }
    return "<div class=\"words\"><h3>At the end</h3><ul>\(items.joined())</ul></div>"
  }
}
