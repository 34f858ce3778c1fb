import Charts
import Diagnostics
import Formatting
import Tokenizers

/// Vectors and codes: for each run the figures of its quantizer.
struct QuantizerSection {
  let runs: [PageRun]

  var section: PageSection {
    let told = runs.telling(.quantizer)
    var figures = self.figures(.angles) + self.figures(.commitment)
    figures.append(
      RunFigure(
        title: "Effective rank of the vectors", note: "In how many directions they vary.",
        including: [0, 1], references: limits(.latentRank, told, "nearly a line")
      ).html(told) { $0.line(.quantizer, "latentRank") })
    figures += self.figures(.codes)
    figures += self.figures(.latents)
    let coded = runs.filter { !$0.quantizer.isContinuous }
    figures.append(
      RunFigure(
        title: "Quantization error", note: "Mean over tokens of |z - q|², log scale.",
        vertical: .logarithmic
      ).html(coded) { $0.calmLine($0.history[.step, "quantizationError"]) })
    for measure in [QuantizerPresentation.Measure.entropies, .saturation, .depths, .levels, .bits] {
      figures += self.figures(measure)
    }
    return PageSection(
      id: "quantizer", title: coded.isEmpty ? "Latents" : "Quantizer",
      short: coded.isEmpty ? "Latents" : "Quantizer",
      introduction: (runs.having(.angles).isEmpty ? "" : "Dotted lines: alarm thresholds. ")
        + runs.silence(.quantizer),
      content: PageSection.grid(figures))
  }

  /// The figures of a measure, of the runs that it belongs to.
  private func figures(_ measure: QuantizerPresentation.Measure) -> [String] {
    let runs = runs.having(measure)
    guard !runs.isEmpty else { return [] }
    switch measure {
    case .angles: return angles(runs)
    case .commitment: return [commitment(runs)]
    case .codes: return codes(runs)
    case .entropies: return [entropies(runs)]
    case .saturation: return [saturation(runs)]
    case .depths: return depths(runs)
    case .latents: return latents(runs)
    case .levels, .bits:
      return runs.filter { !$0.history.levels.isEmpty }.map {
        LevelFigure(run: $0, shares: $0.history.levels, source: "training").html
      }
    }
  }

  /// The limits of a diagnostic for the channels of the runs, each once.
  private func limits(
    _ diagnostic: CollapseOnset.Diagnostic, _ runs: [PageRun], _ words: String
  ) -> [LineChart.Reference] {
    let channels = runs.compactMap { $0.run?.evidence.latents.dimension }
    return Set(channels.map { diagnostic.limit(channels: $0) }).sorted().enumerated().map {
      .init($1, $0 == 0 ? words : "")
    }
  }

  private func angles(_ runs: [PageRun]) -> [String] {
    [
      RunFigure(
        title: "lambda, |q| / |z|",
        note: "Lengths of codes over those of vectors; the band holds 5% to 95% of the tokens.",
        including: [0, 1], references: limits(.lambda, runs, "0.3")
      ).html(runs) { run in
        var line = run.line(.quantizer, "lambda")
        let (low, high) = (
          run.history[.quantizer, "lambdaP5"], run.history[.quantizer, "lambdaP95"]
        )
        if !low.isEmpty, !high.isEmpty { line.band = (low.points, high.points) }
        return line
      },
      RunFigure(
        title: "cos(z, q)", note: "Angle between a vector and its code, mean over tokens.",
        including: [0, 1], references: limits(.cosine, runs, "0.5")
      ).html(runs) { $0.line(.quantizer, "cosine") },
      RunFigure(
        title: "Obtuse share",
        note: "Fraction of tokens whose code is at more than 90°: worse than the origin.",
        including: [0, 0.1], references: limits(.obtuse, runs, "5%")
      ).html(runs) { $0.line(.quantizer, "obtuse") },
      RunFigure(
        title: "Rotation against straight-through",
        note: "Cosine between the two encoder gradients, mean over tokens.", including: [0, 1]
      ).html(runs) { $0.line(.quantizer, "gradientCosine") },
    ]
  }

  private func commitment(_ runs: [PageRun]) -> String {
    RunFigure(
      title: "Commitment over reconstruction gradient",
      note: "Norms at the vectors, log scale: above 1 the codebook leads the encoder.",
      vertical: .logarithmic, including: [1],
      references: limits(.commitmentRatio, runs, "ten times") + [.init(1, "equal")]
    ).html(runs) { $0.line(.quantizer, "commitmentRatio") }
  }

  private func codes(_ runs: [PageRun]) -> [String] {
    [
      RunFigure(
        title: "Effective rank of the used codes", including: [0, 1],
        references: limits(.codebookRank, runs, "nearly a line")
      ).html(runs) { $0.line(.quantizer, "codebookRank") },
      RunFigure(
        title: "Spread of the used codes", note: "Standard deviation relative to RMS length.",
        including: [0],
        references: limits(.codebookSpread, runs, "5%")
      ).html(runs) { $0.line(.quantizer, "codebookSpread") },
    ]
  }

  private func entropies(_ runs: [PageRun]) -> String {
    RunFigure(
      title: "Entropies, nats",
      note:
        "Wide: of the mean distribution over codes; high means all are used. Dashed: mean over "
        + "vectors of their own; low means confident assignment.", including: [0]
    ).html(runs) { run in
      [
        run.calmLine(
          run.history[.step, "entropyOfMean"], variant: 0, name: "\(run.name), of the mean"),
        run.calmLine(
          run.history[.step, "entropyOfVectors"], variant: 1, name: "\(run.name), of vectors"),
      ]
    }
  }

  private func saturation(_ runs: [PageRun]) -> String {
    RunFigure(
      title: "FSQ saturation",
      note:
        "Share of tokens beyond 0.98 of the bound, in the channel where it is largest: there the "
        + "gradient is nearly zero.", including: [0, 0.1]
    ).html(runs) { run in
      let points = run.history.lists(.codes, "saturation").map { list in
        Point(Double(list.step), list.numbers.filter(\.isFinite).max() ?? .nan)
      }
      return .init(run.name, label: run.label, run.style, points.filter { $0.y.isFinite })
    }
  }

  /// What the channels of latents carry that are not quantized.
  private func latents(_ runs: [PageRun]) -> [String] {
    let events = runs.compactMap { run -> LineChart.Event? in
      guard let collapse = run.onset?.collapse, run.judgement.mark == .bad else { return nil }
      return .init(
        Double(collapse.step), run.style,
        "\(run.name): collapse from step \(Display.count(collapse.step)) on")
    }
    let distributions = runs.filter { !$0.history[.step, "kl"].isEmpty }
    var figures = [
      RunFigure(
        title: "KL divergence, nats per image",
        note:
          "Of the latents' distributions from the standard normal one, log scale: about what they "
          + "tell of an image. Flags mark where a collapse began.",
        vertical: .logarithmic, events: events
      ).html(distributions) { $0.calmLine($0.history[.step, "kl"]) },
      RunFigure(
        title: "Dead channels", note: "Channels of the latents that tell nothing of an image.",
        including: [0, 1], events: events
      ).html(runs) { run in
        let lines = run.history[.quantizer, "deadChannels"]
        return run.line(lines.isEmpty ? run.history[.evaluation, "deadChannels"] : lines)
      },
    ]
    for run in runs {
      for (key, title, limit) in [
        ("klByChannel", "KL of each channel, nats per latent vector", LatentUse.Threshold.nats),
        ("deviationByChannel", "deviation of each channel", nil),
      ] as [(String, String, Double?)] {
        let told = run.history.lists(.quantizer, key)
        let lists = told.isEmpty ? run.history.lists(.evaluation, key) : told
        guard let channels = lists.last?.numbers.count, channels > 0 else { continue }
        let lines = (0..<min(8, channels)).map { channel in
          LineChart.Line(
            "channel \(channel)", SeriesStyle(run.index, variant: channel),
            lists.compactMap { list in
              channel < list.numbers.count && list.numbers[channel].isFinite
                ? Point(Double(list.step), list.numbers[channel]) : nil
            })
        }
        figures.append(
          Figure(
            "\(run.name): \(title)",
            note: (limit == nil ? "" : "Dotted: below it a channel is dead.")
              + (channels > 8 ? " The first eight of \(channels)." : ""),
            subject: run.style,
            LineChart(
              summary: "\(run.name): \(title) over the steps", lines,
              horizontal: ("step", .linear), including: [0],
              references: limit.map { [.init($0, "0.01")] } ?? [])
          ).html)
      }
    }
    return figures
  }

  /// Use of each depth or group over time, from the evaluations.
  private func depths(_ runs: [PageRun]) -> [String] {
    runs.flatMap { run in
      [("perplexityByDepth", "perplexity"), ("usedCodesByDepth", "used codes")].map { key, words in
        let lists = run.history.lists(.evaluation, key)
        let name = run.quantizer.depthName
        let lines = (0..<min(6, run.quantizer.depth)).map { depth in
          LineChart.Line(
            "\(name) \(depth)", SeriesStyle(run.index, variant: depth),
            lists.compactMap { list in
              depth < list.numbers.count && list.numbers[depth].isFinite
                ? Point(Double(list.step), list.numbers[depth]) : nil
            })
        }
        return Figure(
          "\(run.name): \(words) of each \(name) over time",
          note: "On held-out images, of \(Display.count(run.quantizer.codes)) codes."
            + (run.quantizer.depth > 6 ? " The first six of \(run.quantizer.depth)." : ""),
          subject: run.style,
          LineChart(
            summary: "\(run.name): \(words) of each \(name) over the steps", lines,
            horizontal: ("step", .linear), including: [0])
        ).html
      }
    }
  }
}

/// The codebook, and the vectors it stands for, in a plane.
struct PlaneSection {
  let runs: [PageRun]

  var section: PageSection {
    let figures = runs.compactMap { run -> String? in
      guard let plane = run.details.plane else { return nil }
      return Figure(
        "\(run.name): \(plane.codes.isEmpty ? "vectors and levels" : "codes and vectors")",
        note: plane.words, subject: run.style,
        ScatterChart(
          summary: "\(run.name): \(plane.words)",
          cloud: plane.vectors.map { Point($0.x, $0.y) },
          discs: plane.codes.map { .init(Point($0.place.x, $0.place.y), weight: Double($0.uses)) },
          grid: plane.lattice, run.style, titles: plane.axes)
      ).html
    }
    let silent = runs.filter { $0.details.plane == nil }
    return PageSection(
      id: "plane", title: "Codebook projection (PCA)", short: "Projection",
      introduction: silent.isEmpty
        ? ""
        : "Of \(silent.names) there is none: codes of groups of channels share no space, and without "
          + "images there are no vectors.",
      content: PageSection.grid(figures))
  }
}
