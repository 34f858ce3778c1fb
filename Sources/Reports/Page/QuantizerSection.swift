import Charts
import Diagnostics

/// What happens between vectors and codes.
struct QuantizerSection {
  let runs: [PageRun]

  var html: String {
    let told = runs.telling(.quantizer)
    let vector = told.filter(\.isVector)
    let scalar = runs.telling(.codes).filter { !$0.isVector }
    var figures: [String] = []
    if !vector.isEmpty { figures += vectorFigures(vector) }
    if !told.isEmpty {
      figures.append(
        RunFigure(
          title: "Effective rank of the vectors", note: "In how many directions they vary.",
          including: [0, 1], references: [.init(1.2, "nearly a line")]
        ).html(told) { $0.line(.quantizer, "latentRank") })
    }
    figures.append(
      RunFigure(
        title: "Quantization error", note: "Mean over tokens of |z - q|², logarithmic.",
        vertical: .logarithmic
      ).html(runs) { $0.calmLine($0.history[.step, "quantizationError"]) })
    if !scalar.isEmpty { figures += scalarFigures(scalar) }
    return PageSection(
      id: "quantizer", title: "Quantizer",
      introduction: (vector.isEmpty
        ? "" : "Dotted levels are the limits that the story of a collapse is told by. ")
        + runs.silence(.quantizer),
      content: PageSection.grid(figures)
    ).html
  }

  private func limit(_ diagnostic: CollapseOnset.Diagnostic, _ words: String) -> LineChart.Reference
  {
    .init(diagnostic.limit(channels: 8), words)
  }

  private func vectorFigures(_ vector: [PageRun]) -> [String] {
    [
      RunFigure(
        title: "lambda, |q| / |z|",
        note: "Lengths of codes over those of vectors; the band holds 5% to 95% of the tokens.",
        including: [0, 1], references: [limit(.lambda, "0.3")]
      ).html(vector) { run in
        var line = run.line(.quantizer, "lambda")
        let (low, high) = (
          run.history[.quantizer, "lambdaP5"], run.history[.quantizer, "lambdaP95"]
        )
        if !low.isEmpty, !high.isEmpty { line.band = (low.points, high.points) }
        return line
      },
      RunFigure(
        title: "cos(z, q)", note: "Angle between a vector and its code, mean over tokens.",
        including: [0, 1], references: [limit(.cosine, "0.5")]
      ).html(vector) { $0.line(.quantizer, "cosine") },
      RunFigure(
        title: "Obtuse share",
        note: "Tokens whose code is at more than 90°: worse than the origin.",
        including: [0, 0.1], references: [limit(.obtuse, "5%")]
      ).html(vector) { $0.line(.quantizer, "obtuse") },
      RunFigure(
        title: "Commitment over reconstruction gradient",
        note: "Norms at the vectors, logarithmic: above 1 the codebook leads the encoder.",
        vertical: .logarithmic, including: [1],
        references: [limit(.commitmentRatio, "ten times"), .init(1, "equal")]
      ).html(vector) { $0.line(.quantizer, "commitmentRatio") },
      RunFigure(
        title: "Rotation against straight-through",
        note: "Cosine between the two encoder gradients, mean over tokens.", including: [0, 1]
      ).html(vector) { $0.line(.quantizer, "gradientCosine") },
      RunFigure(
        title: "Effective rank of the used codes", including: [0, 1],
        references: [limit(.codebookRank, "nearly a line")]
      ).html(vector) { $0.line(.quantizer, "codebookRank") },
      RunFigure(
        title: "Spread of the used codes", note: "Deviation over length.", including: [0],
        references: [limit(.codebookSpread, "5%")]
      ).html(vector) { $0.line(.quantizer, "codebookSpread") },
    ]
  }

  private func scalarFigures(_ scalar: [PageRun]) -> [String] {
    [
      RunFigure(
        title: "FSQ saturation",
        note:
          "Share of tokens beyond 0.98 of the bound, in the channel where it is largest: there the "
          + "gradient is nearly zero.", including: [0, 0.1]
      ).html(scalar) { run in
        let points = run.history.lists(.codes, "saturation").map { list in
          Point(Double(list.step), list.numbers.filter(\.isFinite).max() ?? .nan)
        }
        return .init(run.name, label: run.label, run.style, points.filter { $0.y.isFinite })
      }
    ]
      + scalar.compactMap { run in
        let levels = run.history.levels
        guard !levels.isEmpty else { return nil }
        return Figure(
          "\(run.name): levels in training",
          note: "Share of tokens on each level in the last window; "
            + "dotted: even use.", subject: run.style,
          BarChart(
            summary: "\(run.name): share of tokens on each level, last window of training",
            levels.enumerated().map { channel, shares in
              .init(
                levels.count > 12 ? "\(channel)" : "channel \(channel)",
                names: shares.indices.map { "level \($0)" }, values: shares,
                reference: shares.isEmpty ? nil : 1 / Double(shares.count))
            }, run.style, axis: "")
        ).html()
      }
  }
}
