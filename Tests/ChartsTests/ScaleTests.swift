import Charts
import Testing

@Suite("Scales")
struct ScaleTests {
  @Test("a linear scale has its ends at 0 and 1, and no place for what is no number")
  func linear() {
    let scale = Scale(.linear, from: 10, to: 30)
    #expect(scale.position(10) == 0 && scale.position(30) == 1 && scale.position(15) == 0.25)
    #expect(scale.position(.nan).isNaN && scale.position(.infinity).isNaN)
  }

  @Test("on a logarithmic scale equal ratios are equal distances; zero has no place")
  func logarithmic() {
    let scale = Scale(.logarithmic, from: 0.01, to: 100)
    #expect(abs(scale.position(1) - 0.5) < 1e-12)
    #expect(abs(scale.position(10) - 0.75) < 1e-12)
    #expect(scale.position(0).isNaN && scale.position(-1).isNaN)
  }

  @Test(
    "ticks are round numbers within the ends",
    arguments: [
      (0.0, 300.0, 6, ["0", "100", "200", "300"]),
      (0, 1, 6, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
      (-1, 1, 5, ["-1.0", "-0.5", "0", "0.5", "1.0"]),
      (16, 24, 6, ["16", "18", "20", "22", "24"]),
      (0, 100_000, 6, ["0", "20k", "40k", "60k", "80k", "100k"]),
      (0, 2000, 5, ["0", "500", "1,000", "1,500", "2,000"]),
      (0, 0.00004, 5, ["0", "1e-5", "2e-5", "3e-5", "4e-5"]),
    ])
  func ticks(lower: Double, upper: Double, count: Int, labels: [String]) {
    let scale = Scale(.linear, from: lower, to: upper)
    #expect(scale.ticks(atMost: count).map(\.label) == labels)
  }

  @Test(
    "logarithmic ticks: 1, 2, 5 over one decade, powers of ten over many, every other over more",
    arguments: [
      (0.5, 20.0, ["0.5", "1", "2", "5", "10", "20"]),
      (0.01, 100, ["0.01", "0.1", "1", "10", "100"]),
      (
        1e-8, 1e4,
        ["1e-8", "1e-6", "1e-4", "0.01", "1", "100", "10k"]
      ),
      (10, 30, ["10", "15", "20", "25", "30"]),
    ])
  func logarithmicTicks(lower: Double, upper: Double, labels: [String]) {
    #expect(Scale(.logarithmic, from: lower, to: upper).ticks(atMost: 7).map(\.label) == labels)
  }

  @Test("never more ticks than asked for, never none, all within the ends")
  func tickCounts() {
    for kind in [Scale.Kind.linear, .logarithmic] {
      for exponent in -9...9 {
        for factor in [1.0001, 1.3, 2, 3.7, 10, 99, 1e3, 1e7, 1e12] {
          let low = 1.7 * Double(sign: .plus, exponent: exponent * 3, significand: 1)
          let scale = Scale(kind, from: low, to: low * factor)
          let ticks = scale.ticks(atMost: 6)
          #expect(!ticks.isEmpty && ticks.count <= 6, "\(kind) \(low) \(factor): \(ticks)")
          for tick in ticks {
            #expect((-1e-6...1.000001).contains(scale.position(tick.value)), "\(kind) \(tick)")
          }
          #expect(Set(ticks.map(\.value)).count == ticks.count)
        }
      }
    }
  }

  @Test("a scale around values reaches over them to ticks, and holds what it should include")
  func around() {
    let scale = Scale(.linear, around: [17.3, 23.1, .nan], including: [])
    #expect(scale.lower <= 17.3 && scale.lower >= 16 && scale.upper >= 23.1 && scale.upper <= 24)
    #expect(Scale(.linear, around: [3.0, 4], including: [0]).lower == 0)
    let log = Scale(.logarithmic, around: [0.03, 7, 0, -4])
    #expect(abs(log.lower - 0.02) < 1e-12 && abs(log.upper - 10) < 1e-9)
  }

  @Test("no values, one value, reversed or impossible ends: a scale that can be drawn all the same")
  func degenerate() {
    let scales = [
      Scale(.linear, around: [Double]()), Scale(.linear, around: [5.0]),
      Scale(.linear, around: [0.0]), Scale(.logarithmic, around: [0.0, -1]),
      Scale(.logarithmic, around: [2.0]), Scale(.linear, from: 3, to: 1),
      Scale(.logarithmic, from: 0, to: 10), Scale(.linear, from: .nan, to: 1),
    ]
    for scale in scales {
      #expect(scale.lower.isFinite && scale.upper.isFinite && scale.lower < scale.upper)
      #expect(!scale.ticks(atMost: 5).isEmpty, "\(scale)")
    }
  }
}
