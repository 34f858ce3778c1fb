import Autodiff
import Execution
import Foundation
import TestSupport
import Testing
import Tokenizers

/// Finite scalar quantization on numbers worked out by hand.
struct FiniteScalarFactsTests {
  struct Outcome {
    var codes: [Float]
    var tokens: [Float]
    var gradient: [Float]
    /// What the codes of the tokens are, on the decoder's way.
    var decoded: [Float]
  }

  /// Quantizes one row of vectors and weighs the codes by `upstream`.
  static func quantize(
    _ z: [Float], levels: [Int], _ bound: FiniteScalarConfiguration.Bound, upstream: [Float]
  ) -> Outcome {
    let graph = Graph()
    let quantizer = FiniteScalarQuantizer(FiniteScalarConfiguration(levels: levels, bound: bound))
    let shape: Shape = [z.count / levels.count, levels.count]
    let vectors = graph.input("z", shape)
    let quantized = quantizer.quantize(vectors)
    let loss = (quantized.codes * graph.input("g", shape)).sum()
    let gradient = graph.differentiate(loss, withRespectTo: [vectors])[0]
    let results = GraphRun(
      graph,
      outputs: [
        "codes": quantized.codes, "tokens": quantized.indices, "gradient": gradient,
        "decoded": quantizer.codes(of: quantized.indices),
      ]
    ).run(["z": z, "g": upstream])
    return Outcome(
      codes: results["codes"]!, tokens: results["tokens"]!, gradient: results["gradient"]!,
      decoded: results["decoded"]!)
  }

  /// The sigmoid form: levels 2, 2, 4, 2 make 2 + 2 * 8 + 4 * 40 + 2 * 200 = 578.
  @Test func sigmoidForm() {
    let outcome = Self.quantize(
      [-1.2, 0.3, 2.0, -0.4], levels: [8, 5, 5, 5], .sigmoid, upstream: [0.5, -1, 0.25, 2])
    #expect(outcome.tokens == [578])
    #expect(largestDifference(outcome.codes, [-0.428571428571, 0, 1, 0]) < 1e-6)
    let gradient: [Float] = [0.177894440647, -0.488916623381, 0.0524967927018, 0.961042982966]
    #expect(largestDifference(outcome.gradient, gradient) < 1e-6)
    #expect(outcome.decoded == outcome.codes)
  }

  /// The paper's form, on the example of its notebook.
  @Test func tanhForm() {
    let outcome = Self.quantize(
      [0.25, 0.6, -7], levels: [3, 5, 4], .tanh, upstream: [1, 1, 1])
    #expect(outcome.tokens == [10])
    #expect(outcome.codes == [0, 0.5, -1])
    let gradient: [Float] = [0.939074833958, 0.710866184825, 4.98470162431e-6]
    #expect(largestDifference(outcome.gradient, gradient) < 1e-6)
    #expect(outcome.decoded == outcome.codes)
  }

  /// Token 437 is digits 5, 4, 0, 2, channel 0 least significant.
  @Test func tokensAreDigits() {
    let graph = Graph()
    let tokens = graph.input("tokens", [3], type: .index)
    let tanh = FiniteScalarQuantizer(FiniteScalarConfiguration(levels: [8, 5, 5, 5]))
    let sigmoid = FiniteScalarQuantizer(
      FiniteScalarConfiguration(levels: [8, 5, 5, 5], bound: .sigmoid))
    let results = GraphRun(
      graph, outputs: ["tanh": tanh.codes(of: tokens), "sigmoid": sigmoid.codes(of: tokens)]
    ).run(["tokens": [437, 0, 999]])
    #expect(results["tanh"] == [0.25, 1, -1, 0, -1, -1, -1, -1, 0.75, 1, 1, 1])
    let expected: [Float] = [3.0 / 7, 1, -1, 0, -1, -1, -1, -1, 1, 1, 1, 1]
    #expect(largestDifference(results["sigmoid"]!, expected) < 1e-6)
  }

  @Test(arguments: [
    ([5, 3], 15, 3.90689059561), ([8, 8], 64, 6), ([8, 6, 5], 240, 7.90689059561),
    ([8, 8, 8], 512, 9), ([8, 5, 5, 5], 1000, 9.96578428466),
    ([8, 8, 6, 5], 1920, 10.9068905956), ([7, 5, 5, 5, 5], 4375, 12.0950673016),
    ([8, 8, 8, 6, 5], 15360, 13.9068905956), ([8, 8, 8, 5, 5, 5], 64000, 15.9657842847),
  ])
  func recommendedLevels(_ levels: [Int], _ size: Int, _ bits: Double) {
    let quantizer = FiniteScalarConfiguration(levels: levels)
    #expect(quantizer.codebookSize == size)
    #expect(abs(log2(Double(quantizer.codebookSize)) - bits) < 1e-9)
  }

  /// At z = 0 an even number of levels sits on a tie of the sigmoid form: it goes to even.
  @Test func tiesGoToEven() {
    let zero = Self.quantize(
      [0, 0, 0, 0], levels: [5, 6, 7, 8], .sigmoid, upstream: [1, 1, 1, 1])
    // Digits 2, 2, 3, 4: 2 + 2 * 5 + 3 * 30 + 4 * 210.
    #expect(zero.tokens == [942])
    let own = Self.quantize(
      [-3, -0.5, 0.2, 4, 0, 0, 0, 0], levels: [6, 6, 6, 6], .sigmoid,
      upstream: Array(repeating: 1, count: 8))
    #expect(own.tokens == [1200, 518])
    let code: [Float] = [-1, -0.2, 0.2, 1, -0.2, -0.2, -0.2, -0.2]
    #expect(largestDifference(own.codes, code) < 1e-6)
  }

  /// The tangent in the paper's shift leaves zero a little below the middle level.
  @Test func zeroOfTheTanhForm() {
    let graph = Graph()
    let z = graph.input("z", [1, 3])
    let bounded = z.bounded(toLevels: [4, 6, 8], .tanh)
    let results = GraphRun(graph, outputs: ["bounded": bounded]).run(["z": [0, 0, 0]])
    let expected: [Float] = [2 - 0.000428508489778, 3 - 5.42629039303e-5, 4 - 1.4033813193e-5]
    #expect(largestDifference(results["bounded"]!, expected) < 1e-6)
    let outcome = Self.quantize([0, 0, 0], levels: [4, 6, 8], .tanh, upstream: [1, 1, 1])
    #expect(outcome.codes == [0, 0, 0])
  }

  /// A standard normal channel fills the levels of iFSQ evenly, but for the halved ends; by the
  /// plain logistic function it crowds in the middle.
  @Test(arguments: [5, 9])
  func occupancyOfLevelsByANormalChannel(_ levels: Int) {
    let count = 20_000
    // Quantiles of the normal distribution, by bisection of its distribution function.
    let z = (0..<count).map { index -> Float in
      let share = (Double(index) + 0.5) / Double(count)
      var (low, high) = (-6.0, 6.0)
      for _ in 0..<40 {
        let middle = (low + high) / 2
        if erfc(-middle / 2.0.squareRoot()) / 2 < share { low = middle } else { high = middle }
      }
      return Float(low)
    }
    func worst(_ bound: FiniteScalarConfiguration.Bound) -> Double {
      let tokens = Self.quantize(
        z, levels: [levels], bound, upstream: Array(repeating: 0, count: count)
      ).tokens
      return (0..<levels).map { level in
        let share = Double(tokens.filter { $0 == Float(level) }.count) / Double(count)
        let bins = level == 0 || level == levels - 1 ? 0.5 : 1
        return abs(share * Double(levels - 1) - bins)
      }.max()!
    }
    // In units of what an inner level should hold.
    #expect(worst(.ifsq) < 0.15)
    #expect(worst(.sigmoid) > 0.5)
  }

  /// iFSQ on the numbers of FSQ-1: 8 levels and 5, a channel each; the gradient is 2 / (L - 1) times
  /// 1.6 (L - 1) s (1 - s), with s = sigmoid(1.6 z).
  @Test func iFSQForm() {
    let (z, levels): ([Float], _) = ([-1.2, 0.3, 2.0, -0.4], [8, 5, 5, 5])
    let outcome = Self.quantize(z, levels: levels, .ifsq, upstream: [1, 1, 1, 1])
    let s: [Double] = z.map { 1 / (1 + exp(-1.6 * Double($0))) }
    #expect(outcome.tokens == [377])
    #expect(largestDifference(outcome.codes, [-5.0 / 7, 0, 1, -0.5]) < 1e-6)
    let slopes: [Float] = s.map { Float(3.2 * $0 * (1 - $0)) }
    #expect(largestDifference(outcome.gradient, slopes) < 1e-6)
    #expect(outcome.decoded == outcome.codes)
    // 0 is the middle of an odd number of levels, and between two of an even one: to even.
    let zero = Self.quantize([0, 0, 0], levels: [5, 7, 4], .ifsq, upstream: [1, 1, 1])
    #expect(zero.tokens == [87])
  }

  /// Where sigmoid(z) is uniform the end levels get half a bin each.
  @Test(arguments: [5, 8])
  func occupancyOfLevels(_ levels: Int) {
    let count = 14_000
    let z = (0..<count).map { index -> Float in
      let share = (Double(index) + 0.5) / Double(count)
      return Float(log(share / (1 - share)))
    }
    let outcome = Self.quantize(
      z, levels: [levels], .sigmoid, upstream: Array(repeating: 0, count: count))
    for level in 0..<levels {
      let share = Double(outcome.tokens.filter { $0 == Float(level) }.count) / Double(count)
      let bins = level == 0 || level == levels - 1 ? 0.5 : 1
      #expect(abs(share - bins / Double(levels - 1)) < 1e-3)
    }
  }
}
