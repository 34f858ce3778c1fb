import Charts
import Diagnostics
import Formatting
import Foundation
import Tokenizers

/// The summary in one paragraph: the winner, its margin and cost, problems.
struct Headline {
  let comparison: Comparison
  let runs: [PageRun]

  var words: String {
    guard !runs.isEmpty else { return "No run could be evaluated." }
    var sentences: [String] = []
    if let winner { sentences.append(winner) }
    for (mark, title) in [
      (Judgement.Mark.bad, "codebook collapse"), (.bad, "embedding collapse"),
      (.bad, "posterior collapse"),
    ] {
      let those = runs.filter { $0.judgement.mark == mark && $0.judgement.title == title }
      if !those.isEmpty {
        sentences.append("\(those.names) \(those.count > 1 ? "show" : "shows") \(title).")
      }
    }
    if let rates { sentences.append(rates) }
    let improving = runs.filter { $0.judgement.title == "still improving" }
    if !improving.isEmpty {
      sentences.append(
        "\(improving.count == runs.count && runs.count > 1 ? all : improving.names) "
          + "\(improving.count > 1 ? "are" : "is") still improving.")
    }
    let early = runs.filter { $0.judgement.title == "too early to judge" }
    if !early.isEmpty {
      sentences.append("It is too early to judge \(early.names).")
    }
    let (judged, what) = (runs.others, runs.priors.isEmpty ? "run" : "tokenizer")
    if !judged.isEmpty, judged.allSatisfy({ $0.judgement.mark == .good }) {
      sentences.append(
        judged.count > 1 ? "All \(what)s are healthy." : "The \(what) is healthy.")
    }
    if !runs.contains(where: \.isTokenizer) {
      sentences.append("The numbers are from the runs' logs.")
    } else if judged.allSatisfy({ $0.run == nil }) {
      sentences.append("There were no images to evaluate on; the numbers are from the runs' logs.")
    }
    let failed = comparison.entries.count - runs.count
    if failed > 0 { sentences.append("\(failed) could not be evaluated.") }
    return sentences.joined(separator: " ")
  }

  /// What priors save of the budget, as in "fsq takes 1.526 bits/pixel instead of 2.491".
  private var rates: String? {
    let (names, pairs) = (comparison.names, comparison.pairs)
    var tokenizers: [Int] = []
    for pair in pairs where !tokenizers.contains(pair.tokenizer) {
      tokenizers.append(pair.tokenizer)
    }
    guard (1...4).contains(tokenizers.count) else { return nil }
    let words = tokenizers.enumerated().map { place, tokenizer in
      let own = pairs.filter { $0.tokenizer == tokenizer }.map(\.run)
      func mean(_ value: (PriorRun) -> Double) -> String {
        NumberText.decimals(own.reduce(0) { $0 + value($1) } / Double(own.count), 3)
      }
      return names[tokenizer] + (place == 0 ? " takes " : " ") + mean { $0.bitsPerPixel }
        + (place == 0 ? " bits/pixel" : "") + " instead of " + mean { $0.budgetPerPixel }
        + (own.count > 1 ? " (mean of \(own.count) priors)" : "")
    }
    let priors = pairs.count > 1 ? "their priors" : "its prior"
    return "Under \(priors) \(words.joined(separator: ", "))."
  }

  private var all: String { runs.count == 2 ? "Both" : "All" }

  /// "vq +0.70 dB over fsq at the same bits".
  private var winner: String? {
    let measured = runs.filter { $0.run != nil }
    guard let first = measured.first?.run else { return nil }
    guard measured.count > 1 else {
      return "\(measured[0].name) has \(NumberText.decimals(first.psnr, 2)) dB PSNR at "
        + Self.rate(first) + "."
    }
    guard Set(measured.compactMap { $0.run?.imageSize }).count == 1 else {
      return "The runs differ in image size, so that their PSNR is not comparable."
    }
    let order = measured.sorted { $0.run!.psnr > $1.run!.psnr }
    let (best, next) = (order[0], order[1])
    let (a, b) = (best.run!, next.run!)
    let margin = a.psnr - b.psnr
    guard margin >= 0.005 else {
      return "\(best.name) and \(next.name) are equal at \(NumberText.decimals(a.psnr, 2)) dB PSNR."
    }
    return
      "\(best.name) +\(NumberText.decimals(margin, 2)) dB over \(next.name) \(cost(best, next))."
  }

  /// What an image takes: bits, or latents where nothing is quantized.
  private static func rate(_ run: EvaluatedRun) -> String {
    run.latentsPerPixel.map { "\(NumberText.decimals($0, 3)) latents/pixel" }
      ?? "\(NumberText.decimals(run.bitsPerPixel, 3)) bits/pixel"
  }

  /// The winner's cost relative to the other: bits or latents, and training time.
  private func cost(_ a: PageRun, _ b: PageRun) -> String {
    let (own, other) = (a.run!.bitsPerPixel, b.run!.bitsPerPixel)
    let ratio = other > 0 ? own / other : 1
    let isOfLatents = a.run!.isContinuous || b.run!.isContinuous
    var words =
      isOfLatents
      ? "at \(Self.rate(a.run!)) against \(Self.rate(b.run!))"
      : abs(ratio - 1) < 0.02
        ? "at the same bits"
        : "at \(NumberText.decimals(ratio, 2)) times the bits (\(NumberText.decimals(own, 3)) against "
          + "\(NumberText.decimals(other, 3)) bits/pixel)"
    if let time = a.facts.seconds, let rest = b.facts.seconds, rest > 0,
      time / rest > 1.5 || time / rest < 1 / 1.5
    {
      words += ", in \(NumberText.decimals(time / rest, 1)) times the training time"
    }
    return words
  }
}

/// Verdicts of all runs, and the key numbers.
struct VerdictSection {
  let comparison: Comparison
  let runs: [PageRun]

  /// Entries from which on each verdict is a row of a table and no card.
  static let mostCards = 4

  var section: PageSection {
    let verdicts = zip(comparison.names, comparison.entries).enumerated().map { index, pair in
      (
        index, pair.0,
        runs.first { $0.index == index }?.judgement
          ?? Judgement(pair.1, folder: pair.1.checkpoint)
      )
    }
    return PageSection(
      id: "verdicts", title: "Verdicts", short: "Verdicts",
      content: (verdicts.count <= Self.mostCards
        ? "<div class=\"cards\">\(verdicts.map(card).joined(separator: "\n"))</div>"
        : rows(verdicts)) + keyTable)
  }

  private func card(_ index: Int, _ name: String, _ judgement: Judgement) -> String {
    let list = reasons(index, judgement).map { "<li>\(Markup.escaped(Self.sentence($0)))</li>" }
    return "<article class=\"verdict r\(index)\"><h3>\(Markup.escaped(name))</h3>"
      + "<p class=\"word\">\(Self.mark(judgement))"
      + "\(Markup.escaped(Self.capitalized(judgement.title)))</p><ul>\(list.joined())</ul>"
      + paragraph("story", story(index, judgement)) + next(judgement) + "</article>"
  }

  private func rows(_ verdicts: [(Int, String, Judgement)]) -> String {
    let rows = verdicts.map { index, name, judgement in
      let words = reasons(index, judgement).map(Self.sentence) + [story(index, judgement)]
      return "<tr class=\"r\(index)\"><th scope=\"row\" class=\"name\">\(Markup.escaped(name))</th>"
        + "<td data-title=\"verdict\">\(Self.mark(judgement))\(Markup.escaped(judgement.title))</td>"
        + "<td data-title=\"why\">\(Markup.escaped(words.filter { !$0.isEmpty }.joined(separator: " ")))"
        + "</td><td data-title=\"next\">\(next(judgement))</td></tr>"
    }.joined()
    return "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Verdicts\">"
      + "<table class=\"key words\"><thead><tr><th scope=\"col\">run</th><th scope=\"col\">verdict</th>"
      + "<th scope=\"col\">why</th><th scope=\"col\">next</th></tr></thead><tbody>\(rows)</tbody>"
      + "</table></div>"
  }

  /// The reasons, and what else the log warns of.
  private func reasons(_ index: Int, _ judgement: Judgement) -> [String] {
    guard let words = runs.first(where: { $0.index == index })?.replacements else {
      return judgement.reasons
    }
    return judgement.reasons + [words]
  }

  private func story(_ index: Int, _ judgement: Judgement) -> String {
    guard judgement.mark == .bad, let onset = runs.first(where: { $0.index == index })?.onset else {
      return ""
    }
    if onset.judged.isEmpty { return "The log has no lines that show when it began." }
    return judgement.story.isEmpty
      ? "No diagnostic in the log stays beyond its limit to the end."
      : Self.sentence(judgement.story)
  }

  /// What to do next; commands stand out.
  private func next(_ judgement: Judgement) -> String {
    guard !judgement.next.isEmpty else { return "" }
    let words = judgement.next.split(separator: " ", omittingEmptySubsequences: false)
    var (html, command): (String, [Substring]) = ("", [])
    func flush() {
      if !command.isEmpty {
        html += " <code>\(Markup.escaped(command.joined(separator: " ")))</code>"
      }
      command = []
    }
    for word in words {
      let starts = ["train", "encode", "--set", "--data"].contains(String(word))
      let ends = word.hasSuffix(",") || word.hasSuffix(":")
      if starts || !command.isEmpty {
        command.append(word)
        if ends { flush() }
      } else {
        html += (html.isEmpty ? "" : " ") + Markup.escaped(String(word))
      }
    }
    flush()
    return "<p class=\"next\"><b>Next</b> \(html)</p>"
  }

  private func paragraph(_ style: String, _ words: String) -> String {
    words.isEmpty ? "" : "<p class=\"\(style)\">\(Markup.escaped(words))</p>"
  }

  /// The verdict as a mark: a shape as well as a colour.
  static func mark(_ judgement: Judgement) -> String {
    let shape =
      switch judgement.mark {
      case .good: "<path d=\"M2 6.5 5 9.5 10.5 3\"/>"
      case .open: "<path d=\"M6 1.5v9M2.5 5 6 1.5 9.5 5\"/>"
      case .bad: "<path d=\"M2.5 2.5l7 7M9.5 2.5l-7 7\"/>"
      case .none: "<path d=\"M2 6h8\"/>"
      }
    return
      "<svg class=\"mark-\(judgement.mark.rawValue)\" viewBox=\"0 0 12 12\" aria-hidden=\"true\">"
      + "\(shape)</svg>"
  }

  static func sentence(_ words: String) -> String {
    words.isEmpty ? words : capitalized(words) + (words.hasSuffix(".") ? "" : ".")
  }

  /// With a capital first letter, unless it begins with a formula.
  private static func capitalized(_ words: String) -> String {
    guard let first = words.first, !words.hasPrefix("cos(") else { return words }
    return first.uppercased() + words.dropFirst()
  }

  /// The numbers that are compared first, a run a row; sorted by a click on their headings.
  private var keyTable: String {
    guard !runs.isEmpty else { return PageSection.absence("No run could be evaluated.") }
    // Priors have a table of their own, with the curves.
    guard !runs.others.isEmpty else { return "" }
    let shown = comparison.table
    let isDeep = shown.columns.contains { $0.title == "used by depth" }
    let areTokenizers = runs.others.allSatisfy(\.isTokenizer)
    let haveCodes = runs.others.contains { !$0.quantizer.isContinuous }
    let latents = shown.columns.map(\.title).filter(Comparison.latentTitles.contains)
    let titles =
      !areTokenizers
      ? shown.columns.map(\.title).filter { $0 != "run" }
      : ["verdict", "quantizer", "PSNR dB", "SSIM"]
        + (haveCodes ? ["codes used", "perplexity"] : []) + (isDeep ? ["used by depth"] : [])
        + (haveCodes ? ["bits/pixel", "entropy, bits/token"] : []) + latents
        + ["parameters", "steps", "training images/s"]
    var table = RunTable(
      caption: areTokenizers ? "Key numbers, all on the same images" : "Key numbers")
    table.columns = titles
    table.textColumns = ["verdict", "quantizer", "used by depth", "KL by channel"]
    for (place, row) in zip(comparison.tabled, shown.rows) {
      guard let run = runs.first(where: { $0.index == place.index }) else { continue }
      func cell(_ title: String) -> String {
        shown.columns.firstIndex { $0.title == title }.map { row[$0] } ?? "-"
      }
      table.rows.append(
        (
          run,
          titles.map { title in
            switch title {
            case "codes used" where areTokenizers && !run.quantizer.isContinuous:
              "\(cell(title)) of \(cell("codes K"))"
            case "entropy, bits/token":
              NumberText.decimals(
                run.quantizer.isContinuous ? nil : run.run?.entropyPerToken, 2)
            default: cell(title)
            }
          }
        ))
    }
    return table.html
  }
}

extension PageRun {
  /// A sentence on images that could not be used and had others in their place; nil where there were
  /// none.
  var replacements: String? {
    let all = history.replacements
    guard let first = all.first else { return nil }
    let sets = Dictionary(grouping: all, by: \.set).sorted { $0.key < $1.key }
    let counts = sets.map { set, images in
      "\(Display.count(images.count)) \(set.isEmpty ? "" : set + " ")image"
        + (images.count == 1 ? "" : "s")
    }
    return counts.joinedInWords
      + " could not be used and were replaced, the first: "
      + PrivatePath.shown(first.file)
  }
}
