import Charts
import Formatting

/// Loss and quality over the steps.
struct ProgressSection {
  let runs: [PageRun]

  var section: PageSection {
    let figures = [
      RunFigure(
        title: "Training loss", note: "Per batch, log scale. Line: window mean; band: min to max.",
        vertical: .logarithmic
      ).html(runs) { $0.calmLine($0.history[.step, "loss"]) },
      RunFigure(
        title: "PSNR, dB",
        note: "On held-out images. \(weights) A ring marks the best step.", decimals: 2
      ).html(runs) { run in
        var line = run.line(.evaluation, "psnr")
        if let best = run.facts.best {
          line.highlight = (
            Point(Double(best.step), best.psnr),
            "best: \(NumberText.decimals(best.psnr, 2)) dB at step \(Display.count(best.step))"
          )
        }
        return line
      },
      RunFigure(title: "SSIM", note: "On held-out images.", decimals: 4)
        .html(runs) { $0.line(.evaluation, "ssim") },
      RunFigure(
        title: "Held-out loss", note: "Of models of one's own, log scale. \(weights)",
        vertical: .logarithmic
      ).html(runs) { $0.line(.evaluation, "loss") },
      runs.count <= Self.mostTogether ? trainingAgainstHeldOut : "",
      RunFigure(
        title: "Gradient norm", note: "Before clipping, log scale.", vertical: .logarithmic
      ).html(runs) { $0.calmLine($0.history[.step, "gradientNorm"]) },
      RunFigure(title: "Learning rate", including: [0]).html(runs) {
        $0.line(.step, "learningRate")
      },
    ]
    return PageSection(
      id: "progress", title: "Loss and quality", short: "Loss and quality",
      introduction: runs.silence(.step),
      content: PageSection.grid(figures)
        + (runs.count > Self.mostTogether
          ? PageSection.folded(
            "Training against held-out PSNR", PageSection.grid([trainingAgainstHeldOut])) : "")
        + warnings)
  }

  /// Runs from whose number on two curves a run are too many to stand among the first figures.
  private static let mostTogether = 4

  private var trainingAgainstHeldOut: String {
    RunFigure(
      title: "Training against held-out PSNR, dB",
      note: "Wide: held-out images. Dashed: training batches, cropped at random, unrounded; "
        + "window means.", decimals: 2
    ).html(runs) { run in
      [
        run.line(run.history[.evaluation, "psnr"], variant: 0, name: "\(run.name) held-out"),
        run.calmLine(run.history[.step, "psnr"], variant: 1, name: "\(run.name) training"),
      ]
    }
  }

  /// Which weights were evaluated, once for all runs that agree.
  private var weights: String {
    var groups: [(weights: String, names: [String])] = []
    for run in runs {
      guard let weights = run.history.text(.evaluation, "weights") else { continue }
      let words =
        switch weights {
        case "last": "Last weights"
        case "ema": "EMA weights"
        default: "Averaged weights (\(weights))"
        }
      if let place = groups.firstIndex(where: { $0.weights == words }) {
        groups[place].names.append(run.name)
      } else {
        groups.append((words, [run.name]))
      }
    }
    guard groups.count > 1 else {
      return groups.first.map { $0.weights + (runs.count > 1 ? " (all runs)." : ".") } ?? ""
    }
    return groups.map { "\($0.weights): \($0.names.joinedInWords)." }.joined(separator: " ")
  }

  private var warnings: String {
    let items = runs.compactMap { run -> String? in
      var words = run.history.warnings.prefix(6).map(\.words)
      let more = run.history.warnings.count - words.count
      if more > 0 { words.append("and \(more) more") }
      if let replaced = run.replacements { words.append(replaced) }
      guard !words.isEmpty else { return nil }
      return "<li class=\"r\(run.index)\"><b class=\"name\">\(Markup.escaped(run.name))</b>: "
        + "\(Markup.escaped(words.joined(separator: "; ")))</li>"
    }
    guard !items.isEmpty else { return "" }
    return
      "<h3 class=\"sub\">Warnings in the logs</h3><ul class=\"warnings\">\(items.joined())</ul>"
  }
}
