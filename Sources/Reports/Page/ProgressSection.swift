import Charts

/// Loss and quality over the steps.
struct ProgressSection {
  let runs: [PageRun]

  var html: String {
    let weights = runs.compactMap { run -> String? in
      guard let weights = run.history.text(.evaluation, "weights"), weights != "last" else {
        return nil
      }
      return "\(run.name): weights averaged, \(weights)"
    }
    let figures = [
      RunFigure(
        title: "Training loss",
        note:
          "Of batches, logarithmic; a line through the means of windows, the band from least to "
          + "greatest.", vertical: .logarithmic
      ).html(runs) { $0.calmLine($0.history[.step, "loss"]) },
      RunFigure(
        title: "PSNR, dB", note: "On held-out images. " + weights.joined(separator: "; "),
        decimals: 2
      ).html(runs) { $0.line(.evaluation, "psnr") },
      RunFigure(title: "SSIM", note: "On held-out images.", decimals: 4)
        .html(runs) { $0.line(.evaluation, "ssim") },
      RunFigure(
        title: "PSNR of training batches, dB", note: "Of unrounded images; means of windows.",
        decimals: 2
      ).html(runs) { $0.calmLine($0.history[.step, "psnr"]) },
      RunFigure(
        title: "Gradient norm", note: "Before clipping, logarithmic.", vertical: .logarithmic
      ).html(runs) { $0.calmLine($0.history[.step, "gradientNorm"]) },
      RunFigure(title: "Learning rate", including: [0]).html(runs) {
        $0.line(.step, "learningRate")
      },
    ]
    return PageSection(
      id: "progress", title: "Loss and quality", introduction: "",
      content: PageSection.grid(figures) + warnings
    ).html
  }

  private var warnings: String {
    let items = runs.flatMap { run in
      run.history.warnings.prefix(5).map {
        "\(run.name), step \(NumberText.count($0.step)): \($0.text)"
      }
    }
    guard !items.isEmpty else { return "" }
    return "<ul class=\"warnings\">"
      + items.map { "<li>\(Markup.escaped($0))</li>" }.joined() + "</ul>"
  }
}
