import Charts
import Formatting
import Foundation

/// Cosines between updates and gradients: where in the network, and over time.
struct CosineSection {
  let runs: [PageRun]

  var section: PageSection {
    let told = runs.telling(.cosines)
    return PageSection(
      id: "cosines", title: "Update-gradient cosines", short: "Cosines",
      introduction: told.isEmpty
        ? runs.silence(.cosines)
        : "The cosine between an update and the negative gradient shows how much of a step goes "
          + "downhill. The global cosine is kappa, the match of the two vectors' norms over the "
          + "layers, times the mean of the layers' own cosines: it can be low for either reason. "
          + "Triangles over a map are Simpson flags that are rare in the run: S1, the global cosine "
          + "is below the threshold though no layer's is; S2, it is 0.2 below their mean; S3, its "
          + "sign is against most of theirs. " + runs.silence(.cosines),
      content: told.isEmpty
        ? ""
        : PageSection.grid(curves(told))
          + PageSection.folded("Cosine by block of each run", PageSection.grid(maps(told))))
  }

  private func maps(_ told: [PageRun]) -> [String] {
    told.map { run in
      let history = run.history
      let blocks = TensorBlocks(history.tensors)
      let lists = history.lists(.cosines, "tensorCosines")
      let updates = Dictionary(
        history.lists(.cosines, "tensorUpdateShares").map { ($0.step, $0.numbers) },
        uniquingKeysWith: { $1 })
      let gradients = Dictionary(
        history.lists(.cosines, "tensorGradientShares").map { ($0.step, $0.numbers) },
        uniquingKeysWith: { $1 })
      let columns = lists.map { list in
        blocks.cosines(
          list.numbers, updateShares: updates[list.step], gradientShares: gradients[list.step])
      }
      let values = blocks.blocks.indices.map { row in columns.map { $0[row] } }
      let (flags, words) = Self.flags(history.simpson, of: lists.count, run)
      return Figure(
        "\(run.name): cosine by block", note: words, subject: run.style,
        HeatMap(
          summary:
            "\(run.name): cosine between update and negative gradient of \(values.count) blocks "
            + "over the steps", rows: blocks.blocks.map(\.name),
          columns: lists.map { Double($0.step) },
          values: values, axis: "step",
          flags: flags.map {
            (Double($0.step), "\($0.flags.joined(separator: ", ")) at step \($0.step)")
          })
      ).html
    }
  }

  /// Flags that at most a quarter of the diagnostics raise, and in words how often each was raised:
  /// one that is always raised says nothing about a step.
  private static func flags(
    _ raised: [(step: Int, flags: [String])], of diagnoses: Int, _ run: PageRun
  ) -> (rare: [(step: Int, flags: [String])], words: String) {
    var counts: [String: Int] = [:]
    for flag in raised.flatMap(\.flags) { counts[flag, default: 0] += 1 }
    let total = max(raised.count, run.history[.cosines, "cosine"].steps.count)
    let rare = raised.compactMap { step, flags -> (step: Int, flags: [String])? in
      let kept = flags.filter { 4 * (counts[$0] ?? 0) <= total }
      return kept.isEmpty ? nil : (step, kept)
    }
    let words = counts.sorted { $0.key < $1.key }.map {
      "\($0.key) in \(Display.count($0.value)) of \(Display.count(total)) diagnoses"
    }
    return (
      rare, words.isEmpty ? "No Simpson flag was raised." : words.joined(separator: ", ") + "."
    )
  }

  private func curves(_ told: [PageRun]) -> [String] {
    [
      RunFigure(title: "Global cosine", note: "Of the whole network.", including: [0, 1])
        .html(told) { $0.line(.cosines, "cosine") },
      RunFigure(
        title: "kappa", note: "Match of the norms of update and gradient over the layers.",
        including: [0, 1]
      ).html(told) { $0.line(.cosines, "kappa") },
      RunFigure(
        title: "Mean of local cosines", note: "Weighted by the norms; global = kappa times this.",
        including: [0, 1]
      ).html(told) { $0.line(.cosines, "localMean") },
      RunFigure(
        title: "Successive gradients", note: "Cosine between a gradient and the one before.",
        including: [0], references: [.init(0, "")]
      ).html(told) { $0.calmLine($0.history[.cosines, "successiveCosine"]) },
      RunFigure(
        title: "Noise ratio", note: "1 / mean cosine - 1: noise over signal in a batch's gradient.",
        vertical: .logarithmic
      ).html(told) { $0.line(.cosines, "noiseRatio") },
      RunFigure(
        title: "Decrease ratio",
        note:
          "Measured over predicted decrease of the loss on the same batch: convex losses stay at 1 "
          + "or below; negative means the step overshot.", including: [0, 1],
        references: [.init(1, "as predicted")]
      ).html(told) { $0.calmLine($0.history[.cosines, "decreaseRatio"]) },
    ]
  }
}

/// Tensors put together to the blocks of the network, in its order.
struct TensorBlocks {
  /// A block's name, short, and the places of its tensors.
  let blocks: [(name: String, tensors: [Int])]

  /// Blocks by the tensors' names: convolutions, normalizations and shortcuts of one residual or
  /// attention block are one.
  init(_ tensors: [String]) {
    var blocks: [(name: String, tensors: [Int])] = []
    for (index, tensor) in tensors.enumerated() {
      let name = Self.name(tensor)
      if let known = blocks.firstIndex(where: { $0.name == name }) {
        blocks[known].tensors.append(index)
      } else {
        blocks.append((name, [index]))
      }
    }
    self.blocks = blocks
  }

  /// The cosine of each block, from its tensors' cosines and their shares of the squared norms.
  ///
  ///     cos = sum a_l b_l c_l / sqrt(sum a_l^2 sum b_l^2),   a_l^2, b_l^2 the shares
  ///
  /// the same as of the block's tensors in one vector. Without shares it is the tensors' mean. NaN
  /// where a block has no cosine.
  func cosines(_ cosines: [Double], updateShares: [Double]?, gradientShares: [Double]?) -> [Double]
  {
    blocks.map { block in
      let known = block.tensors.filter { $0 < cosines.count && cosines[$0].isFinite }
      guard !known.isEmpty else { return .nan }
      if let updates = updateShares, let gradients = gradientShares, updates.count == cosines.count,
        gradients.count == cosines.count
      {
        var (product, update, gradient) = (0.0, 0.0, 0.0)
        for tensor in known {
          let (a, b) = (max(0, updates[tensor]), max(0, gradients[tensor]))
          guard a.isFinite, b.isFinite else { continue }
          product += (a * b).squareRoot() * cosines[tensor]
          update += a
          gradient += b
        }
        if update > 0, gradient > 0 { return product / (update * gradient).squareRoot() }
      }
      return known.reduce(0) { $0 + cosines[$1] } / Double(known.count)
    }
  }

  /// `encoder.down_blocks.0.resnets.1.conv1.weight` becomes `enc down 0 res 1`.
  static func name(_ tensor: String) -> String {
    var parts = tensor.split(separator: ".").map(String.init)
    if let last = parts.last, ["weight", "bias"].contains(last) { parts.removeLast() }
    let inner = ["resnets", "attentions", "downsamplers", "upsamplers"]
    if let place = parts.firstIndex(where: inner.contains) {
      parts = Array(parts.prefix(place + 2))
    }
    let name = words(parts)
    return name.count > 18 ? name.prefix(8) + "…" + name.suffix(9) : name
  }

  /// The parts of a path in short words.
  static func words(_ parts: [String]) -> String {
    parts.map { shortWords[$0] ?? $0 }.filter { !$0.isEmpty }.joined(separator: " ")
  }

  private static let shortWords = [
    "encoder": "enc", "decoder": "dec", "down_blocks": "down", "up_blocks": "up",
    "mid_block": "mid", "resnets": "res", "attentions": "attn", "downsamplers": "pool",
    "upsamplers": "grow", "conv_in": "in", "conv_out": "out", "conv_norm_out": "norm",
    "conv_shortcut": "shortcut", "quant_conv": "to code", "post_quant_conv": "from code",
    "quantize": "codebook", "embedding": "",
  ]
}
