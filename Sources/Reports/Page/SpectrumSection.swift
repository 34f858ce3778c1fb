import Charts
import Diagnostics
import Files
import Formatting

/// Singular values of the layers' weights: which layers could do with fewer channels within, and how
/// their ranks moved in training.
struct SpectrumSection {
  let runs: [PageRun]

  /// Layers that a chart names.
  private static let named = 5
  /// Runs from which on the charts of each are folded.
  private static let many = 5
  /// Points of a curve.
  private static let points = 48
  /// Ratios below are drawn at the lower end.
  private static let least = 1e-4

  /// The section; nil where no run's layers are known.
  var section: PageSection? {
    let known = runs.filter { !$0.spectra.isEmpty }
    guard !known.isEmpty else { return nil }
    let told = known.telling(.spectra)
    let training = shared(told) + told.flatMap(details)
    return PageSection(
      id: "spectra", title: "Singular values of the layers", short: "Spectra",
      introduction:
        "A weight [O, I, kh, kw] is a matrix [O, kh kw I] or [I, kh kw O]; the narrower one has k "
        + "singular values. Where they fall early, the layer uses fewer directions than it has, and "
        + "two layers with r channels between them could replace it. The energy is the sum of the "
        + "squared singular values: at 95%, 5% is lost. Effective ranks: sum of sigma_i^2 / "
        + "sigma_1^2 (stable), exp of the entropy of sigma_i / sum of sigma (entropy). "
        + known.silence(.spectra),
      content: advice(known)
        + (known.count < Self.many
          ? PageSection.grid(known.flatMap(curves))
          : PageSection.folded(
            "Singular values of each run", PageSection.grid(known.flatMap(curves))))
        + known.map { run in
          let table = LayerTable(run: run).html
          return known.count > 1
            ? PageSection.folded("Ranks of every layer: \(run.name)", table) : table
        }.joined()
        + (training.isEmpty
          ? "" : PageSection.folded("Ranks over training", PageSection.grid(training))))
  }

  // MARK: What pays

  private func advice(_ known: [PageRun]) -> String {
    let items = known.map { run -> String in
      let words = [0.95, 0.99].map { Self.saving(run.spectra, $0) }.joined(separator: "; ")
      let left = Self.left(run.spectra, 0.95).weights
      // Less is not worth the energy.
      let pays = Double(left) < 0.95 * Double(Self.weights(run.spectra))
      let command =
        "tessera compress --checkpoint \(run.folder) --output \(run.folder)-compressed "
        + "--max-loss-db 0.3"
      return "<li><b class=\"name r\(run.index)\">\(Markup.escaped(run.name))</b>: "
        + Markup.escaped(words) + "."
        + (pays && !Self.isCompressed(run) ? " <code>\(Markup.escaped(command))</code>" : "")
        + "</li>"
    }
    return "<ul class=\"words\">\(items.joined())</ul>"
  }

  /// Whether its layers are smaller already: compress takes the checkpoint that it came from.
  private static func isCompressed(_ run: PageRun) -> Bool {
    guard case .object(let model)? = run.details.configuration?["model"] else { return false }
    return model["compression"] != nil
  }

  /// "at 95% of the energy two factors pay in 12 of 26 layers: 10.2 million weights become 7.1
  /// million".
  private static func saving(_ layers: [LayerSpectrum], _ share: Double) -> String {
    let left = left(layers, share)
    let energy = "at \(Int(share * 100))% of the energy"
    guard left.paying > 0 else { return "\(energy) two factors pay in no layer" }
    return "\(energy) two factors pay in \(left.paying) of \(layers.count) layers: "
      + "\(Display.count(weights(layers))) weights become \(Display.count(left.weights))"
  }

  private static func weights(_ layers: [LayerSpectrum]) -> Int {
    layers.reduce(0) { $0 + $1.shape.count }
  }

  /// In how many layers two factors pay, and the weights of all layers where those are cut.
  private static func left(
    _ layers: [LayerSpectrum], _ share: Double
  ) -> (paying: Int, weights: Int) {
    layers.reduce(into: (0, 0)) { sums, layer in
      let factors = layer.factors(keeping: share)
      sums.0 += factors.pay ? 1 : 0
      sums.1 += factors.pay ? factors.weights : layer.shape.count
    }
  }

  // MARK: Spectra

  private func curves(_ run: PageRun) -> [String] {
    LayerName.Part.allCases.compactMap { part in
      let layers = run.spectra.filter { LayerName($0.name).part == part }
      guard !layers.isEmpty else { return nil }
      let lowest = Self.lowest(layers, by: \.entropyShare)
      let lines = layers.map { layer -> LineChart.Line in
        let (k, shares) = (layer.fullRank, layer.shares)
        let count = min(k, Self.points)
        let points = (0..<(shares.isEmpty ? 0 : count)).map { place -> Point in
          let index = count > 1 ? place * (k - 1) / (count - 1) : 0
          return Point(Double(index + 1) / Double(k), shares[index])
        }
        return Self.line(run, layer, lowest, points)
      }
      let zeros = layers.filter(\.shares.isEmpty).map { LayerName($0.name).short }
      let last = layers.compactMap(\.shares.last).min() ?? 1
      return Figure(
        "\(run.name): singular values, \(part.rawValue)",
        note: "sigma_i / sigma_1 over i / k, log scale. Named: the \(lowest.count) layers of the "
          + "lowest entropy rank over k, faint: the others."
          + (zeros.isEmpty ? "" : " All zero: \(zeros.joinedInWords)."),
        subject: run.style,
        LineChart(
          summary: "\(run.name): singular values of \(layers.count) layers of the "
            + "\(part.rawValue) over their number, both relative to the largest",
          Self.ordered(lines, lowest, layers), horizontal: ("i / k", .linear),
          vertical: .logarithmic, range: min(0.1, max(Self.least, last))...1)
      ).html
    }
  }

  /// The layers of the lowest rank over k, in that order; those of zeros have none.
  private static func lowest(
    _ layers: [LayerSpectrum], by rank: (LayerSpectrum) -> Double
  ) -> [String] {
    layers.filter { !$0.shares.isEmpty }
      .sorted { rank($0) < rank($1) }
      .prefix(named).map(\.name)
  }

  /// A layer's curve: with a number and dashes of its own if it is named, else faint.
  private static func line(
    _ run: PageRun, _ layer: LayerSpectrum, _ lowest: [String], _ points: [Point]
  ) -> LineChart.Line {
    let name = LayerName(layer.name)
    let place = lowest.firstIndex(of: layer.name)
    return LineChart.Line(
      place.map { "\($0 + 1) \(name.short)" } ?? name.short,
      label: place.map { String($0 + 1) } ?? "",
      SeriesStyle(run.index, variant: place, isFaint: place == nil), points)
  }

  /// The named curves first, in their order.
  private static func ordered(
    _ lines: [LineChart.Line], _ lowest: [String], _ layers: [LayerSpectrum]
  ) -> [LineChart.Line] {
    let pairs = zip(layers, lines)
    return lowest.compactMap { name in pairs.first { $0.0.name == name }?.1 }
      + pairs.filter { !lowest.contains($0.0.name) }.map(\.1)
  }

  // MARK: Over training

  private static var ranks: [(key: String, words: String, share: (LayerSpectrum) -> Double)] {
    [
      ("entropyRank", "entropy rank", \.entropyShare),
      ("stableRank", "stable rank", { $0.stableRank / Double(max(1, $0.fullRank)) }),
    ]
  }

  /// A curve a run: the mean over its layers.
  private func shared(_ told: [PageRun]) -> [String] {
    guard told.count > 1 else { return [] }
    return Self.ranks.map { key, words, _ in
      RunFigure(
        title: "Mean \(words) over k", note: "The mean over all layers, at each evaluation."
      ).html(told) { run in
        var sums: [Int: (sum: Double, count: Int)] = [:]
        for layer in run.spectra {
          let series = Self.series(run, layer, key)
          for (step, value) in zip(series.steps, series.values) {
            let old = sums[step] ?? (0, 0)
            sums[step] = (old.sum + value, old.count + 1)
          }
        }
        return LineChart.Line(
          run.name, label: run.label, run.style,
          sums.sorted { $0.key < $1.key }.map { step, mean in
            Point(Double(step), mean.sum / Double(mean.count))
          })
      }
    }
  }

  /// A curve a layer.
  private func details(_ run: PageRun) -> [String] {
    Self.ranks.map { key, words, share in
      let lowest = Self.lowest(run.spectra, by: share)
      let lines = run.spectra.map { layer in
        Self.line(run, layer, lowest, Self.series(run, layer, key).points)
      }
      return Figure(
        "\(run.name): \(words) over k",
        note: "At each evaluation, of the weights that were evaluated. Named: the \(lowest.count) "
          + "layers where it is the lowest now.",
        subject: run.style,
        LineChart(
          summary: "\(run.name): \(words) of \(lines.count) layers over the steps, relative to the "
            + "full rank", Self.ordered(lines, lowest, run.spectra),
          horizontal: ("step", .linear))
      ).html
    }
  }

  private static func series(
    _ run: PageRun, _ layer: LayerSpectrum, _ key: String
  ) -> RunHistory.Series {
    run.history[.spectra, "\(key).\(layer.name)"].mapped { $0 / Double(layer.fullRank) }
  }
}

extension LayerSpectrum {
  /// The entropy rank over the full rank.
  fileprivate var entropyShare: Double { entropyRank / Double(max(1, fullRank)) }
}

/// A layer's name on a page.
private struct LayerName {
  /// Where in the network it is.
  enum Part: String, CaseIterable {
    case encoder
    case decoder
  }

  /// The part that it is of; the maps beside the codes belong to the coder beside them.
  let part: Part
  /// Its name within the part: "down 0 res 1 conv1".
  let short: String
  /// Its name: "enc down 0 res 1 conv1".
  let full: String

  init(_ name: String) {
    let parts = name.split(separator: ".").map(String.init)
    part = ["decoder", "post_quant_conv"].contains(parts.first) ? .decoder : .encoder
    full = TensorBlocks.words(parts)
    short = TensorBlocks.words(
      ["encoder", "decoder"].contains(parts.first) ? Array(parts.dropFirst()) : parts)
  }
}

/// The layers of a run with their ranks, a layer a row, whose headings sort it.
private struct LayerTable {
  let run: PageRun

  var html: String {
    let caption =
      "\(run.name): ranks of every layer, and multiply-adds of two factors over those of the layer, "
      + "with the window of the first and the channels between them where the two have fewer"
    let columns = [
      "shape", "k", "rank at 99%", "at 95%", "stable rank", "entropy rank", "two factors at 99%",
      "at 95%",
    ]
    let titles = ["layer"] + columns
    let head = titles.enumerated().map { place, title in
      "<th scope=\"col\"\(place < 2 ? " class=\"text\"" : "")>"
        + "<button type=\"button\" class=\"sort\">\(Markup.escaped(title))</button></th>"
    }.joined()
    let body = run.spectra.map { layer in
      let factors = [0.99, 0.95].map { layer.factors(keeping: $0) }
      let cells =
        [
          layer.shape.words, String(layer.fullRank), String(layer.rank(keeping: 0.99)),
          String(layer.rank(keeping: 0.95)), NumberText.decimals(layer.stableRank, 1),
          NumberText.decimals(layer.entropyRank, 1),
        ] + factors.map(Self.words)
      let pays = Array(repeating: false, count: 6) + factors.map(\.pay)
      let data = cells.indices.map { place in
        let style = [place == 0 ? "text" : "", pays[place] ? "pays" : ""].filter { !$0.isEmpty }
        return "<td"
          + (style.isEmpty ? "" : " class=\"\(style.joined(separator: " "))\"")
          + ">\(Markup.escaped(cells[place]))</td>"
      }.joined()
      return "<tr><th scope=\"row\" class=\"text\">\(Markup.escaped(LayerName(layer.name).full))"
        + "</th>\(data)</tr>"
    }.joined()
    return
      "<div class=\"wide r\(run.index)\" tabindex=\"0\" role=\"group\" "
      + "aria-label=\"\(Markup.escaped(caption))\">"
      + "<table class=\"key grid-table sortable\"><caption>\(Markup.escaped(caption))</caption>"
      + "<thead><tr>\(head)</tr></thead><tbody>\(body)</tbody></table></div>"
  }

  /// "62.1%, 3x3 to 52"; of those that do not pay the percentage alone.
  private static func words(_ factors: LayerSpectrum.Factors) -> String {
    NumberText.percent(factors.multiplyAdds)
      + (factors.pay ? ", \(factors.first) to \(factors.rank)" : "")
  }
}
