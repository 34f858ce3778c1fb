import Configuration
import Foundation

/// Journals of every kind of line, with a collapse in them or without.
enum SyntheticJournal {
  /// Tensors as a network has them.
  static let tensors = [
    "encoder.conv_in.weight", "encoder.conv_in.bias",
    "encoder.down_blocks.0.resnets.0.conv1.weight",
    "encoder.down_blocks.0.resnets.0.conv2.weight", "quantize.embedding.weight",
    "decoder.conv_out.weight",
  ]

  /// A run of vector quantization whose usage falls between steps 300 and 400 of 600, lambda before.
  static func vector(steps: Int = 600, every: Int = 10) -> [UInt8] {
    text(steps, every) { step in
      let lambda = step < steps / 4 ? 0.9 : 0.1
      let used = step < steps / 2 ? 600 : 60
      return codes(step, used: used, extra: "")
        + line(
          "quantizer", step,
          "\"lambda\":\(lambda),\"lambdaP5\":\(lambda / 2),\"lambdaP95\":\(lambda * 1.5),\"cosine\":0.8,"
            + "\"obtuse\":0.01,\"commitmentRatio\":2.5,\"vectorLength\":1,\"latentRank\":3.2,"
            + "\"latentSpread\":0.7,\"codebookRank\":4,\"codebookSpread\":0.8,\"gradientCosine\":0.9"
        )
    }
  }

  /// A run of finite scalar quantization in which all is well.
  static func scalar(steps: Int = 600, every: Int = 10) -> [UInt8] {
    text(steps, every) { step in
      codes(
        step, used: 900,
        extra: ",\"levels\":[[0.1,0.4,0.4,0.1],[0.3,0.4,0.3]],\"saturation\":[0.01,0.02]")
        + line("quantizer", step, "\"latentRank\":2.5,\"latentSpread\":0.9")
    }
  }

  /// A prior whose bits fall from 8 towards `bits`; evaluated four times.
  static func prior(steps: Int = 400, bits: Double = 6, budget: Double = 10) -> [UInt8] {
    var text = line("run", 0, "\"trainingImages\":900,\"validationImages\":100,\"cores\":2")
    for step in stride(from: steps / 40, through: steps, by: steps / 40) {
      let now = bits + (8 - bits) * (1 - Double(step) / Double(steps))
      text += line(
        "step", step,
        "\"loss\":\(now / 1.5),\"bitsPerToken\":\(now),\"learningRate\":0.001,"
          + "\"gradientNorm\":0.5,\"imagesPerSecond\":50,\"seconds\":\(step)")
      guard step % (steps / 4) == 0 else { continue }
      text += evaluation(step, bits: now, budget: budget)
    }
    return Array(text.utf8)
  }

  /// An evaluation of a prior on images of 16x16 tokens and 32x32 pixels.
  static func evaluation(_ step: Int, bits: Double, budget: Double = 10) -> String {
    line(
      "evaluation", step,
      "\"images\":64,\"weights\":\"last\",\"loss\":\(bits / 1.5),\"bitsPerToken\":\(bits),"
        + "\"bitsPerImage\":\(bits * 256),\"bitsPerPixel\":\(bits / 4),\"budgetBits\":\(budget),"
        + "\"marginalBits\":8,\"bigramBits\":6.5,\"seconds\":\(step)")
  }

  private static func codes(_ step: Int, used: Int, extra: String) -> String {
    line(
      "codes", step,
      "\"codes\":1000,\"tokens\":10000,\"usedCodes\":\(used),\"deadCodes\":\(1000 - used),"
        + "\"expectedUniformUsage\":0.99995,\"perplexity\":\(used / 2),\"born\":\(step % 7),"
        + "\"died\":\(step % 5)\(extra)")
  }

  private static func text(_ steps: Int, _ every: Int, _ quantizer: (Int) -> String) -> [UInt8] {
    var text = line(
      "run", 0,
      "\"time\":\"2026-11-29T08:00:00Z\",\"version\":\"0.3.1\",\"cpu\":\"Some <CPU>\",\"cores\":8,"
        + "\"threads\":2,\"lanes\":2,\"trainingImages\":2000,\"validationImages\":128")
    for step in stride(from: every, through: steps, by: every) {
      let (t, noise) = (Double(step), Double(step % 37) / 1000)
      text += line(
        "step", step,
        "\"loss\":\(1 / t.squareRoot() + noise),\"psnr\":\(20 + log(t)),\"learningRate\":0.001,"
          + "\"gradientNorm\":0.3,\"usage\":0.5,\"tokens\":4096,\"imagesPerSecond\":600.5,"
          + "\"quantizationError\":0.02,\"seconds\":\(Double(step) / 10)"
          + (step == 20 ? ",\"warning\":\"one <b> gradient\"" : ""))
      guard step % (5 * every) == 0 else { continue }
      text += quantizer(step)
      if step == 5 * every {
        text += line(
          "tensors", step,
          "\"names\":[\(tensors.map { "\"\($0)\"" }.joined(separator: ","))],\"modules\":[\"encoder\"]"
        )
      }
      text += line(
        "cosines", step,
        "\"cosine\":0.5,\"kappa\":0.8,\"localMean\":0.625,\"zeroTensors\":1,"
          + (step % 100 == 0 ? "\"simpson\":[\"S2\"\(step == 100 ? ",\"S3\"" : "")]," : "")
          + "\"modules\":{\"encoder\":{\"cosine\":0.6}},"
          + "\"tensorCosines\":[1,0,0.5,0.25,null,-0.5],"
          + "\"tensorUpdateShares\":[0.36,0.04,0.1,0.2,0,0.3],"
          + "\"tensorGradientShares\":[0.09,0.01,0.3,0.3,0,0.3],\"successiveCosine\":0.2,"
          + "\"noiseRatio\":4,\"decreaseRatio\":0.9")
      text += line(
        "averageLoss", step,
        "\"label\":\"proxy\",\"because\":[\"AdamW is no plain gradient step\"],\"meanLoss\":0.2,"
          + "\"gap\":\(1 / t),\"bound1\":{\"average\":\(9 / t),\"max\":\(20 / t)},"
          + "\"bound2\":{\"average\":\(5 / t),\"max\":\(12 / t)},\"bestConstantBound\":\(3 / t),"
          + "\"slack1\":0.1,\"slack2\":0.2,\"decayExponent\":0.45,\"monotone\":true,"
          + "\"reference\":\"limit\",\"straightness\":0.4,\"rateRatio\":3")
      guard step % (10 * every) == 0 else { continue }
      text += line(
        "evaluation", step,
        "\"images\":20,\"psnr\":\(15 + log(t)),\"ssim\":0.8,\"usage\":0.5,\"usedCodes\":500,"
          + "\"codes\":1000,\"expectedUniformUsage\":0.9,\"perplexity\":300,\"weights\":\"last\"")
      let ranks = [
        "encoder.conv_in", "encoder.down_blocks.0.resnets.0.conv1", "quant_conv", "gone",
      ].enumerated().map { "\"\($1)\":\(1 + Double($0) / 2 + noise)" }.joined(separator: ",")
      text += line(
        "spectra", step,
        "\"weights\":\"last\",\"stableRank\":{\(ranks)},\"entropyRank\":{\(ranks)}")
      text += line(
        "averages", step,
        "\"images\":20,\"last\":{\"loss\":0.02,\"psnr\":\(15 + log(t))},"
          + "\"uniform\":{\"loss\":0.018,\"psnr\":\(15.5 + log(t)),\"jensenGap\":0.002},"
          + "\"uniform+codebook\":{\"loss\":0.017,\"psnr\":\(16 + log(t)),\"jensenGap\":0.003}")
    }
    return Array(text.utf8)
  }

  static func line(_ kind: String, _ step: Int, _ members: String) -> String {
    "{\"kind\":\"\(kind)\",\"step\":\(step),\(members)}\n"
  }
}
