import Charts

/// The last iterate beside averages of the weights.
struct AverageSection {
  let runs: [PageRun]

  private static let names: [(key: String, words: String, label: String)] = [
    ("last", "last iterate", "last"), ("uniform", "uniform", "uniform"),
    ("rateWeighted", "rate-weighted", "by rate"), ("tail", "tail", "tail"),
    ("polynomial", "polynomial", "polynom."), ("ema", "EMA", "EMA"),
  ]
  /// What follows the name of an average whose codebook was found anew in one pass.
  private static let anew = "+codebook"

  var html: String {
    let told = runs.telling(.averages)
    guard !told.isEmpty else {
      return PageSection(
        id: "averages", title: "Raw against averaged weights", introduction: "",
        content: PageSection.absence(runs.silence(.averages))
      ).html
    }
    let figures = told.flatMap { run -> [String] in
      let plain = [
        figure(run, "psnr", "held-out PSNR, dB", decimals: 2),
        figure(run, "loss", "held-out loss", kind: .logarithmic),
        figure(run, "jensenGap", "Jensen gap"),
      ]
      guard run.history.keys(.averages).contains(where: { $0.contains(Self.anew) }) else {
        return plain
      }
      return plain + [
        figure(run, "psnr", "PSNR, codebook anew, dB", suffix: Self.anew, decimals: 2),
        figure(run, "loss", "loss, codebook anew", suffix: Self.anew, kind: .logarithmic),
        figure(run, "jensenGap", "Jensen gap, codebook anew", suffix: Self.anew),
      ]
    }
    return PageSection(
      id: "averages", title: "Raw against averaged weights",
      introduction:
        "All on the same held-out images. The Jensen gap is the mean loss of the iterates less the "
        + "loss of their average: not below zero for a convex loss. An average of codebooks may fit no "
        + "encoder, so that of vector quantizers also the codebook found anew in one pass is shown. "
        + runs.silence(.averages),
      content: PageSection.grid(figures + [best(told)])
    ).html
  }

  private func figure(
    _ run: PageRun, _ key: String, _ title: String, suffix: String = "",
    kind: Scale.Kind = .linear, decimals: Int? = nil
  ) -> String {
    let lines = Self.names.enumerated().compactMap { variant, name -> LineChart.Line? in
      let average = variant == 0 ? name.key : name.key + suffix
      let series = run.history[.averages, "\(average).\(key)"]
      guard !series.isEmpty else { return nil }
      return .init(
        name.words, label: name.label, SeriesStyle(run.index, variant: variant), series.points)
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
      let gains = Self.names.dropFirst().flatMap { name -> [(words: String, gain: Double)] in
        [("", ""), (Self.anew, " with its codebook found anew")].compactMap { suffix, words in
          run.history[.averages, "\(name.key)\(suffix).psnr"].last.map {
            (name.words + words, $0 - last)
          }
        }
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
