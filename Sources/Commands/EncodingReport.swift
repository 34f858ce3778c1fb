import Evaluation
import Files
import Formatting
import TokenFiles

/// What `encode --summary` writes: how an encoding went, for whoever starts many of them.
struct EncodingReport {
  /// A file that could not be used, and why.
  typealias Rejection = EncodedPart.Rejection

  /// The file that was written.
  let output: String
  /// Files that could not be used.
  let rejections: [Rejection]
  /// Images encoded now, and the seconds that it took; with `--resume` fewer than there are.
  let work: (images: Int, seconds: Double)
  /// Which part of the images it is.
  let part: EncodedPart?

  /// What was made of tokens.
  func json(_ summary: TokenSummary) -> JSONObject {
    let (usage, depths) = (summary.depths.pooled, summary.depths.depths)
    return json(images: summary.images) { object in
      object["tokens"] = .integer(summary.depths.tokens)
      object["codes"] = .integer(usage.codes)
      object["codesUsed"] = .integer(usage.used)
      if depths.count > 1 {
        object["codesUsedByDepth"] = .array(depths.map { .integer($0.used) })
      }
      object["perplexity"] = .number(usage.ids > 0 ? usage.perplexity : 0)
      object["bitsPerPixel"] = .number(summary.bitsPerPixel)
    }
  }

  /// What was made of latents.
  func json(_ file: LatentFile) -> JSONObject {
    json(images: file.count) { object in
      object["latents"] = .array([file.rows, file.columns, file.channels].map { .integer($0) })
      object["mean"] = .array(file.mean.map { .number(Double($0)) })
      object["deviation"] = .array(file.deviation.map { .number(Double($0)) })
    }
  }

  /// Writes it.
  static func write(_ object: JSONObject, to path: String) throws {
    try AtomicFile.write(JSONValue.object(object).prettyText + "\n", to: path)
  }

  /// What is known without looking at what was written.
  func json(images: Int? = nil, _ more: (inout JSONObject) -> Void = { _ in }) -> JSONObject {
    var object = JSONObject([
      "output": .string(output), "images": .integer(images ?? work.images),
    ])
    if let part {
      object["part"] = .string("\(part.number)/\(part.total)")
      object["imagesOfAllParts"] = .integer(part.images)
    }
    more(&object)
    object["encoded"] = .integer(work.images)
    object["seconds"] = .number(work.seconds)
    object["imagesPerSecond"] = .number(Double(work.images) / max(work.seconds, 1e-9))
    object["rejected"] = .array(
      rejections.map {
        .object(JSONObject(["path": .string($0.path), "reason": .string($0.reason)]))
      })
    return object
  }
}
