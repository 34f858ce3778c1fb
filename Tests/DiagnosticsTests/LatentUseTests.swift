import Diagnostics
import Testing

/// What latents carry that are not quantized, and when that is a collapse.
struct LatentUseTests {
  @Test func sumsAreMeansOverVectors() throws {
    var sums = LatentSums(channels: 2)
    sums.add([1, 10, 3, 10], divergences: [0.5, 0.001, 1.5, 0.003])
    sums.add([5, 10, 7, 10], divergences: [2.5, 0, 3.5, 0])
    let use = sums.use(images: 2)
    #expect(use.vectorsPerImage == 2 && use.channels == 2)
    let nats = try #require(use.klByChannel)
    #expect(abs(nats[0] - 2) < 1e-6 && abs(nats[1] - 0.001) < 1e-6)
    #expect(abs(try #require(use.kl) - 4.002) < 1e-6)
    #expect(abs(use.deviations[0] - 5.0.squareRoot()) < 1e-6 && use.deviations[1] == 0)
    #expect(use.deadChannels == [1] && !use.hasCollapsed)
    #expect(use.deadWords == "channel 1 is dead")

    var plain = LatentSums(channels: 2)
    plain.add([1, 10, 3, 10], divergences: [])
    #expect(plain.use(images: 1).klByChannel == nil && plain.use(images: 1).kl == nil)
    #expect(plain.use(images: 1).deadChannels == [1])
  }

  @Test(
    arguments: [
      ([0.02, 1, 1, 1], [], false), ([0.009, 1, 1, 1], [0], false), ([0, 0, 1, 1], [0, 1], false),
      ([0, 0, 0, 1], [0, 1, 2], true), ([0.001], [0], true),
      ([Double.nan, 0, 0], [0, 1, 2], true),
    ] as [([Double], [Int], Bool)])
  func mostChannelsMakeACollapse(_ nats: [Double], _ dead: [Int], _ collapses: Bool) {
    let use = LatentUse(
      klByChannel: nats, deviations: nats.map { _ in 1 }, vectorsPerImage: 64)
    #expect(use.deadChannels == dead)
    #expect(use.hasCollapsed == collapses)
    let warning = use.warning(remedy: "use a smaller quantizer.weight")
    #expect((warning != nil) == collapses)
    if let warning {
      #expect(warning.hasPrefix("posterior collapse: \(dead.count) of \(nats.count) channels"))
      #expect(warning.hasSuffix("; use a smaller quantizer.weight"))
    }
  }

  @Test func withoutDistributionsTheWidestChannelIsTheMeasure() {
    let use = LatentUse(klByChannel: nil, deviations: [2, 0.03, 0.02, 0], vectorsPerImage: 1)
    #expect(use.deadChannels == [2, 3] && !use.hasCollapsed)
    #expect(use.deadWords == "channels 2 and 3 are dead")
  }

  private func evidence(_ use: LatentUse, rank: Double = 3) -> HealthEvidence {
    HealthEvidence(
      codes: 0, ids: 0, used: 0, perplexity: 1,
      latents: VectorSpread(
        length: 1, deviation: 1, variances: Array(repeating: 0.25, count: use.channels),
        effectiveRank: rank),
      bottleneck: .continuous(use), psnr: 25, baselinePSNR: 15, steps: 1000, plannedSteps: 1000,
      evaluations: [])
  }

  @Test func verdictsOfContinuousLatents() throws {
    func use(_ nats: [Double]) -> LatentUse {
      LatentUse(klByChannel: nats, deviations: [1, 1, 1, 1], vectorsPerImage: 64)
    }
    let healthy = CodebookHealth(judging: evidence(use([1, 2, 3, 4])))
    #expect(healthy.verdict == .healthy && healthy.remarks.isEmpty)
    let partly = CodebookHealth(judging: evidence(use([1, 0.001, 3, 4])))
    #expect(partly.verdict == .healthy)
    #expect(try #require(partly.remarks.first).hasPrefix("channel 1 is dead: less than 0.01 nats"))
    let collapsed = CodebookHealth(judging: evidence(use([0, 0.001, 0.002, 4])))
    #expect(collapsed.verdict == .posteriorCollapse && collapsed.remarks.isEmpty)
    #expect(
      collapsed.findings[0].reason
        == "3 of 4 channels tell less than 0.01 nats a latent vector (at most 0.002)")
    let line = CodebookHealth(judging: evidence(use([1, 2, 3, 4]), rank: 1.05))
    #expect(line.verdict == .embeddingCollapse)
    #expect(line.findings[0].reason.hasPrefix("the latents lie nearly on a line"))
  }

  @Test func theOnsetIsThatOfTheShareOfDeadChannels() throws {
    let onset = CollapseOnset(
      [
        .deadChannels: [(50, 0), (100, 0.25), (150, 0.75), (200, 1), (250, 1)].map { ($0.0, $0.1) }
      ],
      channels: 4)
    let collapse = try #require(onset.collapse)
    #expect(collapse.diagnostic == .deadChannels && collapse.step == 150)
    #expect(onset.words == "the share of dead channels rose above a half at step 150")
    let none = CollapseOnset([.deadChannels: [(50, 1), (100, 0.25), (150, 0.25)]], channels: 4)
    #expect(none.collapse == nil)
  }
}
