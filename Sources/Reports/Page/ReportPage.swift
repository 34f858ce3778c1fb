import Charts
import Diagnostics

/// A comparison as one HTML page that needs nothing else: no network, no fonts, no libraries.
///
/// Every chart is drawn as SVG before the page is opened; its numbers stand under it in a table. The
/// page's script only reads values off the charts. Each run has one colour and one dash pattern
/// throughout.
public struct ReportPage {
  private let comparison: Comparison
  private let runs: [PageRun]
  private let pictures: ComparisonPictures?

  /// A page.
  ///
  /// - Parameters:
  ///   - comparison: the runs, failed ones among them.
  ///   - details: what is known of each entry beyond its evaluation, in the same order; nil for those
  ///     that failed.
  ///   - pictures: images to show.
  public init(
    _ comparison: Comparison, details: [RunDetails?], pictures: ComparisonPictures? = nil
  ) {
    precondition(details.count == comparison.entries.count, "details or nil for each entry")
    self.comparison = comparison
    self.pictures = pictures
    let labels = RunLabels.short(comparison.names)
    runs = comparison.entries.enumerated().compactMap { index, entry in
      guard let run = entry.run else { return nil }
      let details = details[index] ?? RunDetails()
      return PageRun(
        index: index, name: comparison.names[index], label: labels[index], run: run,
        history: details.history, plane: details.plane,
        onset: CollapseOnset(details.history, of: run))
    }
  }

  /// The page.
  public var html: String {
    let title = "Comparison of " + Self.joined(comparison.names)
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width,initial-scale=1">
      <title>\(Markup.escaped(title))</title>
      <link rel="icon" href="data:,">
      <style>
      \(PageStyle.css(runs: comparison.entries.count))
      </style>
      </head>
      <body>
      <div class="page">
      <header><h1>\(Markup.escaped(title))</h1><p class="headline">\(Markup.escaped(headline))</p>
      <p>\(Markup.escaped(subtitle))</p>
      <nav aria-label="Sections"><ul>\(links)</ul></nav></header>
      \(chips)
      <main>
      \(sections.joined(separator: "\n"))
      </main>
      </div>
      <script>
      \(ChartScript.source)
      </script>
      </body>
      </html>

      """
  }

  private var subtitle: String {
    guard let evaluation = comparison.evaluationProtocol else { return "" }
    return "On \(NumberText.count(evaluation.images)) image\(evaluation.images == 1 ? "" : "s") of "
      + "\(evaluation.folder), the same for all runs."
  }

  /// What a reader should know who reads no further.
  private var headline: String {
    guard !runs.isEmpty else { return "No run could be evaluated." }
    var sentences: [String] = []
    if runs.count > 1, Set(runs.map(\.run.imageSize)).count == 1,
      let best = runs.max(by: { $0.run.psnr < $1.run.psnr })
    {
      sentences.append(
        "\(best.name) has the highest PSNR, \(NumberText.decimals(best.run.psnr, 2)) dB.")
    }
    for verdict in [CodebookHealth.Verdict.tokenCollapse, .embeddingCollapse, .underTrained] {
      let those = runs.filter { $0.run.health.verdict == verdict }
      guard !those.isEmpty else { continue }
      sentences.append(
        verdict == .underTrained
          ? "\(those.names) \(those.count > 1 ? "are" : "is") under-trained."
          : "\(those.names) \(those.count > 1 ? "show" : "shows") \(verdict.rawValue).")
    }
    if runs.allSatisfy({ $0.run.health.verdict == .healthy }) {
      sentences.append(runs.count > 1 ? "All runs are healthy." : "The run is healthy.")
    }
    let failed = comparison.entries.count - runs.count
    if failed > 0 { sentences.append("\(failed) could not be evaluated.") }
    return sentences.joined(separator: " ")
  }

  private static func joined(_ names: [String]) -> String {
    guard names.count > 1 else { return names.first ?? "no runs" }
    guard names.count <= 5 else { return "\(names.count) runs" }
    return names.dropLast().joined(separator: ", ") + " and " + names[names.count - 1]
  }

  private var links: String {
    let anchors = [
      ("verdicts", "Verdicts"), ("progress", "Loss and quality"), ("usage", "Codebook use"),
      ("frequencies", "Frequencies"), ("quantizer", "Quantizer"), ("cosines", "Cosines"),
      ("averages", "Averages"), ("bounds", "Bounds"), ("plane", "Plane"), ("images", "Images"),
      ("protocol", "Protocol"),
    ]
    let shown = runs.isEmpty ? [anchors[0], anchors[anchors.count - 1]] : anchors
    return shown.map { "<li><a href=\"#\($0.0)\">\($0.1)</a></li>" }.joined()
  }

  /// The runs' colours, and a box each to leave one out.
  private var chips: String {
    guard runs.count > 1 else { return "" }
    let boxes = runs.map { run in
      "<label class=\"chip r\(run.index)\"><input type=\"checkbox\" autocomplete=\"off\" id=\"run-\(run.index)\" checked>"
        + "<svg viewBox=\"0 0 26 10\" aria-hidden=\"true\"><path class=\"line\" d=\"M1 5H25\"/></svg>"
        + "\(Markup.escaped(run.name))</label>"
    }.joined()
    return "<fieldset class=\"runs\"><legend>Runs shown</legend>\(boxes)</fieldset>"
  }

  private var sections: [String] {
    let verdicts = VerdictSection(comparison: comparison, runs: runs).html
    let explanation = ProtocolSection(comparison: comparison).html
    guard !runs.isEmpty else { return [verdicts, explanation] }
    return [
      verdicts, ProgressSection(runs: runs).html, UsageSection(runs: runs).html,
      FrequencySection(runs: runs).html, QuantizerSection(runs: runs).html,
      CosineSection(runs: runs).html, AverageSection(runs: runs).html,
      BoundSection(runs: runs).html,
      PlaneSection(runs: runs).html,
      PictureSection(comparison: comparison, pictures: pictures).html, explanation,
    ]
  }
}
