import Foundation
import Reports
import Testing

@Suite("Report pages")
struct ReportPageTests {
  private static let html = SyntheticComparison.page().html

  private static func matches(_ pattern: String, in text: String = html) throws -> [String] {
    let expression = try NSRegularExpression(pattern: pattern, options: .dotMatchesLineSeparators)
    return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap {
      Range($0.range(at: $0.numberOfRanges - 1), in: text).map { String(text[$0]) }
    }
  }

  /// A section's markup.
  private static func section(_ id: String, in text: String = html) throws -> String {
    try #require(matches("<section id=\"\(id)\".*?</section>", in: text).first, "\(id)")
  }

  @Test("every section is there, in order, and linked")
  func sections() throws {
    let ids = [
      "verdicts", "progress", "usage", "frequencies", "quantizer", "cosines", "averages", "bounds",
      "plane", "images", "protocol",
    ]
    #expect(try Self.matches("<section id=\"([a-z]+)\"") == ids)
    #expect(try Self.matches("<li><a href=\"#([a-z]+)\"") == ids)
  }

  @Test(
    "verdicts in words: what, why, since when, and what saw it first; failures with their reason")
  func verdicts() throws {
    let verdicts = try Self.section("verdicts")
    for words in [
      "token collapse", "40 of 1000 codes used by",
      "Usage fell below a quarter of a uniform code&#39;s at step 300; lambda had fallen below 0.3 at step "
        + "150, 150 steps before.",
      "healthy", "Codes, vectors and training show nothing amiss.", "failed",
      "No &lt;checkpoint&gt; &amp; nothing else.", "vq 1000x3 straight-through", "1,234,567",
      "24.13",
      "0.9123", "12 of 12", "600.5",
    ] {
      #expect(verdicts.contains(words), "\(words)")
    }
  }

  @Test("the page needs nothing else: no addresses, no files, images as data")
  func selfContained() throws {
    for forbidden in [
      "http:", "https:", "//www", "url(", "@import", "srcset", "<iframe", "<object",
    ] {
      #expect(!Self.html.contains(forbidden), "\(forbidden)")
    }
    #expect(
      try Self.matches("(?:src|href)=\"([^\"]*)\"").allSatisfy {
        $0.hasPrefix("data:") || $0.hasPrefix("#")
      })
    #expect(try Self.matches("<img [^>]*src=\"data:image/png;base64,([^\"]*)\"").count == 14)
    #expect(try Self.matches("<img ").count == Self.matches("<img alt=\"[^\"]+\"").count)
  }

  @Test("one first heading, and no level is skipped")
  func headings() throws {
    let levels = try Self.matches("<h([1-6])").compactMap { Int($0) }
    #expect(levels.first == 1 && levels.filter { $0 == 1 }.count == 1)
    #expect(zip(levels, levels.dropFirst()).allSatisfy { $1 <= $0 + 1 })
    for landmark in ["<main>", "<nav aria-label", "<header>", "lang=\"en\"", "name=\"viewport\""] {
      #expect(Self.html.contains(landmark), "\(landmark)")
    }
  }

  @Test("every chart says in words what it shows, and has its numbers in a table")
  func charts() throws {
    let figures = try Self.matches("<figure class=\"plot.*?</figure>")
    #expect(figures.count > 35)
    for figure in figures {
      #expect(
        try Self.matches("<svg class=\"chart\"[^>]*aria-label=\"([^\"]{10,})\"", in: figure).count
          == 1)
      #expect(figure.contains("<details>") && figure.contains("<h3>"))
      #expect(figure.contains("class=\"mark"), "\(figure.prefix(200))")
      #expect(!figure.contains("nan") && !figure.contains("inf "), "\(figure.prefix(200))")
    }
    for json in try Self.matches("<script type=\"application/json\">(.*?)</script>") {
      #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(json.utf8)) }
    }
  }

  @Test("each section draws what it is for")
  func contents() throws {
    let expected: [(String, [String])] = [
      ("progress", ["Training loss", "PSNR, dB", "SSIM", "one &lt;b&gt; gradient"]),
      (
        "usage",
        ["Usage against", "Perplexity", "Dead codes", "vq: codes born and died", "class=\"event"]
      ),
      ("frequencies", ["Sorted code frequencies", "uniform, K = ", "fsq: levels of each channel"]),
      (
        "quantizer",
        ["lambda", "class=\"mark band", "cos(z, q)", "Obtuse", "Commitment", "FSQ saturation"]
      ),
      (
        "cosines",
        ["vq: cosine by block", "enc down 0 res 0", "class=\"simpson\"", "kappa", "Decrease"]
      ),
      (
        "averages",
        ["vq: held-out PSNR", "codebook anew", "Jensen gap", "dB above the last iterate"]
      ),
      (
        "bounds",
        ["gap and bounds (proxy)", "AdamW is no plain gradient step", "Slack of B2", "-0.45"]
      ),
      ("plane", ["class=\"mark hollow\"", "class=\"lattice\"", "of their variance"]),
      ("images", ["amplified 8 times", "vq, difference"]),
      ("protocol", ["10 log10(255^2 / MSE)", "data/&lt;test&gt;", "stays beyond its limit"]),
    ]
    for (id, all) in expected {
      let section = try Self.section(id)
      for words in all { #expect(section.contains(words), "\(id): \(words)") }
    }
  }

  @Test("a block's cosine is that of its tensors in one vector")
  func blockCosine() throws {
    // Tensors 2 and 3 of the journal: shares of the squared norms, and cosines.
    let (u, g, c) = ([0.1, 0.2], [0.3, 0.3], [0.5, 0.25])
    let product = (0..<2).reduce(0.0) { $0 + (u[$1] * g[$1]).squareRoot() * c[$1] }
    let cosine = product / ((u[0] + u[1]) * (g[0] + g[1])).squareRoot()
    let text = try #require(
      Self.matches("<script type=\"application/json\">(\\{\"kind\":\"heat\".*?)</script>").first)
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let rows = try #require(object?["rows"] as? [String])
    let values = try #require(object?["values"] as? [[Any]])
    #expect(rows == ["enc in", "enc down 0 res 0", "codebook", "dec out"])
    #expect(abs(try #require(values[1][0] as? Double) - cosine) <= 0.005)
    #expect(values[2][0] is NSNull && values[3][0] as? Double == -0.5)
  }

  @Test("an old journal: what it lacks is said, not hidden")
  func oldJournal() throws {
    #expect(try Self.section("cosines").contains("The journal of old has no ‘cosines’ lines."))
    let old = Array(SyntheticJournal.line("evaluation", 10, "\"psnr\":20").utf8)
    let page = ReportPage(
      Comparison(
        entries: [.init(checkpoint: "a", outcome: .evaluated(SyntheticComparison.vector()))],
        evaluationProtocol: nil),
      details: [RunDetails(history: RunHistory(journal: old))]
    ).html
    for (id, words) in [
      ("progress", "Not in the journal of a."),
      ("cosines", "The journal of a has no ‘cosines’ lines."),
      ("averages", "no ‘averages’ lines"), ("bounds", "no ‘averageLoss’ lines"),
      ("usage", "no ‘codes’ lines"), ("quantizer", "no ‘quantizer’ lines"),
      ("plane", "No vectors were kept."), ("images", "No images were kept."),
      ("verdicts", "The journal has no lines to tell when it began."),
    ] {
      #expect(try Self.section(id, in: page).contains(words), "\(id): \(words)")
    }
  }

  @Test("no run could be evaluated: a page all the same")
  func allFailed() {
    let page = ReportPage(
      Comparison(
        entries: [.init(checkpoint: "a", outcome: .failed(reason: "why"))], evaluationProtocol: nil),
      details: [nil]
    ).html
    #expect(page.contains("Why.") && page.contains("No run could be evaluated."))
    #expect(!page.contains("<svg class=\"chart\""))
  }

  @Test("names that look like markup stay names; long ones are told apart at the curves' ends")
  func names() throws {
    let page = SyntheticComparison.page(names: [
      "cifar10-vq-<script>alert(1)&", "cifar10-vq-straight-through-a",
      "cifar10-vq-straight-through-b", "x",
    ]).html
    #expect(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert"))
    let direct = Set(try Self.matches("class=\"direct r[0-9]\"[^>]*>([^<]*)<", in: page))
    #expect(direct.count >= 3 && direct.allSatisfy { $0.count <= 24 }, "\(direct)")
  }

  @Test("what a reader should know who reads no further")
  func headline() {
    #expect(
      Self.html.contains(
        "has the highest PSNR, 24.13 dB. vq shows token collapse. 1 could not be evaluated."))
  }

  @Test("ten runs of 20,000 steps: a few megabytes")
  func size() {
    let page = SyntheticComparison.manyRuns(10, steps: 20_000).html
    #expect(page.utf8.count < 5 << 20, "\(page.utf8.count) bytes")
    #expect(page.contains("<h1>Comparison of 10 runs</h1>"))
  }
}
