import Foundation

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
    var words: [String] = []
    for part in parts {
      words.append(
        [
          "encoder": "enc", "decoder": "dec", "down_blocks": "down", "up_blocks": "up",
          "mid_block": "mid", "resnets": "res", "attentions": "attn", "downsamplers": "pool",
          "upsamplers": "grow", "conv_in": "in", "conv_out": "out", "conv_norm_out": "norm",
          "quant_conv": "to code", "post_quant_conv": "from code", "quantize": "codebook",
          "embedding": "",
        ][part] ?? part)
    }
    let name = words.filter { !$0.isEmpty }.joined(separator: " ")
    return name.count > 18 ? name.prefix(8) + "…" + name.suffix(9) : name
  }
}
