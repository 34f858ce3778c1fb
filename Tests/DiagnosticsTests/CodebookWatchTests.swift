import Diagnostics
import Evaluation
import Foundation
import Testing

@Suite("Watching codebook and loss")
struct CodebookWatchTests {
  static let codes = 1024
  static let tokens = 4096

  /// The warnings of a run whose usage, relative to uniform sampling, is a function of the step; batches
  /// scatter by a tenth.
  static func warnings(
    steps: Int, codes: Int = codes, tokens: Int = tokens, scatter: Double = 0.1,
    seed: Int = 3, _ level: (Double) -> Double
  ) -> [String?] {
    var (random, watch) = (SeededNumbers(seed), CodebookWatch())
    let expected =
      CodebookUsage.expectedUniformUsage(codes: codes, ids: tokens) * Double(codes)
    return (1...steps).map { step in
      let used = level(Double(step)) * expected * (1 + scatter * random.normal())
      return watch.record(
        step: step, used: max(1, min(codes, Int(used.rounded()))), ids: tokens, codes: codes)
    }
  }

  @Test("healthy runs: nothing is said")
  func healthy() {
    let levels: [(Double) -> Double] = [
      // As measured: FSQ dips while the encoder leaves its start, then rises.
      { 0.62 - 0.25 * exp(-pow(($0 - 20) / 12, 2)) },
      // A few codes at first, then more and more, quickly or slowly.
      { 0.02 + 0.7 * (1 - exp(-$0 / 200)) },
      { 0.02 * exp($0 / 500) },
      { 0.03 * exp($0 / 1000) },
      // Low, as images of few kinds are.
      { _ in 0.15 },
      // Codes drawn from the encoder's first outputs, which then moves away from them.
      { 0.3 + 0.6 * exp(-$0 / 15) },
      // A gentle fall well above the limits.
      { 0.9 - 0.6 * $0 / 1500 },
    ]
    for (row, level) in levels.enumerated() {
      for seed in 0..<20 {
        let said = Self.warnings(steps: 1500, seed: seed, level).compactMap { $0 }
        #expect(said.count == 0, "\(row), \(seed): \(said.count), \(said.first ?? "")")
      }
    }
  }

  @Test("an untrained start may do anything")
  func start() {
    #expect(Self.warnings(steps: 50) { _ in 0.001 }.allSatisfy { $0 == nil })
    // Never used: 300 steps more. Used at first, and no longer: 100.
    let never = Self.warnings(steps: 350) { _ in 0.01 }
    #expect(never[..<349].allSatisfy { $0 == nil } && never[349] != nil)
    let once = Self.warnings(steps: 150) { $0 == 1 ? 0.9 : 0.01 }
    #expect(once[..<149].allSatisfy { $0 == nil } && once[149] != nil)
  }

  @Test("few codes that do not become more are a collapse, and it is said at every step")
  func collapsed() {
    let said = Self.warnings(steps: 1000, scatter: 0.03) { _ in 0.012 }
    #expect(said[349...].allSatisfy { $0 == "codebook collapsed: 12 of 1024 codes" })
    // 15 codes that become 19.
    let more = Self.warnings(steps: 1000, scatter: 0.03) { $0 < 400 ? 0.015 : 0.0187 }
    #expect(more[349...].allSatisfy { $0?.hasPrefix("codebook collapsed: ") == true })
  }

  @Test("a fall is told while it happens, then its end")
  func collapsing() throws {
    let said = Self.warnings(steps: 1000) {
      $0 < 300 ? 0.6 : max(0.01, 0.6 * exp(-($0 - 300) / 100))
    }
    #expect(said[..<350].allSatisfy { $0 == nil })
    let first = try #require(said.firstIndex { $0 != nil })
    #expect(first < 450)
    let words = try #require(said[first])
    #expect(words.hasPrefix("codebook collapsing: 2") && words.hasSuffix(" of 1024 codes, falling"))
    #expect(said[first...].allSatisfy { $0 != nil })
    #expect(try #require(said[999]).hasPrefix("codebook collapsed: 1"))
  }

  @Test("a long slow fall is told by where it came from")
  func slowFall() throws {
    let said = Self.warnings(steps: 3000) { 0.6 - 0.4 * $0 / 3000 }
    #expect(said[..<2000].allSatisfy { $0 == nil })
    let words = try #require(said[2999])
    #expect(words.hasPrefix("codebook collapsing: 2") && words.contains(", down from 6"))
  }

  @Test("as measured: a codebook of encoder outputs that comes to nothing within 150 steps")
  func measured() {
    let said = Self.warnings(steps: 400) { 0.065 + 0.9 * exp(-$0 / 14) + 0.07 * exp(-$0 / 80) }
    #expect(said[..<60].allSatisfy { $0 == nil })
    #expect(said[59..<150].contains { $0?.hasSuffix("falling") == true })
    #expect(said[160...].allSatisfy { $0?.hasPrefix("codebook collapsed") == true })
  }

  @Test("quiet again when it recovers, and once is enough")
  func recovery() throws {
    let said = Self.warnings(steps: 1500) {
      $0 < 500 ? 0.6 : $0 < 800 ? 0.05 : min(0.5, 0.05 * exp(($0 - 800) / 60))
    }
    #expect(said[700] != nil)
    #expect(said[1000...].allSatisfy { $0 == nil })
    let changes = zip(said, said.dropFirst()).count { ($0 == nil) != ($1 == nil) }
    #expect(changes == 2)
  }

  @Test("as many tokens as a batch has: few tokens are no collapse")
  func fewTokens() {
    #expect(
      Self.warnings(steps: 600, codes: 16384, tokens: 512) { _ in 0.7 }.allSatisfy { $0 == nil })
    var watch = CodebookWatch()
    #expect(watch.record(step: 100, used: 0, ids: 0, codes: 5) == nil && watch.warning == nil)
  }

  @Test("a loss that doubles is told, and its recovery")
  func loss() {
    var (watch, random) = (LossWatch(), SeededNumbers(2))
    var said: [String?] = []
    for step in 1...1000 {
      let level =
        step < 30 ? 0.01 : step < 500 ? 1 / Double(step).squareRoot() : step < 600 ? 0.5 : 0.05
      let loss = level * (1 + 0.3 * Double.random(in: -1...1, using: &random))
      said.append(watch.record(step: step, loss: step == 550 ? .nan : loss))
    }
    #expect(said[..<499].allSatisfy { $0 == nil })
    #expect(said[510..<599].allSatisfy { $0?.hasPrefix("loss diverging: 0.") == true })
    #expect(said[650...].allSatisfy { $0 == nil })
  }

  @Test("a loss of zero or none is no reason")
  func zeroLoss() {
    var watch = LossWatch()
    #expect(watch.warning == nil)
    for step in 1...200 { #expect(watch.record(step: step, loss: step < 150 ? 0 : 1) == nil) }
  }

  @Test("states continue bit for bit")
  func states() throws {
    var random = SeededNumbers(1)
    var (codebook, loss) = (CodebookWatch(), LossWatch())
    var spoke = 0
    for step in 1...500 {
      var codebookParts = try #require(CodebookWatch(state: codebook.state))
      var lossParts = try #require(LossWatch(state: loss.state))
      #expect(codebookParts == codebook && lossParts == loss)
      #expect(codebookParts.warning == codebook.warning)
      let used = step < 200 ? 700 : Int.random(in: 10..<60, using: &random)
      let value = Double.random(in: 0...1, using: &random) + (step > 300 ? 4 : 0)
      let said = codebook.record(step: step, used: used, ids: 4096, codes: 1024)
      #expect(codebookParts.record(step: step, used: used, ids: 4096, codes: 1024) == said)
      #expect(lossParts.record(step: step, loss: value) == loss.record(step: step, loss: value))
      #expect(codebookParts.state.map(\.bitPattern) == codebook.state.map(\.bitPattern))
      #expect(lossParts.state.map(\.bitPattern) == loss.state.map(\.bitPattern))
      if said != nil && loss.warning != nil { spoke += 1 }
    }
    #expect(spoke > 100)
    #expect(CodebookWatch(state: []) == nil && LossWatch(state: [1, 2]) == nil)
    #expect(CodebookWatch(state: [0, 0, 0, 0, 0, 0, 1, 1, 1, 7, 1, 1]) == nil)
  }
}
