import Charts
import Diagnostics

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
        "\(run.name): collapse from step \(NumberText.count(collapse.step)) on")
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
          x: Double(cut), name: "up to step \(NumberText.count(cut))", up: change.0, down: change.1)
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
