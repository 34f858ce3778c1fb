import Autodiff
import Layers

/// Turns a grid of latent vectors into an image: the encoder, mirrored.
///
/// Each level has one residual block more than the encoder's. Names and order are those of the
/// `Decoder` of diffusers, whose `up_blocks.0` is the lowest level.
struct Decoder {
  struct Level {
    let blocks: [ResidualBlock]
    let attentions: [AttentionBlock]?
    let upsample: Upsample?
  }

  let convIn: Conv2D
  let middle: Middle
  let levels: [Level]
  let normOut: GroupNorm
  let convOut: Conv2D

  init(_ model: ModelConfiguration, in scope: Scope) {
    let groups = model.normGroups
    let channels = Array(model.channels.reversed())
    convIn = Conv2D(
      model.latentChannels, channels[0], start: .preservingVariance, in: scope["conv_in"])
    middle = Middle(channels[0], model, in: scope["mid_block"])
    levels = channels.indices.map { index in
      let scope = scope["up_blocks"][String(index)]
      let inputs = channels[max(0, index - 1)]
      let outputs = channels[index]
      let hasAttention = model.attentionLevels.contains(channels.count - 1 - index)
      return Level(
        blocks: (0...model.blocksPerLevel).map { block in
          ResidualBlock(
            block == 0 ? inputs : outputs, outputs, groups: groups,
            in: scope["resnets"][String(block)])
        },
        attentions: hasAttention
          ? (0...model.blocksPerLevel).map { block in
            AttentionBlock(outputs, groups: groups, in: scope["attentions"][String(block)])
          } : nil,
        upsample: index == channels.count - 1
          ? nil : Upsample(outputs, in: scope["upsamplers"]["0"]))
    }
    let last = channels[channels.count - 1]
    normOut = GroupNorm(last, groups: groups, activation: .silu, in: scope["conv_norm_out"])
    convOut = Conv2D(last, 3, in: scope["conv_out"])
  }

  /// Latents `[N, h, w, latentChannels]` to images `[N, f * h, f * w, 3]`.
  func callAsFunction(_ latents: Tensor) -> Tensor {
    var h = middle(convIn(latents))
    for level in levels {
      for (index, block) in level.blocks.enumerated() {
        h = block(h)
        h = level.attentions?[index](h) ?? h
      }
      h = level.upsample?(h) ?? h
    }
    return convOut(normOut(h))
  }
}
