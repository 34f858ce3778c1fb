import Charts
import Formatting

/// Tokenizers with their priors: what is left of an image over what it costs.
struct PairSection {
  let comparison: Comparison
  let runs: [PageRun]

  /// The section; nil without pairs.
  var section: PageSection? {
    let pairs = comparison.pairs
    guard !pairs.isEmpty else { return nil }
    let isMeasured = pairs.contains { comparison.entries[$0.tokenizer].run != nil }
    let drawn = pairs.compactMap { pair in runs.first { $0.index == pair.prior } }
      .map(DrawnImages.figure)
    return PageSection(
      id: "rates", title: "Rate and distortion", short: "Rate and distortion",
      introduction: "A pair is a tokenizer and a prior over its tokens. PSNR is the tokenizer's"
        + (isMeasured ? " on the images of this comparison" : ", from its log")
        + "; the rate is what the prior's held-out images cost, from its log.",
      content: table + comparison.priorRemarks + PageSection.grid([plot(pairs)] + drawn))
  }

  private var table: String {
    let shown = comparison.pairTable
    var table = RunTable(caption: "Bits/pixel of each tokenizer, without and with its prior")
    table.columns = shown.columns.dropFirst().map(\.title)
    table.textColumns = Set(shown.columns.filter(\.isText).map(\.title))
    for (pair, row) in zip(comparison.pairs, shown.rows) {
      guard let run = runs.first(where: { $0.index == pair.prior }) else { continue }
      table.rows.append((run, Array(row.dropFirst())))
    }
    return table.html
  }

  private func plot(_ pairs: [TokenizerPriorPair]) -> String {
    let names = comparison.names
    let marks = pairs.compactMap { pair -> PointChart.Mark? in
      guard let psnr = pair.psnr, let prior = runs.first(where: { $0.index == pair.prior }) else {
        return nil
      }
      let tokenizer = runs.first { $0.index == pair.tokenizer }
      return .init(
        names[pair.prior], label: prior.label, prior.style, Point(pair.run.bitsPerPixel, psnr),
        from: .init(
          Point(pair.run.budgetPerPixel, psnr), label: tokenizer?.label ?? "",
          SeriesStyle(pair.tokenizer)))
    }
    let words = marks.map { mark in
      "\(mark.name) has \(NumberText.decimals(mark.place.y, 2)) dB at "
        + "\(NumberText.decimals(mark.place.x, 3)) bits/pixel"
    }
    return Figure(
      "PSNR over bits/pixel",
      note:
        "Up and left is better: more PSNR from fewer bits. Hollow: the tokenizer at its budget, "
        + "log2 K for each id; filled: under the prior.",
      PointChart(
        summary: "PSNR over bits/pixel: \(words.joined(separator: ", "))", marks,
        x: .init("bits/pixel", decimals: 3, span: 0.1), y: .init("PSNR, dB", decimals: 2, span: 1),
        originTitle: "bits/pixel at the budget")
    ).html
  }
}

/// Priors: bits of held-out tokens, and their training.
struct PriorSection {
  let comparison: Comparison
  /// The priors.
  let runs: [PageRun]

  /// The section; nil without priors.
  var section: PageSection? {
    guard !runs.isEmpty else { return nil }
    let paired = Set(comparison.pairs.map(\.prior))
    let alone = runs.filter { !paired.contains($0.index) }
    return PageSection(
      id: "priors", title: "Priors", short: "Priors",
      introduction: "Bits of held-out tokens, each given those before it and the class. Compare "
        + "bits/token only between priors of one tokenizer.",
      // Where there are pairs, the remarks stand with those.
      content: table + (paired.isEmpty ? comparison.priorRemarks : "")
        + PageSection.grid([rate] + groups.map(bits) + training + alone.map(DrawnImages.figure)))
  }

  private var table: String {
    let shown = comparison.priorTable
    var table = RunTable(caption: "Held-out tokens; budget, marginal and bigram are bits/token")
    table.columns = shown.columns.dropFirst().map(\.title)
    for (run, row) in zip(runs, shown.rows) { table.rows.append((run, Array(row.dropFirst()))) }
    return table.html
  }

  private var rate: String {
    guard runs.count > 1 else { return "" }
    return RunFigure(title: "Held-out bits/pixel", note: "Of all priors.", decimals: 3)
      .html(runs) { $0.line(.evaluation, "bitsPerPixel") }
  }

  /// The priors of each tokenizer, with its name.
  private var groups: [(name: String, runs: [PageRun])] {
    var groups: [(fingerprint: String, name: String, runs: [PageRun])] = []
    for run in runs {
      guard let tokens = run.prior?.tokens else { continue }
      if let place = groups.firstIndex(where: { $0.fingerprint == tokens.fingerprint }) {
        groups[place].runs.append(run)
        continue
      }
      let pair = comparison.pairs.first { $0.prior == run.index }
      groups.append(
        (
          tokens.fingerprint,
          pair.map { comparison.names[$0.tokenizer] }
            ?? "\(tokens.quantizer) \(tokens.fingerprint)",
          [run]
        ))
    }
    return groups.map { ($0.name, $0.runs) }
  }

  /// Bits a token of the priors of one tokenizer, and what they are without a prior.
  private func bits(_ group: (name: String, runs: [PageRun])) -> String {
    func mean(_ value: (PriorRun) -> Double?) -> Double? {
      let values = group.runs.compactMap { $0.prior.flatMap(value) }
      return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
    let levels = [
      ("budget, log2 K", mean { $0.budget }), ("marginal: by frequency", mean { $0.marginal }),
      ("bigram: by the token before", mean { $0.bigram }),
    ].compactMap { label, value in
      value.map { LineChart.Reference($0, "\(label) \(NumberText.decimals($0, 2))") }
    }
    return RunFigure(
      title: "Held-out bits/token of \(group.name)",
      note: "Lines across: without a prior" + (group.runs.count > 1 ? ", means of the runs." : "."),
      including: levels.map(\.value), references: levels, decimals: 3
    ).html(group.runs) { $0.line(.evaluation, "bitsPerToken") }
  }

  private var training: [String] {
    [
      RunFigure(
        title: "Training bits/token",
        note: "Per batch, with dropout. Line: window mean; band: min to max.", decimals: 3
      ).html(runs) { $0.calmLine($0.history[.step, "bitsPerToken"]) },
      RunFigure(
        title: "Gradient norm of priors", note: "Before clipping, log scale.",
        vertical: .logarithmic
      ).html(runs) { $0.calmLine($0.history[.step, "gradientNorm"]) },
      RunFigure(title: "Learning rate of priors", including: [0]).html(runs) {
        $0.line(.step, "learningRate")
      },
    ]
  }
}

/// What draws images, tokens or vectors: bits where they exist, quality, cost.
struct GeneratorSection {
  let comparison: Comparison
  /// All runs.
  let runs: [PageRun]

  /// The section; nil without a continuous prior.
  var section: PageSection? {
    let generators = comparison.generators
    guard !generators.isEmpty else { return nil }
    let shown = comparison.generatorTable
    var table = RunTable(caption: "Discrete and continuous priors")
    table.columns = shown.columns.dropFirst().map(\.title)
    table.textColumns = ["reads"]
    for (generator, row) in zip(generators, shown.rows) {
      guard let run = runs.first(where: { $0.index == generator.index }) else { continue }
      table.rows.append((run, Array(row.dropFirst())))
    }
    let continuous = runs.filter { $0.quantizer.drawsVectors }
    return PageSection(
      id: "generators", title: "Generators", short: "Generators",
      introduction: comparison.generatorStatements.map(\.words).joined(separator: " "),
      content: table.html + PageSection.grid(continuous.map(DrawnImages.figure)))
  }
}

extension Comparison {
  /// What seeds differ by, and what to mind, as a list; empty where there is nothing to say.
  fileprivate var priorRemarks: String {
    let items = (seedStatements + priorNotes).map { "<li>\(Markup.escaped($0))</li>" }
    return items.isEmpty ? "" : "<ul class=\"words\">\(items.joined())</ul>"
  }
}

/// The sheet of images that a prior drew.
enum DrawnImages {
  /// The sheet as a figure; empty where there is none.
  static func figure(_ run: PageRun) -> String {
    guard !run.details.drawn.isEmpty else { return "" }
    let name = Markup.escaped(run.name)
    return
      "<figure class=\"drawn about \(run.style.classes)\"><figcaption><h3>\(name): samples</h3>"
      + "<p>Images drawn from the prior.</p></figcaption><div class=\"picture\">"
      + "<img alt=\"samples of \(name)\" src=\"\(PictureSection.data(run.details.drawn))\"></div></figure>"
  }
}
