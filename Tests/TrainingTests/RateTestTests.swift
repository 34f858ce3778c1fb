import Foundation
import Testing

import Training

@Suite("The learning-rate range test")
struct RateTestTests {
  /// A test of gradient descent on a quadratic whose steepest direction has the given curvature: it
  /// diverges beyond a rate of 2 / curvature.
  private func quadratic(_ curvature: Double, noise: Double = 0, floor: Double = 0.01) -> RateTest {
    var test = RateTest(range: 1e-7...1, steps: 150)
    var x = [1.0, 1.0]
    let curvatures = [curvature, curvature / 10]
    var seed = UInt64(7)
    while test.goesOn {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let random = Double(seed >> 11) * 0x1p-53 - 0.5
      let loss = zip(x, curvatures).reduce(floor) { $0 + 0.5 * $1.1 * $1.0 * $1.0 }
      let rate = test.rate(ofStep: test.points.count)
      test.record(loss: loss * (1 + noise * random))
      for index in x.indices { x[index] -= rate * curvatures[index] * x[index] }
    }
    return test
  }

  @Test(
    "on a quadratic it suggests a rate below the limit of stability, and near it",
    arguments: [3.0, 10, 100, 1000], [0, 0.2])
  func suggestion(curvature: Double, noise: Double) throws {
    let test = quadratic(curvature, noise: noise)
    let suggestion = try #require(test.suggestion)
    let limit = 2 / curvature
    #expect(suggestion < limit && suggestion > limit / 300, "\(suggestion), \(limit)")
    // Flatter ones have converged by then, and rates end at 1 before they diverge visibly.
    if curvature >= 100 {
      let divergence = try #require(test.divergence)
      #expect(divergence > limit / 3 && suggestion <= divergence / 10)
    }
  }

  @Test("rates rise exponentially from the first to the last")
  func rates() {
    let test = RateTest(range: 1e-6...1e-2, steps: 5)
    for (step, rate) in [1e-6, 1e-5, 1e-4, 1e-3, 1e-2].enumerated() {
      #expect(abs(test.rate(ofStep: step) / rate - 1) < 1e-9)
    }
  }

  @Test("a loss that is no number ends the test; one that never moves suggests nothing")
  func ends() {
    var broken = RateTest(range: 1e-7...1, steps: 50)
    for _ in 0..<20 { broken.record(loss: 1) }
    broken.record(loss: .nan)
    #expect(!broken.goesOn && broken.points.count == 20)
    #expect(broken.divergence == broken.rate(ofStep: 20))
    #expect(broken.suggestion == broken.divergence! / 10)
    var flat = RateTest(range: 1e-7...1, steps: 50)
    while flat.goesOn { flat.record(loss: 1) }
    #expect(flat.points.count == 50 && flat.suggestion == nil && flat.divergence == nil)
    #expect(flat.json.contains("\"suggestion\":null") || flat.json.contains("\"suggestion\": null"))
  }

  @Test(
    "a small network: every quantizer and optimizer, nothing saved",
    arguments: [
      "fsq", "vq", "cosine-vq", "simvq", "lfq", "bsq", "product-ema", "residual-revived",
      "deferred",
    ])
  func network(kind: String) throws {
    let small = try SmallRun()
    let run = SmallRun.configuration(kind, data: small.data, steps: 10)
    let folder = small.folder("run")
    let test = try SmallRun.trainer(run, in: folder).findRate(steps: 60)
    #expect(test.points.count > 20)
    #expect(test.points.allSatisfy { $0.loss.isFinite })
    if let suggestion = test.suggestion { #expect(suggestion > 1e-7 && suggestion <= 1) }
    #expect(!FileManager.default.fileExists(atPath: folder))
  }
}
