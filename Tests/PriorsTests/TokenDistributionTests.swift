import Foundation
import Priors
import Testing

/// How ids are drawn from logits.
struct TokenDistributionTests {
  private func probabilities(
    _ logits: [Float], none: [Float]? = nil, _ options: SamplingOptions = SamplingOptions()
  ) -> [Double] {
    var distribution = TokenDistribution(codes: logits.count)
    if let none {
      distribution.set(logits, none: none, options)
    } else {
      distribution.set(logits, options)
    }
    return logits.indices.map { distribution.probability(of: Int32($0)) }
  }

  /// The softmax of numbers, obviously.
  private func softmax(_ logits: [Double]) -> [Double] {
    let weights = logits.map { exp($0 - logits.max()!) }
    return weights.map { $0 / weights.reduce(0, +) }
  }

  private func expectClose(_ a: [Double], _ b: [Double]) {
    #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-14 }, "\(a), not \(b)")
  }

  @Test func withoutOptionsItIsTheSoftmax() {
    expectClose(probabilities([1, -2, 0.5, 30]), softmax([1, -2, 0.5, 30]))
    expectClose(probabilities([-1000, 0]), [0, 1])
    expectClose(probabilities([3]), [1])
  }

  @Test func temperatureDividesLogits() {
    expectClose(
      probabilities([1, -2, 0.5], SamplingOptions(temperature: 0.5)), softmax([2, -4, 1]))
  }

  @Test func guidancePushesAwayFromNone() {
    expectClose(
      probabilities([1, 0, 2], none: [0.5, 0.5, 0], SamplingOptions(guidance: 3)),
      softmax([0.5 + 1.5, 0.5 - 1.5, 6]))
  }

  @Test func topKLeavesTheLikeliest() {
    let three = softmax([4, 3, 2])
    expectClose(
      probabilities([2, 4, 1, 3], SamplingOptions(topK: 3)), [three[2], three[0], 0, three[1]])
    // Of equals the lowest id.
    expectClose(probabilities([1, 2, 2, 2], SamplingOptions(topK: 2)), [0, 0.5, 0.5, 0])
    expectClose(probabilities([1, 2], SamplingOptions(topK: 5)), softmax([1, 2]))
  }

  @Test func topPLeavesTheFewestThatAreLikelyEnough() {
    let logits = [0.5, 0.3, 0.15, 0.05].map { Float(log($0)) }
    let kept = probabilities(logits, SamplingOptions(topP: 0.79))
    #expect(abs(kept[0] - 0.625) < 1e-6 && abs(kept[1] - 0.375) < 1e-6 && kept[2...] == [0, 0])
    #expect(probabilities(logits, SamplingOptions(topP: 1e-9)) == [1, 0, 0, 0])
    let all = probabilities(logits, SamplingOptions(topP: 0.9999999))
    #expect(abs(all[3] - 0.05) < 1e-6)
    // After top-k, of what that left.
    let both = probabilities(logits, SamplingOptions(topK: 2, topP: 0.6))
    #expect(both == [1, 0, 0, 0])
  }

  @Test func idsLieAsTheirProbabilities() {
    var distribution = TokenDistribution(codes: 4)
    distribution.set([0, -.infinity, Float(log(2.0)), 0])
    let ids = (0..<1000).map { distribution.id(at: (Double($0) + 0.5) / 1000) }
    #expect([0, 1, 2, 3].map { id in ids.count { $0 == id } } == [250, 0, 500, 250])
    #expect(ids == ids.sorted())
    #expect(distribution.id(at: 0.999_999_999_999_999_9) == 3)
  }

  /// The exponential of its own is that of the library to the last digits.
  @Test func exponentialIsAccurate() {
    for index in 0...2000 {
      let x = -Double(index) * 0.3455
      var distribution = TokenDistribution(codes: 2)
      distribution.set([0, Float(x)])
      let expected = exp(Double(Float(x)))
      let ratio = distribution.probability(of: 1) / distribution.probability(of: 0)
      #expect(abs(ratio - expected) <= 2e-15 * expected + 1e-304, "e^\(x)")
    }
  }

  /// Nats, bits and perplexity of two ids, and the bits of 64 of them for a value of 32x32x3 pixels.
  @Test func bitsAreThoseOfTheProbabilities() {
    let (probabilities, targets) = ([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], [0, 1])
    var nats = 0.0
    for (row, target) in zip(probabilities, targets) {
      var distribution = TokenDistribution(codes: 3)
      distribution.set(row.map { Float(log($0)) })
      nats -= log(distribution.probability(of: Int32(target))) / 2
    }
    #expect(abs(nats - 0.458145365937) < 1e-7)
    #expect(abs(nats / M_LN2 - 0.660964047444) < 1e-7)
    #expect(abs(exp(nats) - 1.58113883008) < 1e-7)
    #expect(abs(nats / M_LN2 * 64 / (32 * 32 * 3) - 0.0137700843217) < 1e-9)
  }

  // MARK: Range coding

  /// What is written is read, and takes the bits that the probabilities say.
  @Test(arguments: [1, 2, 3, 1000, 65_536])
  func codesRoundTripInTheirBits(_ codes: Int) {
    var state: UInt64 = 1
    func random() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 11) / Double(1 << 53)
    }
    let count = codes > 10_000 ? 40 : 400
    var (encoder, bits) = (RangeEncoder(), 0.0)
    var distribution = TokenDistribution(codes: codes)
    var ids: [Int32] = []
    let logits = (0..<count).map { step in
      // Some sharp, some flat, some where one id has all but the least.
      (0..<codes).map { id in
        Float(random() * [8, 0.1, 40][step % 3]) + (step % 7 == 6 && id == step % codes ? 100 : 0)
      }
    }
    for (step, logits) in logits.enumerated() {
      distribution.set(logits)
      // Unlikely ids too.
      let id = step % 5 == 4 ? Int32(step % codes) : distribution.id(at: random())
      let sums = distribution.wholeSums()
      #expect(zip(sums, sums.dropFirst()).allSatisfy { $0 < $1 })
      encoder.encode(
        start: sums[Int(id)], end: sums[Int(id) + 1], total: sums[codes])
      bits -= log2(Double(sums[Int(id) + 1] - sums[Int(id)]) / Double(sums[codes]))
      ids.append(id)
    }
    let bytes = encoder.finish()
    #expect(Double(bytes.count * 8) < bits + 17 && Double(bytes.count * 8) > bits - 8)
    var decoder = RangeDecoder(bytes[...])
    for (step, logits) in logits.enumerated() {
      distribution.set(logits)
      #expect(decoder.decode(distribution.wholeSums()) == ids[step], "step \(step)")
    }
  }

  /// Carries run through bytes of all ones that were kept back.
  @Test func carriesAreKept() {
    for first in [UInt32(0), 1, 254, 255] {
      for last in [UInt32(0), 127, 255] {
        var encoder = RangeEncoder()
        let symbols = [first] + Array(repeating: UInt32(255), count: 40) + [last, 0, 255, last]
        for symbol in symbols { encoder.encode(start: symbol, end: symbol + 1, total: 256) }
        // Shares that are no power of two, so that the interval crosses bounds of bytes.
        for symbol in symbols {
          encoder.encode(start: symbol, end: symbol + 1, total: 257)
        }
        let bytes = encoder.finish()
        var decoder = RangeDecoder(bytes[...])
        let sums = (0...256).map(UInt32.init)
        #expect(symbols.allSatisfy { decoder.decode(sums) == Int32($0) })
        #expect(symbols.allSatisfy { decoder.decode(sums + [257]) == Int32($0) })
      }
    }
  }
}
