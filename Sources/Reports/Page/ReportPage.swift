import Charts
import Configuration
import Diagnostics
import Foundation
import Tokenizers

/// A comparison as one HTML page that needs nothing else: no network, no fonts, no libraries.
///
/// Every chart is drawn as SVG before the page is opened; its numbers stand under it in a table. The
/// page's scripts read values off the charts and redraw them in other views. Each run has one
/// colour and one dash pattern throughout. Paths are shown without what only says where they lie on
/// the machine that wrote the page.
public struct ReportPage {
  private let comparison: Comparison
  private let runs: [PageRun]
  private let pictures: ComparisonPictures?
  private let ownTitle: String?
  private let notes: String?
  private let date: Date?
  private let version: String?

  /// A page.
  ///
  /// - Parameters:
  ///   - comparison: the runs, failed ones among them.
  ///   - details: what is known of each entry beyond its evaluation, in the same order; nil for those
  ///     that failed.
  ///   - pictures: images to show.
  ///   - title: the page's title; nil for one of the runs' names.
  ///   - notes: what its author has to say.
  ///   - date: when it was made.
  ///   - version: of the program that made it.
  public init(
    _ comparison: Comparison, details: [RunDetails?], pictures: ComparisonPictures? = nil,
    title: String? = nil, notes: String? = nil, date: Date? = nil, version: String? = nil
  ) {
    precondition(details.count == comparison.entries.count, "details or nil for each entry")
    let shared = comparison.shareable
    self.comparison = shared
    self.pictures = pictures
    (ownTitle, self.notes, self.date, self.version) = (title, notes, date, version)
    let labels = RunLabels.short(shared.names)
    runs = shared.entries.enumerated().compactMap { index, entry in
      guard
        let quantizer = entry.run?.quantizer ?? entry.recorded?.quantizer
          ?? entry.prior.map({ _ in .prior })
      else { return nil }
      let details = details[index] ?? RunDetails()
      var entry = entry
      if var run = entry.run {
        run.onset = CollapseOnset(details.history, of: run)
        entry = .init(
          checkpoint: entry.checkpoint, outcome: .evaluated(run), configuration: entry.configuration
        )
      }
      return PageRun(
        index: index, name: shared.names[index], label: labels[index], quantizer: quantizer,
        run: entry.run, prior: entry.prior, folder: entry.checkpoint,
        spectra: entry.run?.spectra ?? entry.recorded?.spectra ?? [], details: details,
        facts: RunFacts(
          configuration: details.configuration, history: details.history,
          steps: entry.run?.steps ?? entry.recorded?.steps ?? entry.prior?.steps ?? 0,
          parameters: entry.run?.parameters ?? entry.recorded?.parameters
            ?? entry.prior?.parameters,
          listedImages: details.listedImages),
        judgement: Judgement(entry, folder: entry.checkpoint), onset: entry.run?.onset)
    }
  }

  /// The page.
  public var html: String {
    let sections = sections
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
      <script>document.documentElement.classList.add('js')</script>
      <a class="skip" href="#content">Skip to the content</a>
      <div class="page">
      <header><h1>\(Markup.escaped(title))</h1>\
      <p class="headline">\(Markup.escaped(Headline(comparison: comparison, runs: runs).words))</p>
      <p>\(Markup.escaped(subtitle))</p>\(authorNotes)</header>
      <div class="side">
      <nav aria-label="Contents"><ul>\(links(sections))</ul></nav>
      \(PageControls(runs: runs).html)
      </div>
      <main id="content" tabindex="-1">
      \(sections.map(\.html).joined(separator: "\n"))
      </main>
      <footer><p>\(Markup.escaped(origin))</p><p class="actions">\
      <button type="button" class="scripted" id="download-table">Download key numbers (CSV)</button>\
      <button type="button" class="scripted" id="download-curves">Download all curves (CSV)</button>\
      <button type="button" class="scripted" id="download-json">Download all results (JSON)</button>\
      </p></footer>
      </div>
      <script type="application/json" id="results">\(Self.embedded(comparison.json))</script>
      <script type="application/json" id="view-data">\(viewData)</script>
      <script>
      \(ChartScript.source)
      \(PageStyle.script)
      </script>
      </body>
      </html>

      """
  }

  private var title: String {
    guard let ownTitle, !ownTitle.isEmpty else {
      let names = comparison.names
      return "Comparison of " + (names.count > 5 ? "\(names.count) runs" : names.joinedInWords)
    }
    return ownTitle
  }

  private var subtitle: String {
    guard let evaluation = comparison.evaluationProtocol else { return "" }
    guard comparison.hasPriors else { return "On \(evaluation.selection), the same for all runs." }
    return
      "Tokenizers on \(evaluation.selection), the same for all; priors on held-out tokens, from "
      + "their logs."
  }

  private var authorNotes: String {
    guard let notes, !notes.isEmpty else { return "" }
    let paragraphs = notes.split(separator: "\n").map { "<p>\(Markup.escaped(String($0)))</p>" }
    return "<div class=\"notes\">\(paragraphs.joined())</div>"
  }

  /// When and by what the page was made.
  private var origin: String {
    var words = "Written by Tessera's compare" + (version.map { " \($0)" } ?? "")
    if let date {
      let text = date.ISO8601Format()
      words += " on " + String(text.prefix(16)).replacing("T", with: " at ") + " UTC"
    }
    return words + "."
  }

  private func links(_ sections: [PageSection]) -> String {
    sections.map { "<li><a href=\"#\($0.id)\">\(Markup.escaped($0.short))</a></li>" }.joined()
  }

  /// What the scripts know of the runs: images, epochs and hours by step, runs that differ in their
  /// seed alone.
  private var viewData: String {
    func chain(_ corners: RunClock.Corners) -> String {
      func list(_ values: [Double]) -> String {
        "[\(values.map { Markup.jsonNumber($0, digits: 7) }.joined(separator: ","))]"
      }
      return "[\(list(corners.map(\.step))),\(list(corners.map(\.value)))]"
    }
    let clocks = runs.map { run in
      let parts = [
        ("images", run.facts.clock.images), ("epochs", run.facts.clock.epochs),
        ("hours", run.facts.clock.hours),
      ].filter { $0.1.count > 1 }.map { "\"\($0.0)\":\(chain($0.1))" }
      return "\"\(run.index)\":{\(parts.joined(separator: ","))}"
    }
    let groups = runs.seedGroups.map { group in
      "[\(group.map { String($0.index) }.joined(separator: ","))]"
    }
    return
      "{\"clocks\":{\(clocks.joined(separator: ","))},\"groups\":[\(groups.joined(separator: ","))]}"
  }

  /// JSON within a script element: what could end it is written as an escape.
  private static func embedded(_ json: String) -> String {
    json.replacing("<", with: "\\u003c").replacing(">", with: "\\u003e")
      .replacing("&", with: "\\u0026")
  }

  private var sections: [PageSection] {
    let verdicts = VerdictSection(comparison: comparison, runs: runs).section
    let explanation = ProtocolSection(comparison: comparison).section
    guard !runs.isEmpty else { return [verdicts, explanation] }
    let (others, isOfTokenizers) = (runs.others, runs.contains(where: \.isTokenizer))
    let isOfPriors = comparison.hasPriors
    return [verdicts]
      + [
        PairSection(comparison: comparison, runs: runs).section,
        PriorSection(comparison: comparison, runs: runs.priors).section,
        GeneratorSection(comparison: comparison, runs: runs).section,
      ].compactMap { $0 }
      + [RunSection(runs: runs).section]
      + (others.isEmpty ? [] : [ProgressSection(runs: others).section])
      + (isOfTokenizers ? use(of: others) : [])
      + [
        CosineSection(runs: runs).section, SpectrumSection(runs: runs).section,
        AverageSection(runs: runs).section, BoundSection(runs: runs).section,
      ].compactMap { $0 } + (isOfTokenizers ? pictures(of: others) : [])
      + (isOfTokenizers || isOfPriors ? [explanation] : [])
  }

  /// Sections on codebooks, of the runs that have any, and on vectors.
  private func use(of runs: [PageRun]) -> [PageSection] {
    let coded = runs.filter { !$0.quantizer.isContinuous }
    return
      (coded.isEmpty
      ? [] : [UsageSection(runs: coded).section, FrequencySection(runs: coded).section])
      + [QuantizerSection(runs: runs).section]
  }

  /// Sections on vectors and images.
  private func pictures(of runs: [PageRun]) -> [PageSection] {
    let coded = runs.filter { !$0.quantizer.isContinuous }
    return (coded.isEmpty ? [] : [PlaneSection(runs: coded).section])
      + [SampleSection(runs: runs).section].compactMap { $0 }
      + [PictureSection(comparison: comparison, runs: runs, pictures: pictures).section]
  }
}

extension [PageRun] {
  /// Runs whose configurations differ in their seed alone, two or more together.
  var seedGroups: [[PageRun]] {
    var groups: [(settings: [String], runs: [PageRun])] = []
    for run in self where !run.facts.settings.isEmpty {
      let settings = run.facts.settings.filter { $0.key != "training.seed" }
        .map { "\($0.key)=\($0.value)" }
      if let place = groups.firstIndex(where: { $0.settings == settings }) {
        groups[place].runs.append(run)
      } else {
        groups.append((settings, [run]))
      }
    }
    return groups.map(\.runs).filter { $0.count > 1 }
  }
}

extension Comparison {
  /// The same without folders of the machine that it was made on.
  var shareable: Comparison {
    let folders =
      entries.map(\.checkpoint) + (evaluationProtocol.map { [$0.folder] } ?? [])
    var evaluation = evaluationProtocol
    if let folder = evaluation?.folder { evaluation?.folder = PrivatePath.shown(folder) }
    if let kind = evaluation?.kind {
      evaluation?.kind = PrivatePath.scrubbed(kind, folders: folders)
    }
    return Comparison(
      entries: zip(entries, names).map { entry, name in
        let checkpoint =
          PrivatePath.shown(entry.checkpoint) == entry.checkpoint ? entry.checkpoint : name
        guard case .failed(let reason) = entry.outcome else {
          var outcome = entry.outcome
          if var prior = entry.prior {
            prior.quality = prior.quality?.shareable
            outcome = .prior(prior)
          }
          return Entry(
            checkpoint: checkpoint, outcome: outcome, configuration: entry.configuration)
        }
        return Entry(
          checkpoint: checkpoint,
          outcome: .failed(reason: PrivatePath.scrubbed(reason, folders: folders)))
      }, evaluationProtocol: evaluation)
  }
}

/// The runs' colours, a box each to leave one out, and the view of the charts.
struct PageControls {
  let runs: [PageRun]

  var html: String {
    guard !runs.isEmpty else { return "" }
    return "<section class=\"view\" aria-label=\"Runs and view\">\(chips)"
      + "<details class=\"settings scripted\"><summary>View</summary>\(axes)\(smoothing)\(seeds)"
      + "</details></section>"
  }

  private var chips: String {
    guard runs.count > 1 else { return "" }
    let boxes = runs.map { run in
      "<label class=\"chip r\(run.index)\"><input type=\"checkbox\" autocomplete=\"off\" "
        + "id=\"run-\(run.index)\" checked>"
        + "<svg viewBox=\"0 0 26 10\" aria-hidden=\"true\"><path class=\"line\" d=\"M1 5H25\"/></svg>"
        + "\(Markup.escaped(run.name))</label>"
    }.joined()
    return "<fieldset class=\"runs\"><legend>Runs shown</legend>\(boxes)</fieldset>"
  }

  /// What the curves are drawn over; what no run's log has cannot be chosen.
  private var axes: String {
    let choices: [(key: String, isKnown: Bool)] = [
      ("step", true), ("images", runs.contains { $0.facts.clock.images.count > 1 }),
      ("epochs", runs.contains { $0.facts.clock.epochs.count > 1 }),
      ("hours", runs.contains { $0.facts.clock.hours.count > 1 }),
    ]
    let boxes = choices.map { key, isKnown in
      "<label><input type=\"radio\" name=\"axis\" value=\"\(key)\" autocomplete=\"off\""
        + (key == "step" ? " checked" : "") + (isKnown ? "" : " disabled") + "> \(key)</label>"
    }.joined()
    return "<fieldset class=\"axis\"><legend>Horizontal axis</legend>\(boxes)</fieldset>"
  }

  private var smoothing: String {
    "<label class=\"smooth\">Smoothing <input type=\"range\" id=\"smooth\" min=\"0\" max=\"0.98\" "
      + "step=\"0.02\" value=\"0\" autocomplete=\"off\"> <output>0</output></label>"
  }

  private var seeds: String {
    runs.seedGroups.isEmpty
      ? ""
      : "<label><input type=\"checkbox\" id=\"grouped\" autocomplete=\"off\"> mean and range of runs that "
        + "differ in their seed alone</label>"
  }
}

/// The page's rules and script beyond those of its charts.
enum PageStyle {
  /// All rules for a page of so many runs.
  static func css(runs: Int) -> String {
    let hiding = (0..<runs).map { index in
      "body:has(#run-\(index):not(:checked)) .r\(index):not(.chip){display:none}"
    }.joined(separator: "\n")
    return ChartStyle.css(subjects: runs)
      + String(decoding: PackageResources.page_css, as: UTF8.self) + hiding
  }

  /// The page's own script.
  static let script = String(decoding: PackageResources.page_js, as: UTF8.self)
}
