import Configuration
import Diagnostics
import Evaluation
import Files
import Foundation
import Testing
import Tokenizers
import Training

/// Training autoencoders whose latents are not quantized.
struct LatentTrainingTests {
  private func lines(_ folder: String, _ kind: String) -> [JSONObject] {
    Journal.lines(folder: folder).filter { $0["kind"] == .string(kind) }
  }

  @Test(arguments: ["kl", "none"])
  func theLogTellsOfLatentsAndOfNoCodes(_ kind: String) throws {
    let small = try SmallRun()
    var run = SmallRun.configuration(kind, data: small.data)
    run.monitor.diagnoseEvery = 2
    let (folder, recorder) = (small.folder("run"), Recorder())
    #expect(try SmallRun.train(run, in: folder, recorder: recorder) == .finished)

    let evaluation = try #require(lines(folder, "evaluation").last)
    for key in ["psnr", "ssim", "latentRank", "channels", "deadChannels", "deviationByChannel"] {
      #expect(evaluation[key] != nil, "\(key)")
    }
    for key in ["usage", "usedCodes", "codes", "tokens", "ids", "perplexity", "bitsPerPixel"] {
      #expect(evaluation[key] == nil, "\(key)")
    }
    #expect(lines(folder, "codes").isEmpty)
    let diagnosis = try #require(lines(folder, "quantizer").last)
    #expect(diagnosis["latentRank"] != nil && diagnosis["gradientRank"] != nil)
    #expect(diagnosis["codebookRank"] == nil && diagnosis["lambda"] == nil)
    let step = try #require(lines(folder, "step").last)
    #expect(step["usage"] == nil && step["tokens"] == nil)

    let result = try #require(recorder.evaluations.last).result
    let use = try #require(result.latentUse)
    #expect(result.bitsPerPixel == 0 && result.usage.codes == 0 && result.tokens == 0)
    #expect(use.channels == 3 && use.vectorsPerImage == 16)
    if kind == "kl" {
      let nats = try #require(evaluation["kl"]?.double)
      guard case .array(let channels)? = evaluation["klByChannel"] else {
        Issue.record("no klByChannel")
        return
      }
      let sum = channels.compactMap(\.double).reduce(0, +)
      #expect(channels.count == 3 && abs(nats - sum * 16) < 1e-3 * nats)
      #expect(try #require(step["kl"]?.double) > 0)
      // The loss of a step: its reconstruction and the weighted sum over H W 3.
      let loss = try #require(step["reconstruction"]?.double)
      let kl = try #require(step["kl"]?.double)
      #expect(abs(try #require(step["loss"]?.double) - loss - 0.01 * kl / 192) < 1e-5)
    } else {
      #expect(evaluation["kl"] == nil && use.klByChannel == nil)
    }
  }

  /// Noise is a function of seed, step and image: neither of threads nor of how lanes share a batch.
  @Test func noiseDependsOnTheSeedAlone() throws {
    let small = try SmallRun()
    func losses(seed: Int = 11, lanes: Int = 2, threads: Int = 2) throws -> [Double] {
      var run = SmallRun.configuration("kl", data: small.data, steps: 3)
      run.training.seed = seed
      run.training.lanes = lanes
      let recorder = Recorder()
      try SmallRun.train(
        run, in: small.folder("\(seed) \(lanes) \(threads)"), threads: threads, recorder: recorder)
      return recorder.reports.map(\.loss)
    }
    let one = try losses()
    #expect(try losses(threads: 1) == one)
    #expect(try losses(threads: 5) == one)
    for (a, b) in zip(try losses(lanes: 1), one) { #expect(abs(a - b) < 1e-5) }
    #expect(try losses(seed: 12) != one)
  }

  @Test func aPosteriorThatCollapsesIsWarnedOfAndStaysSo() throws {
    let small = try SmallRun()
    var run = SmallRun.configuration("kl", data: small.data, steps: 120)
    run.quantizer = .kl(KLConfiguration(channels: 3, weight: 1000))
    run.training.optimizer = .adamw(AdamWConfiguration(learningRate: 0.01))
    run.training.schedule = .constant(WarmupConfiguration())
    run.monitor.diagnoseEvery = 20
    let recorder = Recorder()
    let folder = small.folder("collapsed")
    try SmallRun.train(run, in: folder, recorder: recorder)
    #expect(recorder.reports[5].warning == nil)
    let warning = try #require(recorder.reports.last?.warning)
    #expect(warning.hasPrefix("posterior collapse: 3 of 3 channels tell less than 0.01 nats"))
    #expect(warning.hasSuffix("use a smaller quantizer.weight (it is 1000.0)"))
    #expect(lines(folder, "evaluation").last?["deadChannels"] == .integer(3))
  }

  @Test func whatMakesNoSenseIsRefused() {
    func problem(_ overrides: [String]) -> String {
      do {
        _ = try RunConfiguration.parse(
          #"{"data": {"train": "d"}, "quantizer": {"type": "kl"}}"#, overrides: overrides)
        return ""
      } catch { return error.description }
    }
    #expect(problem([]).isEmpty)
    let deferred = problem(["training.deferQuantization=5"])
    #expect(deferred.contains("0 with quantizer.type \"kl\", which quantizes nothing"))
    #expect(problem(["training.averaging.codebook=reestimated"]).contains("trains no entries"))
    #expect(problem(["quantizer.reviveEvery=5"]).contains("quantizer.reviveEvery"))
    #expect(problem(["quantizer.initialization=k-means"]).contains("quantizer.initialization"))
    let wide = problem(["quantizer.channels=5"])
    #expect(wide.contains("at most model.latentChannels = 4"), "\(wide)")
    #expect(wide.contains("Or set model.latentChannels to 5"), "\(wide)")
    #expect(problem(["quantizer.channels=5", "model.latentChannels=5"]).isEmpty)
    #expect(problem(["quantizer.weight=-1"]).contains("quantizer.weight"))
  }
}
