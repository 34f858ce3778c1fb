import Files
import Configuration
import Diagnostics
import Evaluation
import Reports
import Testing

@Suite("Run histories")
struct RunHistoryTests {
  private static func history(_ text: String, upTo limit: Int = .max) -> RunHistory {
    RunHistory(journal: Array(text.utf8), upTo: limit)
  }

  @Test("numbers by kind and key, nested ones by path, in the order of the steps")
  func series() {
    let history = RunHistory(journal: SyntheticJournal.vector())
    #expect(history[.step, "loss"].steps == Array(stride(from: 10, through: 600, by: 10)))
    #expect(history[.quantizer, "lambda"].values.first == 0.9)
    #expect(history[.averageLoss, "bound1.max"].last == 20.0 / 600)
    #expect(history[.averages, "uniform+codebook.jensenGap"].last == 0.003)
    #expect(history[.cosines, "modules.encoder.cosine"].last == 0.6)
    #expect(history[.averageLoss, "monotone"].last == 1)
    #expect(history.text(.averageLoss, "label") == "proxy")
    #expect(history.reasons == ["AdamW is no plain gradient step"])
    #expect(history.tensors == SyntheticJournal.tensors && history.modules == ["encoder"])
    #expect(history.warnings.map(\.first) == [20] && history.warnings[0].text == "one <b> gradient")
    #expect(history.simpson.map(\.step) == [100, 200, 300, 400, 500, 600])
    #expect(
      history.keys(.evaluation).contains("psnr") && !history.keys(.evaluation).contains("step"))
  }

  @Test("consecutive warnings of a kind are one, and the last may go on")
  func warnings() {
    func step(_ step: Int, _ warning: String?) -> String {
      SyntheticJournal.line(
        "step", step, "\"loss\":1" + (warning.map { ",\"warning\":\"\($0)\"" } ?? ""))
    }
    let lines = [
      step(10, nil), step(20, "codebook collapsing: 87 of 1024 codes"),
      step(30, "codebook collapsing: 80 of 1024 codes"), step(40, nil),
      step(50, "codebook collapsing: 79 of 1024 codes"), step(60, "codebook collapsed: 76 codes"),
      step(70, "codebook collapsed: 70 codes"),
    ]
    let history = Self.history(lines.joined())
    #expect(
      history.warnings.map(\.words) == [
        "steps 20 to 30: codebook collapsing: 80 of 1024 codes",
        "step 50: codebook collapsing: 79 of 1024 codes",
        "from step 60 on: codebook collapsed: 70 codes",
      ])
  }

  @Test("starts and resumptions: machine, images, changed settings, where the weights come from")
  func sessions() throws {
    let text =
      SyntheticJournal.line(
        "run", 0,
        "\"time\":\"2026-11-29T08:00:00Z\",\"cores\":8,\"from\":{\"checkpoint\":\"a/b\",\"step\":7}"
      )
      + SyntheticJournal.line("step", 10, "\"loss\":1,\"imagesPerSecond\":16")
      + SyntheticJournal.line(
        "run", 10,
        "\"version\":\"2\",\"changes\":{\"training.batchSize\":[16,32],\"data.train\":[\"/x/y\",\"z\"]}"
      )
      + SyntheticJournal.line("step", 20, "\"loss\":1,\"imagesPerSecond\":16")
    let history = Self.history(text)
    #expect(history.sessions.map(\.step) == [0, 10])
    let (first, second) = (history.sessions[0], history.sessions[1])
    #expect(first.time == "2026-11-29T08:00:00Z" && first.numbers["cores"] == 8)
    #expect(first.origin.map(\.key) == ["checkpoint", "step"])
    #expect(first.origin.map(\.value) == ["a/b", "7"])
    #expect(
      second.version == "2" && second.changes.map(\.key) == ["training.batchSize", "data.train"])
    #expect(second.changes[0].old == "16" && second.changes[0].new == "32")
    // 10 steps of 16 images, then 10 of 32, at 16 images a second.
    let clock = RunClock(history, batchSize: 32, trainingImages: 100)
    #expect(clock.images.map(\.value) == [0, 160, 480])
    #expect(clock.epochs.last?.value == 4.8)
    let last = try #require(clock.hours.last)
    #expect(last.step == 20 && abs(last.value * 3600 - 30) < 1e-9)
  }

  @Test("seconds that the journal tells come before those from rates")
  func seconds() {
    let lines = (1...1000).map {
      SyntheticJournal.line(
        "step", $0 * 10, "\"loss\":1,\"imagesPerSecond\":1,\"seconds\":\($0 * 36)")
    }
    let clock = RunClock(Self.history(lines.joined()), batchSize: 4, trainingImages: nil)
    #expect(clock.hours.last?.value == 10 && clock.hours.count <= 160 && clock.epochs.isEmpty)
    #expect(RunClock(RunHistory(), batchSize: nil, trainingImages: nil).images.isEmpty)
  }

  @Test("lists: numbers, and NaN where null stands; FSQ's levels as rows")
  func lists() {
    let history = RunHistory(journal: SyntheticJournal.scalar())
    let cosines = history.lists(.cosines, "tensorCosines")
    #expect(cosines.map(\.step) == Array(stride(from: 50, through: 600, by: 50)))
    #expect(cosines[0].numbers.prefix(4) == [1, 0, 0.5, 0.25] && cosines[0].numbers[4].isNaN)
    #expect(history.levels == [[0.1, 0.4, 0.4, 0.1], [0.3, 0.4, 0.3]])
    #expect(history.lists(.codes, "saturation").last?.numbers == [0.01, 0.02])
  }

  @Test("what comes after the step of the weights does not count")
  func limit() {
    let history = RunHistory(journal: SyntheticJournal.vector(), upTo: 300)
    #expect(
      history[.step, "loss"].steps.last == 300 && history[.codes, "usedCodes"].steps.last == 300)
    #expect(history.lists(.cosines, "tensorCosines").last?.step == 300)
  }

  @Test("of many lines the lists of some are read, the last one among them")
  func manyLists() {
    let history = RunHistory(journal: SyntheticJournal.scalar(steps: 40_000))
    let steps = history.lists(.cosines, "tensorCosines").map(\.step)
    #expect(steps.count <= 145 && steps.count > 70 && steps.last == 40_000)
    #expect(history[.cosines, "cosine"].steps.count == 800)
  }

  @Test("a line that was cut at any byte is passed over, and hides no other")
  func cut() {
    let line =
      #"{"kind":"step","step":20,"loss":0.5,"a\u0041":{"b":[1,[2,"]"],null]},"w":"\"x\\","t":true}"#
    let before = #"{"kind":"step","step":10,"loss":1}"# + "\n"
    let after = "\n" + #"{"kind":"step","step":30,"loss":0.25}"#
    let whole = Self.history(before + line + after)
    #expect(whole[.step, "loss"].values == [1, 0.5, 0.25])
    #expect(whole.text(.step, "w") == "\"x\\")
    for count in 0..<line.utf8.count {
      let history = Self.history(before + String(line.prefix(count)) + after)
      #expect(history[.step, "loss"].values == [1, 0.25], "\(line.prefix(count))")
    }
    // Two lines run into one by a crash.
    #expect(Self.history(before + line.prefix(30) + line)[.step, "loss"].values == [1])
  }

  @Test(
    "oddities never crash",
    arguments: [
      "", "\n\n", "null", "[]", "{}", "{\"kind\":1,\"step\":2}", "{\"kind\":\"step\"}",
      "{\"kind\":\"step\",\"step\":-1,\"loss\":1}", "{\"kind\":\"step\",\"step\":1e300,\"loss\":1}",
      "{\"kind\":\"step\",\"step\":\"5\",\"loss\":1}", "{\"kind\":\"step\",\"step\":5,\"loss\":}",
      "{\"kind\":\"step\",\"step\":5,\"loss\":nan}", "{\"kind\":\"step\",\"step\":5,\"loss\":1}}",
      "{\"kind\":\"other\",\"step\":5,\"loss\":1}", "\u{FEFF}{}",
      "{\"kind\":\"step\",\"step\":5,\"loss\":1e999}",
      String(repeating: "{\"a\":", count: 10_000), String(repeating: "[", count: 100_000),
      "{\"kind\":\"tensors\",\"step\":5,\"names\":[1,{},\"a\"],\"modules\":3}",
    ])
  func oddities(text: String) {
    let history = Self.history(text)
    #expect(history[.step, "loss"].isEmpty)
    _ = history.keys(.tensors)
  }

  @Test("equal and falling steps: the later line of a step stays, in order")
  func disorder() {
    let lines = [(10, 1.0), (20, 2), (20, 3), (5, 4), (10, 5), (30, 6)].map { step, loss in
      SyntheticJournal.line("step", step, "\"loss\":\(loss)")
    }
    let series = Self.history(lines.joined())[.step, "loss"]
    #expect(series.steps == [5, 10, 20, 30] && series.values == [4, 5, 3, 6])
  }

  @Test("from parsed lines the same as from bytes")
  func parsed() throws {
    let text = String(decoding: SyntheticJournal.vector(), as: UTF8.self)
    let lines = try text.split(separator: "\n").map { line -> JSONObject in
      guard case .object(let object) = try JSONValue(parsing: String(line)) else {
        return JSONObject()
      }
      return object
    }
    let (a, b) = (RunHistory(lines: lines), RunHistory(journal: Array(text.utf8)))
    for kind in RunHistory.Kind.allCases {
      #expect(a.keys(kind) == b.keys(kind))
      for key in a.keys(kind) { #expect(a[kind, key] == b[kind, key]) }
    }
  }
}
