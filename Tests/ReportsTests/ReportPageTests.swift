import Foundation
import Reports
import Testing
import Tokenizers

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
      "verdicts", "runs", "progress", "usage", "frequencies", "quantizer", "cosines", "spectra",
      "averages",
      "bounds", "plane", "samples", "images", "protocol",
    ]
    #expect(try Self.matches("<section id=\"([a-z]+)\"") == ids)
    #expect(try Self.matches("<li><a href=\"#([a-z]+)\"") == ids)
  }

  @Test(
    "verdicts in words: what, why, since when, and what saw it first; failures with their reason")
  func verdicts() throws {
    let verdicts = try Self.section("verdicts")
    for words in [
      "codebook collapse", "40 of 1000 codes used by", "--set quantizer.reviveEvery=50",
      "class=\"mark-bad\"", "class=\"mark-good\"",
      "Usage fell below a quarter of uniform usage at step 300; lambda had fallen below 0.3 at step "
        + "150, 150 steps before.",
      "healthy", "Codes, vectors and training show nothing amiss.", "Failed",
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
    // Two originals, of each of three runs two reconstructions and differences, of two runs two samples.
    #expect(try Self.matches("<img [^>]*src=\"data:image/png;base64,([^\"]*)\"").count == 18)
    // Every image says what it is: itself, or as the content of a button with a name.
    #expect(
      try Self.matches("<img ").count
        == Self.matches("<img [^>]*alt=\"[^\"]+\"").count
        + Self.matches("<button [^>]*aria-label=\"[^\"]+\"><img alt=\"\"").count + 2)
  }

  @Test("one first heading, and no level is skipped")
  func headings() throws {
    let levels = try Self.matches("<h([1-6])").compactMap { Int($0) }
    #expect(levels.first == 1 && levels.filter { $0 == 1 }.count == 1)
    #expect(zip(levels, levels.dropFirst()).allSatisfy { $1 <= $0 + 1 })
    for landmark in [
      "<main ", "<nav aria-label", "<header>", "<footer>", "class=\"skip\" href=\"#content\"",
      "lang=\"en\"", "name=\"viewport\"",
    ] {
      #expect(Self.html.contains(landmark), "\(landmark)")
    }
  }

  @Test("every chart says in words what it shows, and has its numbers in a table")
  func charts() throws {
    let figures = try Self.matches("<figure class=\"plot.*?</figure>")
    #expect(figures.count > 40)
    let anchors = try Self.matches("<figure [^>]*id=\"([^\"]+)\"")
    #expect(anchors.count == figures.count && Set(anchors).count == anchors.count)
    for figure in figures {
      #expect(
        try Self.matches("<svg class=\"chart[^>]*aria-label=\"([^\"]{10,})\"", in: figure).count
          == 1)
      #expect(figure.contains("<details><summary>Data") && figure.contains("<h3>"))
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
      (
        "runs",
        [
          "2026-11-29 08:00", "0.3.1", "Some &lt;CPU&gt;", "8 cores, 2 threads, 2 lanes", "photos",
          "2,000",
          "1 min 00 s",
          "4.8", "0.001 constant", "quantizer.type", "All settings", "at step 600",
        ]
      ),
      (
        "progress",
        [
          "Training loss", "PSNR, dB", "Last weights (all runs).", "SSIM", "one &lt;b&gt; gradient",
          "class=\"ring\"", "Training against held-out PSNR",
        ]
      ),
      (
        "usage",
        [
          "Usage relative to uniform", "Perplexity", "Dead codes",
          "vq: newly used and no longer used codes", "event r0",
        ]
      ),
      ("frequencies", ["Sorted code frequencies", ">1/K<", "fsq: levels of each channel"]),
      (
        "quantizer",
        ["lambda", "mark band", "cos(z, q)", "Obtuse", "Commitment", "FSQ saturation"]
      ),
      (
        "cosines",
        [
          "vq: cosine by block", "enc down 0 res 0", "class=\"simpson\"", "kappa", "Decrease",
          "S2 in 6 of 12 diagnoses, S3 in 1 of 12 diagnoses.",
        ]
      ),
      (
        "spectra",
        [
          "vq: singular values, encoder", "vq: singular values, decoder", "1 down 0 res 0 conv1",
          "faint", "dec out", "All zero: down 0 res 0 conv2.", "3.6%, 3x3 to 2",
          "at 95% of the energy two factors pay in", "<code>tessera compress --checkpoint runs/vq",
          "vq: entropy rank over k", "Mean stable rank over k",
          "The log of old has no ‘spectra’ lines.",
        ]
      ),
      (
        "averages",
        [
          "Averages: held-out PSNR", "re-estimated codebook", "Jensen gap",
          "dB above the last weights",
        ]
      ),
      (
        "bounds",
        ["gap and bounds (proxy)", "AdamW is no plain gradient step", "Slack of B2", "-0.45"]
      ),
      ("plane", ["class=\"mark hollow\"", "class=\"lattice\"", "of their variance"]),
      ("samples", ["data-steps=\"100 600\"", "id=\"film\""]),
      (
        "images",
        [
          "a&lt;b&gt;.png <b>hardest</b>", "27.50", "32 and more", "data-tokens=\"1 2 2 3\"",
          "PSNR of each image", "Error by scale",
        ]
      ),
      ("protocol", ["10 log10(255^2 / MSE)", "data/&lt;test&gt;", "beyond its limit"]),
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
    #expect(try Self.section("cosines").contains("The log of old has no ‘cosines’ lines."))
    let old = Array(SyntheticJournal.line("evaluation", 10, "\"psnr\":20").utf8)
    let page = ReportPage(
      Comparison(
        entries: [.init(checkpoint: "a", outcome: .evaluated(SyntheticComparison.vector()))],
        evaluationProtocol: nil),
      details: [RunDetails(history: RunHistory(journal: old))]
    ).html
    for (id, words) in [
      ("progress", "The log of a has no ‘step’ lines."),
      ("cosines", "The log of a has no ‘cosines’ lines."),
      ("averages", "no ‘averages’ lines"), ("bounds", "no ‘averageLoss’ lines"),
      ("usage", "no ‘codes’ lines"), ("quantizer", "no ‘quantizer’ lines"),
      ("plane", "Of a there is none"), ("images", "No images were kept."),
      ("verdicts", "The log has no lines that show when it began."),
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
    #expect(!page.contains("<svg class=\"chart"))
  }

  @Test("names that look like markup stay names; long ones are told apart at the curves' ends")
  func names() throws {
    let page = SyntheticComparison.page(names: [
      "cifar10-vq-<script>alert(1)&", "cifar10-vq-straight-through-a",
      "cifar10-vq-straight-through-b", "x",
    ]).html
    #expect(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert"))
    let direct = Set(try Self.matches("class=\"s direct r[0-9]\"[^>]*>([^<]*)<", in: page))
    #expect(direct.count >= 3 && direct.allSatisfy { $0.count <= 24 }, "\(direct)")
  }

  @Test("what a reader should know who reads no further")
  func headline() throws {
    let line = try #require(Self.matches("<p class=\"headline\">(.*?)</p>").first)
    #expect(
      line == "vq and fsq are equal at 24.13 dB PSNR. vq shows codebook collapse. "
        + "1 could not be evaluated.", "\(line)")
    func page(_ runs: [EvaluatedRun]) -> String {
      ReportPage(
        Comparison(
          entries: runs.enumerated().map {
            .init(checkpoint: "r\($0)", outcome: .evaluated($1))
          }, evaluationProtocol: nil), details: runs.map { _ in RunDetails() }
      ).html
    }
    var better = SyntheticComparison.scalar()
    better.psnr += 0.7
    #expect(
      page([SyntheticComparison.scalar(), better]).contains(
        "r1 +0.70 dB over r0 at the same bits. All runs are healthy."))
    better.bitsPerPixel = 0.5
    #expect(
      page([SyntheticComparison.scalar(), better]).contains(
        "at 2.00 times the bits (0.500 against 0.250 bits/pixel)"))
  }

  @Test("replaced images and where weights come from are told")
  func origins() throws {
    let lines =
      SyntheticJournal.line(
        "run", 0,
        "\"from\":{\"folder\":\"/home/x/scenes\",\"fingerprint\":\"abc\",\"step\":6000,\"codebooks\":false}"
      )
      + SyntheticJournal.line("step", 10, "\"loss\":1")
      + SyntheticJournal.line(
        "replaced", 10,
        "\"file\":\"a/<b>.jpg\",\"set\":\"training\",\"by\":\"c.jpg\",\"reason\":\"cut\"")
      + SyntheticJournal.line(
        "run", 10,
        "\"changes\":{\"training.steps\":[600,1200]},\"changedImages\":{\"missing\":1,\"new\":20,\"names\":[\"z\"]}"
      )
      + SyntheticJournal.line("step", 20, "\"loss\":1")
    let page = ReportPage(
      Comparison(
        entries: [.init(checkpoint: "a", outcome: .evaluated(SyntheticComparison.scalar()))],
        evaluationProtocol: nil),
      details: [
        SyntheticComparison.details(
          RunHistory(journal: Array(lines.utf8)), nil, type: "fsq")
      ]
    ).html
    let runs = try Self.section("runs", in: page)
    for words in [
      "initialized from scenes, step 6000, codebooks initialized again",
      "at step 10 resumed with training.steps 600 → 1200",
      "at step 10 resumed on other images: 1 missing, 20 new",
    ] {
      #expect(runs.contains(words), "\(words): \(runs)")
    }
    let warning =
      "1 training image could not be used and were replaced, the first: a/&lt;b&gt;.jpg"
    #expect(try Self.section("progress", in: page).contains(warning))
    #expect(try Self.section("verdicts", in: page).contains(warning))
    #expect(!page.contains("abc") && !page.contains("/home/x"))
  }

  @Test("a title, notes, when and by what it was made")
  func colophon() {
    let page = SyntheticComparison.page(title: "<i>Mine</i>", notes: "first\nsecond & last").html
    #expect(page.contains("<title>&lt;i&gt;Mine&lt;/i&gt;</title>"))
    #expect(page.contains("<p>first</p><p>second &amp; last</p>"))
    #expect(page.contains("compare 1.2 on 2027-01-15 at 08:00 UTC."))
  }

  @Test("nothing of the machine's folders leaves with the page")
  func privacy() throws {
    let page = ReportPage(
      Comparison(
        entries: [
          .init(
            checkpoint: "/home/somebody/my runs/a",
            outcome: .evaluated(SyntheticComparison.vector())),
          .init(
            checkpoint: "/home/somebody/my runs/b",
            outcome: .failed(
              reason: "/home/somebody/my runs/b/model.safetensors: cut short; see /var/data/x.png")),
        ],
        evaluationProtocol: EvaluationProtocol(
          folder: "/home/somebody/photos", kind: "images held out by /home/somebody/my runs/a",
          images: 2, of: 2, preparation: "", sizes: [32])),
      details: [
        SyntheticComparison.details(
          RunHistory(journal: SyntheticJournal.vector()), nil, type: "vq"), nil,
      ]
    ).html
    for word in ["somebody", "/home", "my runs", "/var"] {
      #expect(!page.contains(word), "\(word)")
    }
    #expect(page.contains("B/model.safetensors: cut short; see x.png."))
    #expect(page.contains("photos"))
  }

  @Test("verdicts are cards, and rows of a table from five entries on")
  func manyVerdicts() throws {
    #expect(Self.html.contains("<article class=\"verdict"))
    let many = SyntheticComparison.manyRuns(6).html
    #expect(
      !many.contains("<article class=\"verdict") && many.contains("<table class=\"key words\">"))
    #expect(try Self.section("verdicts", in: many).contains("use EMA and dead-code revival"))
  }

  @Test("without images the page has what configuration and log tell")
  func recorded() throws {
    let history = RunHistory(journal: SyntheticJournal.vector())
    let run = RecordedRun(
      quantizer: .vq(codes: 1000, gradient: .rotation), parameters: 12_345,
      steps: 600, history: history)
    let comparison = Comparison(
      entries: [.init(checkpoint: "a", outcome: .recorded(run))], evaluationProtocol: nil)
    let page = ReportPage(
      comparison, details: [SyntheticComparison.details(history, nil, type: "vq")]
    ).html
    #expect(page.contains("There were no images to evaluate on"))
    #expect(try Self.section("progress", in: page).contains("Training loss"))
    #expect(try Self.section("verdicts", in: page).contains("12,345"))
    let text = comparison.text(width: 120)
    for words in [
      "not evaluated", "log&#39;s last evaluation, at step 600", "500", "300.0", "--data",
    ] {
      #expect(
        text.contains(words.replacingOccurrences(of: "&#39;", with: "'")), "\(words): \(text)")
    }
  }

  @Test("ten runs of 20,000 steps: a few megabytes")
  func size() {
    let page = SyntheticComparison.manyRuns(10, steps: 20_000).html
    #expect(page.utf8.count < 6 << 20, "\(page.utf8.count) bytes")
    #expect(page.contains("<h1>Comparison of 10 runs</h1>"))
  }
}
