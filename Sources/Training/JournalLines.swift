import Configuration
import Evaluation

extension StepReport {
  /// The log's line: `kind` is "step".
  ///
  /// Losses are means over the batch; `psnr` is that of its images before they are rounded to 8 bits;
  /// `usage` is the fraction of the codebook that the `ids` of the batch's `tokens` used;
  /// `imagesPerSecond` is training alone, since the previous line, and `seconds` all of it so far.
  var line: JSONObject {
    var line: JSONObject = JSONObject([
      "kind": .string("step"), "step": .integer(step), "loss": .number(loss),
      "reconstruction": .number(reconstruction), "learningRate": .number(learningRate),
      "gradientNorm": .number(gradientNorm),
    ])
    if tokens > 0 {
      line["usage"] = .number(usage)
      line["tokens"] = .integer(tokens)
      line["ids"] = .integer(ids)
    }
    line["imagesPerSecond"] = .number(imagesPerSecond)
    line["seconds"] = .number(seconds)
    line.add("psnr", psnr)
    for (name, value) in quantizer.sorted(by: { $0.key < $1.key }) { line.add(name, value) }
    if let warning { line["warning"] = .string(warning) }
    return line
  }
}

extension EvaluationResult {
  /// The log's line: `kind` is "evaluation".
  ///
  /// Of tokens with several indices, usage is pooled, and told for each depth as well.
  ///
  /// - Parameters:
  ///   - seconds: of training so far.
  ///   - weights: which weights were evaluated: "last" or an average.
  func line(step: Int, seconds: Double, weights: String) -> JSONObject {
    var line = JSONObject([
      "kind": .string("evaluation"), "step": .integer(step), "images": .integer(images),
      "weights": .string(weights), "ssim": .number(ssim),
      "quantizationError": .number(quantizationError), "usage": .number(usage.usage),
      "usedCodes": .integer(usage.used), "codes": .integer(usage.codes),
      "tokens": .integer(tokens), "ids": .integer(usage.ids),
      "expectedUniformUsage": .number(usage.expectedUniformUsage),
      "perplexity": .number(usage.perplexity), "bitsPerPixel": .number(bitsPerPixel),
    ])
    line.add("psnr", psnr)
    line["seconds"] = .number(seconds)
    if depths.depths.count > 1 {
      line["usedCodesByDepth"] = .array(depths.depths.map { .integer($0.used) })
      line["perplexityByDepth"] = .array(depths.depths.map { .number($0.perplexity) })
    }
    return line
  }
}
