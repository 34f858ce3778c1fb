import Charts
import Diagnostics
import Evaluation

/// A verdict in words for each run, and the key numbers.
struct VerdictSection {
  let comparison: Comparison
  let runs: [PageRun]

  var html: String {
    PageSection(
      id: "verdicts", title: "Verdicts", introduction: "",
      content: "<div class=\"cards\">\(cards)</div>\(keyTable)"
    ).html
  }

  private var cards: String {
    zip(comparison.names, comparison.entries).enumerated().map { index, pair in
      let (name, entry) = pair
      switch entry.outcome {
      case .failed(let reason):
        return card(index, name, "failed", [reason], story: "")
      case .evaluated(let run):
        let found = runs.first { $0.index == index }
        return card(index, name, run.health.verdict.rawValue, reasons(run), story: story(found))
      }
    }.joined(separator: "\n")
  }

  private func card(
    _ index: Int, _ name: String, _ verdict: String, _ reasons: [String], story: String
  ) -> String {
    let list = reasons.map { "<li>\(Markup.escaped(Self.sentence($0)))</li>" }.joined()
    return "<article class=\"verdict r\(index)\"><h3>\(Markup.escaped(name))</h3>"
      + "<p class=\"word\">\(Markup.escaped(verdict))</p><ul>\(list)</ul>"
      + (story.isEmpty ? "" : "<p class=\"story\">\(Markup.escaped(story))</p>") + "</article>"
  }

  private func reasons(_ run: EvaluatedRun) -> [String] {
    var last = run.health.verdict
    var reasons =
      run.health.findings.isEmpty
      ? ["codes, vectors and training show nothing amiss"]
      : run.health.findings.map { finding in
        defer { last = finding.verdict }
        return finding.verdict == last
          ? finding.reason : "also \(finding.verdict.rawValue): \(finding.reason)"
      }
    reasons += run.health.remarks
    if let known = run.imagesTrainedOn, known > 0 {
      reasons.append(
        "it was trained on \(NumberText.count(known)) of these \(NumberText.count(run.images)) "
          + "images, which flatters its numbers")
    }
    return reasons
  }

  private func story(_ found: PageRun?) -> String {
    guard let found else { return "" }
    let collapsed = [.tokenCollapse, .embeddingCollapse].contains(found.run.health.verdict)
    if found.onset.judged.isEmpty {
      return collapsed ? "The journal has no lines to tell when it began." : ""
    }
    let words = found.onset.words
    if words.isEmpty {
      return collapsed ? "No diagnostic in the journal stays beyond its limit to the end." : ""
    }
    return Self.sentence(words)
  }

  static func sentence(_ words: String) -> String {
    guard let first = words.first else { return words }
    let start = words.hasPrefix("cos(") ? String(first) : first.uppercased()
    return start + words.dropFirst() + (words.hasSuffix(".") ? "" : ".")
  }

  /// The numbers that are compared first, a run a row.
  private var keyTable: String {
    let titles = [
      "run", "verdict", "quantizer", "PSNR dB", "SSIM", "codes used", "perplexity", "bits/token",
      "parameters", "steps", "training images/s",
    ]
    let head = titles.map { "<th scope=\"col\">\($0)</th>" }.joined()
    let rows = runs.map { run -> String in
      let measured = run.run
      let cells = [
        measured.health.verdict.rawValue, measured.quantizer.words,
        NumberText.decimals(measured.psnr, 2), NumberText.decimals(measured.ssim, 4),
        "\(NumberText.count(measured.usage.used)) of \(NumberText.count(measured.usage.codes))",
        NumberText.decimals(measured.usage.perplexity, 1),
        NumberText.decimals(measured.bitsPerToken, 2), NumberText.count(measured.parameters),
        NumberText.count(measured.steps), NumberText.decimals(measured.trainingRate, 1),
      ]
      let data = zip(titles.dropFirst(), cells).map { title, cell in
        "<td data-title=\"\(title)\">\(Markup.escaped(cell))</td>"
      }.joined()
      return "<tr><th scope=\"row\" class=\"name r\(run.index)\">\(Markup.escaped(run.name))</th>"
        + "\(data)</tr>"
    }.joined()
    guard !runs.isEmpty else { return PageSection.absence("No run could be evaluated.") }
    return "<table class=\"key\"><caption>Key numbers, all on the same images</caption>"
      + "<thead><tr>\(head)</tr></thead><tbody>\(rows)</tbody></table>"
  }
}
