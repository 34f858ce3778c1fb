import Autodiff
import Layers

/// Turns an image into a grid of latent vectors.
///
/// Per level some residual blocks, with attention after each where the configuration asks for
/// it, then a halving (not after the last level); in the middle a residual block, attention if
/// wanted, and another residual block. Names and order are those of the `Encoder` of diffusers.
struct Encoder {
  struct Level {
    let blocks: [ResidualBlock]
    let attentions: [AttentionBlock]?
    let downsample: Downsample?
  }

  let convIn: Conv2D
  let levels: [Level]
  let middle: Middle
  let normOut: GroupNorm
  let convOut: Conv2D

  /// An encoder that puts out so many numbers for each latent channel.
  init(_ model: ModelConfiguration, outputsPerChannel: Int, in scope: Scope) {
    let (channels, groups) = (model.channels, model.normGroups)
    convIn = Conv2D(3, channels[0], in: scope["conv_in"])
    levels = channels.indices.map { level in
      let scope = scope["down_blocks"][String(level)]
      let inputs = channels[max(0, level - 1)]
      let outputs = channels[level]
      return Level(
        blocks: (0..<model.blocksPerLevel).map { block in
          ResidualBlock(
            block == 0 ? inputs : outputs, outputs, groups: groups,
            in: scope["resnets"][String(block)])
        },
        attentions: model.attentionLevels.contains(level)
          ? (0..<model.blocksPerLevel).map { block in
            AttentionBlock(outputs, groups: groups, in: scope["attentions"][String(block)])
          } : nil,
        downsample: level == channels.count - 1
          ? nil : Downsample(outputs, in: scope["downsamplers"]["0"]))
    }
    let last = channels[channels.count - 1]
    middle = Middle(last, model, in: scope["mid_block"])
    normOut = GroupNorm(last, groups: groups, activation: .silu, in: scope["conv_norm_out"])
    convOut = Conv2D(
      last, outputsPerChannel * model.latentChannels, start: .preservingVariance,
      in: scope["conv_out"])
  }

  /// Images `[N, H, W, 3]` to latents `[N, H / f, W / f, latentChannels]`, or as many times the channels as
  /// there are outputs to each.
  func callAsFunction(_ images: Tensor) -> Tensor {
    var h = convIn(images)
    for level in levels {
      for (index, block) in level.blocks.enumerated() {
        h = block(h)
        h = level.attentions?[index](h) ?? h
      }
      h = level.downsample?(h) ?? h
    }
    return convOut(normOut(middle(h)))
  }
}

/// The lowest level's two residual blocks with optional attention between them.
struct Middle {
  let first, second: ResidualBlock
  let attention: AttentionBlock?

  init(_ channels: Int, _ model: ModelConfiguration, in scope: Scope) {
    let groups = model.normGroups
    first = ResidualBlock(channels, channels, groups: groups, in: scope["resnets"]["0"])
    attention =
      model.middleAttention
      ? AttentionBlock(channels, groups: groups, in: scope["attentions"]["0"]) : nil
    second = ResidualBlock(channels, channels, groups: groups, in: scope["resnets"]["1"])
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let h = first(x)
    return second(attention?(h) ?? h)
  }
}

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
