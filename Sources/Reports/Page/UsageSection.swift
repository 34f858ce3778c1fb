import Charts
import Diagnostics
import Evaluation
import Formatting
import Foundation
import Tokenizers

/// Use of the codebook over time, and the dead-code timeline.
struct UsageSection {
  let runs: [PageRun]

  var section: PageSection {
    let shared = [
      RunFigure(
        title: "Usage relative to uniform",
        note:
          "Codes used in a window of training, relative to uniform sampling with "
          + "as many tokens. Flags mark where a collapse began.", including: [0, 1],
        references: [
          .init(CodebookHealth.Threshold.usage, "codebook collapse below a quarter")
        ], events: events
      ).html(runs) { $0.line($0.history.uniformUsage) },
      RunFigure(
        title: "Perplexity", note: "The number of uniformly used codes with the same entropy.",
        including: [0], decimals: 1
      ).html(runs) { run in
        let windows = run.history[.codes, "perplexity"]
        return run.line(windows.isEmpty ? run.history[.evaluation, "perplexity"] : windows)
      },
      RunFigure(
        title: "Dead codes", note: "Codes that no token in the window used.", including: [0]
      ).html(runs) { run in
        let windows = run.history[.codes, "deadCodes"]
        let evaluated = run.history[.evaluation, "codes"].joined(
          run.history[.evaluation, "usedCodes"], -)
        return run.line(windows.isEmpty ? evaluated : windows)
      },
      RunFigure(
        title: "Revived codes", note: "Dead codes replaced by vectors of a batch.",
        including: [0]
      ).html(runs.filter { !$0.history[.codes, "revived"].isEmpty }) { $0.line(.codes, "revived") },
    ]
    return PageSection(
      id: "usage", title: "Codebook use over time", short: "Codebook use",
      introduction: runs.telling(.codes).count == runs.count
        ? "" : runs.silence(.codes) + " Evaluations replace windows of training there.",
      content: PageSection.grid(shared)
        + PageSection.folded(
          "Newly used and no longer used codes of each run", PageSection.grid(timelines)))
  }

  private var events: [LineChart.Event] {
    runs.compactMap { run in
      guard let collapse = run.onset?.collapse, run.judgement.mark == .bad else { return nil }
      return .init(
        Double(collapse.step), run.style,
        "\(run.name): collapse from step \(Display.count(collapse.step)) on")
    }
  }

  /// Codes that came into use and fell out of it, in at most some forty windows.
  private var timelines: [String] {
    runs.compactMap { run in
      let (born, died) = (run.history[.codes, "born"], run.history[.codes, "died"])
      guard !born.isEmpty || !died.isEmpty else { return nil }
      let steps = Set(born.steps).union(died.steps).sorted()
      let count = min(40, steps.count)
      let cuts = (1...count).map { steps[$0 * steps.count / count - 1] }
      let (up, down) = (Self.sums(born, cuts), Self.sums(died, cuts))
      let groups = zip(cuts, zip(up, down)).map { cut, change in
        StackChart.Stack(
          x: Double(cut), name: "up to step \(Display.count(cut))", up: change.0, down: change.1)
      }
      return Figure(
        "\(run.name): newly used and no longer used codes",
        note: "Up: codes used that the window before had not used; down: the reverse.",
        subject: run.style,
        StackChart(
          summary: "\(run.name): newly used and no longer used codes over the steps", groups,
          run.style, axis: "step", names: ("newly used", "no longer used"))
      ).html
    }
  }

  private static func sums(_ series: RunHistory.Series, _ cuts: [Int]) -> [Double] {
    var sums = [Double](repeating: 0, count: cuts.count)
    var place = 0
    for (step, value) in zip(series.steps, series.values) {
      while place < cuts.count - 1, step > cuts[place] { place += 1 }
      sums[place] += value
    }
    return sums
  }
}

/// How evenly codes are used: sorted frequencies.
struct FrequencySection {
  let runs: [PageRun]

  var section: PageSection {
    let measured = runs.filter { $0.run != nil }
    let sizes = Set(measured.compactMap { $0.run?.usage.codes }).sorted()
    let figure = RunFigure(
      title: "Sorted code frequencies",
      note:
        "Log-log. Uniform use is level at 1/K (dotted); a Zipf law is a straight line of slope -1; a cliff "
        + "is a collapse. Counted on the evaluation's tokens.",
      vertical: .logarithmic, including: sizes.map { 1 / Double($0) },
      references: sizes.enumerated().map { .init(1 / Double($1), $0 == 0 ? "1/K" : "") },
      axis: ("rank of the code", .logarithmic), source: "evaluation")
    return PageSection(
      id: "frequencies", title: "Code frequencies", short: "Frequencies",
      introduction: measured.isEmpty ? "Without images no tokens were counted." : "",
      content: PageSection.grid(
        [figure.html(measured, Self.line)] + depthFigures + measured.compactMap(Self.levels)))
  }

  private static func line(_ run: PageRun) -> LineChart.Line? {
    guard let evaluated = run.run else { return nil }
    var line = LineChart.Line(
      run.name, label: run.label, run.style, points(evaluated.usage))
    line.value = "\(Display.count(evaluated.usage.used)) codes"
    return line
  }

  /// Shares by rank; ranks thin out geometrically, first and last stay.
  private static func points(_ usage: CodebookUsage) -> [Point] {
    let sorted = usage.uses.map(\.count).sorted(by: >)
    let total = Double(max(1, usage.ids))
    var points: [Point] = []
    var next = 1.0
    for (index, count) in sorted.enumerated() {
      let rank = Double(index + 1)
      guard rank >= next || index == sorted.count - 1 else { continue }
      points.append(Point(rank, Double(count) / total))
      next = max(rank + 1, rank * 1.03)
    }
    return points
  }

  /// Of tokens with several indices: use at each depth or of each group.
  private var depthFigures: [String] {
    let deep = runs.having(.depths).filter { $0.run?.usageByDepth.count ?? 0 > 1 }
    return deep.map { run in
      let (quantizer, depths) = (run.quantizer, run.run!.usageByDepth)
      let lines = depths.enumerated().map { depth, usage in
        LineChart.Line(
          "\(quantizer.depthName) \(depth)", SeriesStyle(run.index, variant: depth),
          Self.points(usage))
      }
      return Figure(
        "\(run.name): code frequencies of each \(quantizer.depthName)",
        note: "The first 6 of \(depths.count); log-log.", subject: run.style,
        LineChart(
          summary: "\(run.name): share of tokens by rank of the code, for each "
            + quantizer.depthName, Array(lines.prefix(6)),
          horizontal: ("rank of the code", .logarithmic), vertical: .logarithmic)
      ).html
    }
      + deep.map { run in
        let (quantizer, depths) = (run.quantizer, run.run!.usageByDepth)
        return Figure(
          "\(run.name): perplexity of each \(quantizer.depthName)",
          note: "Of \(Display.count(quantizer.codes)) codes; on the evaluation's tokens.",
          subject: run.style,
          BarChart(
            summary: "\(run.name): perplexity of each \(quantizer.depthName)",
            [
              .init(
                quantizer.depthName, names: depths.indices.map { "\(quantizer.depthName) \($0)" },
                values: depths.map(\.perplexity))
            ], run.style, axis: "")
        ).html
      }
  }

  /// Use of the levels of each channel, or of each bit.
  private static func levels(_ run: PageRun) -> String? {
    guard case .finiteScalar(let use, _)? = run.run?.evidence.bottleneck else { return nil }
    let shares = use.counts.map { counts in
      let total = Double(max(1, counts.reduce(0, +)))
      return counts.map { Double($0) / total }
    }
    return LevelFigure(run: run, shares: shares, source: "evaluation").html
  }
}

/// The fraction of tokens on each level of each channel, or of ones in each bit.
struct LevelFigure {
  let run: PageRun
  /// `[channel][level]`.
  let shares: [[Double]]
  /// Where they were counted: "evaluation" or "training".
  let source: String

  var html: String {
    let place = source == "evaluation" ? "" : " in training"
    let note =
      source == "evaluation" ? "On the evaluation's tokens" : "In the last window of training"
    if run.quantizer.has(.bits) {
      return Figure(
        "\(run.name): share of ones in each bit\(place)", note: "\(note); dotted: uniform use.",
        subject: run.style,
        BarChart(
          summary: "\(run.name): share of ones in each of \(shares.count) bits",
          [
            .init(
              "bit", names: shares.indices.map { "bit \($0)" }, values: shares.map { $0.last ?? 0 },
              reference: 0.5)
          ], run.style, axis: "")
      ).html
    }
    return Figure(
      "\(run.name): levels of each channel\(place)",
      note: "Share of tokens on each level. \(note); dotted: uniform use.", subject: run.style,
      BarChart(
        summary: "\(run.name): share of tokens on each level of \(shares.count) channels",
        shares.enumerated().map { channel, shares in
          .init(
            self.shares.count > 6 ? "\(channel)" : "channel \(channel)",
            names: shares.indices.map { "level \($0)" }, values: shares,
            reference: shares.isEmpty ? nil : 1 / Double(shares.count))
        }, run.style, axis: "")
    ).html
  }
}
