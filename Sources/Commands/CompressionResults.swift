import Compression
import Evaluation
import Formatting
import Imaging
import Inference
import Reports
import Tokenizers

/// A tokenizer and what was made of it, on the same images.
struct MeasuredPair {
  struct Result {
    var encodeBefore = 0.0, encodeAfter = 0.0
    var decodeBefore = 0.0, decodeAfter = 0.0
    var psnrBefore = 0.0, psnrAfter = 0.0

    var secondsBefore: Double { encodeBefore + decodeBefore }
    var secondsAfter: Double { encodeAfter + decodeAfter }
  }

  private static let rounds = 5

  let before: Codec<Device>
  let images: [Image]
  let after: Codec<Device>

  /// Seconds of all images, medians of rounds in turns, and PSNR.
  func measure() throws -> Result {
    var result = Result()
    result.psnrBefore = PeakSignalToNoise.decibels(
      meanSquaredError: try before.meanSquaredError(of: images))
    result.psnrAfter = PeakSignalToNoise.decibels(
      meanSquaredError: try after.meanSquaredError(of: images))
    var times: [[Double]] = [[], [], [], []]
    for round in 0...Self.rounds {
      for (index, codec) in [before, after].enumerated() {
        let (encode, decode) = try Self.seconds(codec, images)
        // The first round makes plans.
        guard round > 0 else { continue }
        times[index].append(encode)
        times[2 + index].append(decode)
      }
    }
    let medians = times.map { $0.sorted()[$0.count / 2] }
    (result.encodeBefore, result.encodeAfter) = (medians[0], medians[1])
    (result.decodeBefore, result.decodeAfter) = (medians[2], medians[3])
    return result
  }

  private static func seconds(
    _ codec: Codec<Device>, _ images: [Image]
  ) throws -> (encode: Double, decode: Double) {
    func measure(_ work: () throws -> Void) rethrows -> Double {
      let start = ContinuousClock.now
      try work()
      return start.duration(to: .now) / .seconds(1)
    }
    if codec.configuration.quantizer.isContinuous {
      var latents: [LatentGrid] = []
      let encode = try measure { latents = try codec.latents(of: images) }
      return (encode, try measure { _ = try codec.decode(latents: latents) })
    }
    var grids: [TokenGrid] = []
    let encode = try measure { grids = try codec.encode(images) }
    return (encode, try measure { _ = try codec.decode(grids) })
  }
}

/// What was made smaller, a layer a row.
struct CompressionTable {
  private let model: CompressedModel

  init(_ model: CompressedModel) { self.model = model }

  /// A line is as wide as it is: layers side by side would be hard to compare.
  var text: String {
    let isMeasured = model.parts.contains { $0.loss != nil }
    var table = TextTable(
      [
        .init("layer", isText: true), .init("rank"), .init("weights k"), .init("M mul-adds"),
        .init("ms"),
      ] + (isMeasured ? [.init("dB alone")] : []))
    func pair(_ a: Double, _ b: Double, _ digits: Int) -> String {
      "\(Display.decimals(a, digits))->\(Display.decimals(b, digits))"
    }
    func row(
      _ name: String, _ rank: String, _ a: LayerCost, _ b: LayerCost, _ loss: String
    ) -> [String] {
      [
        name, rank, pair(Double(a.parameters) / 1e3, Double(b.parameters) / 1e3, 1),
        pair(Double(a.multiplyAdds) / 1e6, Double(b.multiplyAdds) / 1e6, 1),
        pair(a.seconds * 1e3, b.seconds * 1e3, 2),
      ] + (isMeasured ? [loss] : [])
    }
    for part in model.parts {
      table.add(
        row(
          part.name, "\(part.wholeSize)->\(part.size)", part.before, part.after,
          part.loss.map { Display.decimals($0, 3) } ?? ""))
    }
    let (before, after) = (model.parts.map(\.before).sum, model.parts.map(\.after).sum)
    table.add(row("together", "", before, after, ""))
    return table.text(width: .max)
  }
}

extension [LayerCost] {
  fileprivate var sum: LayerCost {
    reduce(into: LayerCost(parameters: 0, multiplyAdds: 0)) { sum, cost in
      sum.parameters += cost.parameters
      sum.multiplyAdds += cost.multiplyAdds
      sum.seconds += cost.seconds
    }
  }
}
