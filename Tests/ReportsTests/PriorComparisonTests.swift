import Configuration
import Files
import Foundation
import Reports
import Testing

@Suite("Comparisons of priors")
struct PriorComparisonTests {
  @Test("the whole text: priors, pairs, seeds, what to mind")
  func text() {
    let text = SyntheticPriors.comparison.text(width: 100)
    let tables = """
      Priors

      prior        bits/token  bits/image  bits/pixel  budget  marginal  bigram  images  parameters  steps
      -----------  ----------  ----------  ----------  ------  --------  ------  ------  ----------  -----
      prior-fsq-0       6.000      1536.0       1.500   10.00      8.00    6.50      64   5,000,000    400
      prior-fsq-1       6.200      1587.2       1.550   10.00      8.00    6.50      64   5,000,000    400
      prior-vq          4.000      1024.0       1.000   10.00      8.00    6.50      64   5,000,000    400
      lonely            6.000      1536.0       1.500   10.00      8.00    6.50      64   5,000,000    400

      Tokenizers with their priors

      prior        tokenizer  seeds  PSNR dB    SSIM  bits/pixel, budget  bits/pixel, prior  saved
      -----------  ---------  -----  -------  ------  ------------------  -----------------  -----
      prior-fsq-0  fsq        0/0      24.50  0.9123               2.500              1.500  40.0%
      prior-fsq-1  fsq        0/1      24.50  0.9123               2.500              1.550  38.0%
      prior-vq     vq         3/0      23.25  0.9123               2.500              1.000  60.0%

      """
    #expect(text.contains(tables), "\(text)")
    let remarks = """

      Seeds  prior-fsq-0 and prior-fsq-1 differ in their seeds alone: 6.100 ± 0.100 bits/token, 1.525 ±
             0.025 bits/pixel, 39.0 ± 1.0% saved (mean ± half the range).
      Note   The tokenizer of lonely is not among the runs (fsq, fingerprint cc33). Name its folder too,
             to see PSNR beside the rate.

      On all 20 validation images in data/test, 32x32 pixels; priors on their own held-out images. What
         the numbers mean: --explain
      """
    #expect(text.hasSuffix(remarks), "\(text)")
    #expect(
      text.contains("prior-vq     trained: 4.00 bits/token on 64 held-out images, 60.0% below the"))
    let explained = SyntheticPriors.comparison.text(width: 100, explains: true)
    for words in ["bits     of a prior", "budget   bits/token without", "saved    the fraction"] {
      #expect(explained.contains(words), "\(explained)")
    }
  }

  @Test("priors alone: one table, and no word of tokenizers")
  func alone() {
    let comparison = Comparison(
      entries: [SyntheticPriors.entries[2], SyntheticPriors.entries[4]], evaluationProtocol: nil)
    let text = comparison.text(width: 100)
    #expect(text.hasPrefix("prior        bits/token  bits/image"), "\(text)")
    #expect(!text.contains("quantizer") && !text.contains("with their priors"), "\(text)")
    #expect(
      comparison.priorNotes == [
        "The tokenizers of these priors are not among the runs: prior-fsq-0 (fsq, fingerprint aa11), "
          + "prior-vq (fsq, fingerprint bb22). Name their folders too, to see PSNR beside the rate."
      ])
    let failed = Comparison(
      entries: comparison.entries + [.init(checkpoint: "x", outcome: .failed(reason: "x: none."))],
      evaluationProtocol: nil)
    #expect(failed.text(width: 100).contains("x            failed: x: none."))
  }

  @Test("a tokenizer without images lends its log's PSNR")
  func recorded() {
    var run = RecordedRun(
      quantizer: .fsq(levels: [4, 3]), parameters: 1, steps: 100,
      history: RunHistory(
        journal: Array(
          SyntheticJournal.line("evaluation", 100, "\"psnr\":21,\"ssim\":0.8").utf8)))
    run.fingerprint = "aa11"
    let pairs = Comparison(
      entries: [
        SyntheticPriors.entries[2], .init(checkpoint: "runs/fsq", outcome: .recorded(run)),
      ], evaluationProtocol: nil
    ).pairs
    #expect(pairs.map(\.psnr) == [21] && pairs.map(\.tokenizer) == [1] && pairs[0].prior == 0)
    #expect(pairs[0].seedWords == "?/0")
  }

  @Test("priors that were trained in different ways are said to be; seeds, data and lanes are none")
  func unlike() throws {
    #expect(!SyntheticPriors.comparison.priorNotes.contains { $0.contains("not trained alike") })
    let other = SyntheticPriors.prior(of: "bb22", steps: 800, classes: 10)
    var entries = SyntheticPriors.entries
    entries[4] = SyntheticPriors.entry(
      "runs/prior-vq", other.run, SyntheticPriors.configuration(seed: 0, steps: 800, width: 64))
    let notes = Comparison(entries: entries, evaluationProtocol: nil).priorNotes
    #expect(
      notes.contains(
        "The priors were not trained alike, so that their rates differ by that too: model.width 256 "
          + "(prior-fsq-0 and prior-fsq-1), 64 (prior-vq); training.steps 400 (prior-fsq-0 and "
          + "prior-fsq-1), 800 (prior-vq); steps made 400 (prior-fsq-0 and prior-fsq-1), 800 "
          + "(prior-vq); classes 0 (prior-fsq-0 and prior-fsq-1), 10 (prior-vq)."), "\(notes)")
    entries[4] = SyntheticPriors.entry(
      "runs/prior-vq", SyntheticPriors.prior(of: "bb22", tokens: (8, 8)).run,
      SyntheticPriors.configuration(seed: 0))
    #expect(
      Comparison(entries: entries, evaluationProtocol: nil).priorNotes.contains {
        $0.hasPrefix(
          "prior-vq has learned images of 64 tokens, but PSNR is measured on images of 256")
      })
  }

  @Test(
    "seeds: also of tokenizers, whose PSNR has a spread then; one folder twice is no second seed")
  func seeds() throws {
    func tokenizer(_ name: String, _ fingerprint: String, _ psnr: Double, seed: Int)
      -> Comparison.Entry
    {
      .init(
        checkpoint: name, outcome: .evaluated(SyntheticPriors.tokenizer(fingerprint, psnr: psnr)),
        configuration: SyntheticComparison.configuration(type: "fsq", seed: seed))
    }
    func prior(_ name: String, _ fingerprint: String, _ bits: Double, file: String)
      -> Comparison.Entry
    {
      SyntheticPriors.entry(
        name, SyntheticPriors.prior(of: fingerprint, bits: bits).run,
        SyntheticPriors.configuration(seed: 0, file: file))
    }
    let comparison = Comparison(
      entries: [
        tokenizer("a", "aa11", 24, seed: 0), tokenizer("b", "bb22", 25, seed: 1),
        prior("pa", "aa11", 6, file: "a.safetensors"),
        prior("pb", "bb22", 5, file: "b.safetensors"),
      ], evaluationProtocol: nil)
    let group = try #require(comparison.priorSeeds.first)
    #expect(group.priors == [2, 3] && group.psnr?.mean == 24.5 && group.psnr?.half == 0.5)
    #expect(
      comparison.seedStatements == [
        "pa and pb differ in their seeds alone: 5.500 ± 0.500 bits/token, 1.375 ± 0.125 bits/pixel, "
          + "45.0 ± 5.0% saved, PSNR 24.50 ± 0.50 dB (mean ± half the range)."
      ])
    let journal = SyntheticJournal.evaluation(400, bits: 6).replacing(":8,", with: ":8.1,")
    let split = Comparison(
      entries: [
        SyntheticPriors.entries[2],
        SyntheticPriors.entry(
          "p", SyntheticPriors.prior(of: "aa11", journal: Array(journal.utf8)).run,
          SyntheticPriors.configuration(seed: 7)),
      ], evaluationProtocol: nil)
    #expect(split.priorSeeds.isEmpty, "they were trained on unlike numbers of images")
    let run = SyntheticJournal.line("run", 0, "\"trainingImages\":900")
    let same = Comparison(
      entries: [
        SyntheticPriors.entries[2],
        SyntheticPriors.entry(
          "p", SyntheticPriors.prior(of: "aa11", journal: Array((run + journal).utf8)).run,
          SyntheticPriors.configuration(seed: 7)),
      ], evaluationProtocol: nil)
    #expect(
      same.seedStatements.first?.hasSuffix("The seed chose their held-out images too.") == true,
      "\(same.seedStatements)")
    #expect(comparison.priorSeeds.allSatisfy { !$0.hasOtherImages })
    let twice = Comparison(
      entries: [SyntheticPriors.entries[2], SyntheticPriors.entries[2]], evaluationProtocol: nil)
    #expect(twice.priorSeeds.isEmpty)
  }

  @Test("a prior is judged: no better than pairs, overfitting, not evaluated at its end")
  func judgement() throws {
    func judgement(_ evaluations: [(Int, Double)], steps: Int) -> Judgement {
      let journal = evaluations.map { SyntheticJournal.evaluation($0.0, bits: $0.1) }.joined()
      let run = SyntheticPriors.prior(of: "aa11", steps: steps, journal: Array(journal.utf8)).run
      return Judgement(.init(checkpoint: "p", outcome: .prior(run)), folder: "p")
    }
    let weak = judgement([(100, 7)], steps: 100).words
    #expect(weak.contains("no better than the bigram's 6.50"), "\(weak)")
    #expect(weak.hasSuffix("Continue: train --resume --output p --steps 200"), "\(weak)")
    let risen = judgement([(100, 5), (200, 5.5)], steps: 200).words
    #expect(risen.contains("were 5.00 at step 100 and have risen since"), "\(risen)")
    #expect(risen.hasSuffix("--set monitor.keepBest=bits"), "\(risen)")
    let early = judgement([(100, 5)], steps: 150)
    #expect(early.reasons.last == "evaluated at step 100 of 150" && early.next.isEmpty)
    #expect(judgement([(100, 11)], steps: 100).words.contains("more than the budget of 10.00"))
    #expect(
      PriorRun(
        tokens: .init(fingerprint: "a", quantizer: "fsq", rows: 1, columns: 1, classes: 0),
        parameters: 1, steps: 10, history: RunHistory()) == nil)
  }

  @Test("JSON: a prior's keys, pairs, seeds, notes")
  func json() throws {
    let root = try Self.object(JSONValue(parsing: SyntheticPriors.comparison.json))
    #expect(root.keys == ["format", "version", "protocol", "runs", "pairs", "seeds", "notes"])
    guard case .array(let runs)? = root["runs"], case .array(let pairs)? = root["pairs"],
      case .array(let seeds)? = root["seeds"], case .array(let notes)? = root["notes"]
    else {
      Issue.record("a list is missing")
      return
    }
    let prior = try Self.object(runs[2])
    #expect(
      prior.keys == [
        "checkpoint", "error", "kind", "fingerprint", "grid", "classes", "step", "heldOutImages",
        "bitsPerToken", "bitsPerImage", "bitsPerPixel", "budgetBits", "marginalBits", "bigramBits",
        "seed", "trainingImages", "parameters", "steps", "trainingImagesPerSecond",
      ])
    #expect(prior["fingerprint"] == .string("aa11") && prior["trainingImages"] == .integer(900))
    #expect(try Self.object(runs[0])["fingerprint"] == .string("aa11"))
    let pair = try Self.object(pairs[1])
    #expect(
      pair["tokenizer"] == .string("runs/fsq") && pair["prior"] == .string("runs/prior-fsq-1"))
    #expect(pair["tokenizerSeed"] == .integer(0) && pair["priorSeed"] == .integer(1))
    #expect(pairs.count == 3 && pair["psnr"]?.double == 24.5)
    #expect(abs(try #require(pair["saved"]?.double) - 0.38) < 1e-9)
    #expect(abs(try #require(pair["budgetBitsPerPixel"]?.double) - 2.5) < 1e-9)
    #expect(try Self.object(seeds[0])["psnr"] == .null && seeds.count == 1)
    #expect(notes.count == 1)
  }

  @Test("the page: pairs with plot and samples, priors with curves and levels, settings by kind")
  func page() throws {
    let html = SyntheticPriors.page().html
    func section(_ id: String) throws -> String {
      let start = try #require(html.range(of: "<section id=\"\(id)\""), "\(id)")
      return html[start.lowerBound...].components(separatedBy: "</section>")[0]
    }
    #expect(
      html.contains(
        "Under their priors fsq takes 1.525 bits/pixel instead of 2.500 (mean of 2 priors), vq 1.000 "
          + "instead of 2.500."))
    let rates = try section("rates")
    for words in [
      "PSNR over bits/pixel", "Up and left is better", "0/1", "60.0%",
      "differ in their seeds alone",
      "fingerprint cc33", "alt=\"samples of prior-vq\" src=\"data:image/png;base64,iVBORw==\"",
      "bits/pixel at the budget",
    ] {
      #expect(rates.contains(words), "\(words)")
    }
    #expect(rates.components(separatedBy: "class=\"mark dot\"").count == 4)
    let priors = try section("priors")
    for words in [
      "Held-out bits/pixel", "Held-out bits/token of fsq<", "Held-out bits/token of vq<",
      "Held-out bits/token of fsq cc33<", "budget, log2 K 10.00", "marginal: by frequency 8.00",
      "bigram: by the token before 6.50", "Training bits/token",
    ] {
      #expect(priors.contains(words), "\(words)")
    }
    let runs = try section("runs")
    #expect(runs.contains("Different settings of the tokenizers"))
    #expect(
      runs.contains("Different settings of the priors") && runs.contains("tokens.safetensors"))
    #expect(!html.contains("/home/somebody"), "the page names a folder of a machine")
    // What belongs to tokenizers says nothing of priors.
    for id in ["progress", "usage", "quantizer", "images"] {
      #expect(try !section(id).contains("prior-vq"), "\(id)")
    }
    let anchors = html.components(separatedBy: "<figure class=\"plot").dropFirst()
      .map { $0.components(separatedBy: "id=\"")[1].prefix { $0 != "\"" } }
    #expect(Set(anchors).count == anchors.count)
  }

  @Test("the page of priors alone")
  func pageAlone() {
    let html = SyntheticPriors.page(
      Comparison(entries: Array(SyntheticPriors.entries[2...4]), evaluationProtocol: nil)
    ).html
    for words in ["id=\"priors\"", "id=\"cosines\"", "id=\"protocol\"", "samples of prior-vq"] {
      #expect(html.contains(words), "\(words)")
    }
    for words in ["id=\"rates\"", "id=\"progress\"", "id=\"usage\"", "id=\"images\""] {
      #expect(!html.contains(words), "\(words)")
    }
  }

  private static func object(_ value: JSONValue?) throws -> JSONObject {
    guard case .object(let object)? = value else { throw NotAnObject() }
    return object
  }

  private struct NotAnObject: Error {}
}
