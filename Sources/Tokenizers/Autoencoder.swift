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

  let layout: ModelLayout
  let convIn: Conv2D
  let levels: [Level]
  let middle: Middle
  let normOut: GroupNorm
  let convOut: Conv2D

  /// An encoder that puts out so many numbers for each latent channel.
  init(_ model: ModelConfiguration, outputsPerChannel: Int, in scope: Scope) {
    let (channels, groups) = (model.channels, model.normGroups)
    layout = model.layout
    convIn = Conv2D(3 * layout.patch * layout.patch, channels[0], in: scope["conv_in"])
    let halvings = model.halvings
    levels = channels.indices.map { level in
      let scope = scope["down_blocks"][String(level)]
      let inputs = channels[max(0, level - 1)]
      let outputs = channels[level]
      return Level(
        blocks: (0..<model.encoderBlocks(level)).map { block in
          ResidualBlock(
            block == 0 ? inputs : outputs, outputs, groups: groups,
            in: scope["resnets"][String(block)])
        },
        attentions: model.attentionLevels.contains(level)
          ? (0..<model.encoderBlocks(level)).map { block in
            AttentionBlock(outputs, groups: groups, in: scope["attentions"][String(block)])
          } : nil,
        downsample: halvings.contains(level)
          ? Downsample(
            outputs, isPaddedAround: model.layout.halvingPadding == .around,
            in: scope["downsamplers"]["0"]) : nil)
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
    var images = images
    if layout.inputScale != 1 || layout.inputOffset != 0 {
      images = images * Float(layout.inputScale) + Float(layout.inputOffset)
    }
    var h = convIn(images.unshuffled(by: layout.patch))
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

/// The residual blocks of the lowest level, with optional attention after the first of them.
struct Middle {
  let blocks: [ResidualBlock]
  let attention: AttentionBlock?

  init(_ channels: Int, _ model: ModelConfiguration, in scope: Scope) {
    let groups = model.normGroups
    func block(_ index: Int) -> ResidualBlock {
      ResidualBlock(channels, channels, groups: groups, in: scope["resnets"][String(index)])
    }
    // In the order in which parameters have always been declared, as they are initialized by it.
    let first = block(0)
    attention =
      model.middleAttention
      ? AttentionBlock(channels, groups: groups, in: scope["attentions"]["0"]) : nil
    blocks = [first] + (1..<model.layout.middleBlocks).map(block)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let h = blocks[0](x)
    return blocks.dropFirst().reduce(attention?(h) ?? h) { $1($0) }
  }
}

/// Scales and shifts a normalized image by what its codes are like as a whole.
///
///     y = norm(x) gamma(sqrt(v + 1e-6)) + beta(m)
///
/// `m` and `v` are mean and variance (over the count less one) of each channel of the codes over the grid.
/// Image `[N, H, W, C]`, codes `[N, h, w, d]`. The normalization has no weights of its own. Source: Luo et al.,
/// "Open-MAGVIT2", 2409.04410.
struct AdaptiveNorm {
  let gamma, beta: Linear
  let unit: Tensor
  let groups: Int

  init(_ channels: Int, codeDimension: Int, groups: Int, in scope: Scope) {
    self.groups = groups
    gamma = Linear(codeDimension, channels, in: scope["gamma"])
    beta = Linear(codeDimension, channels, in: scope["beta"])
    unit = beta.constant(0)
  }

  func callAsFunction(_ x: Tensor, codes: Tensor) -> Tensor {
    let (n, count, d) = (codes.shape[0], codes.shape[1] * codes.shape[2], codes.shape[3])
    let rows = codes.reshaped([n, count, d])
    let mean = rows.mean(axis: 1)
    let centred = rows - mean.reshaped([n, 1, d]).broadcast(to: rows.shape)
    // A single vector varies by nothing.
    let variance = (centred * centred).sum(axis: 1) / Float(max(1, count - 1))
    func spread(_ y: Tensor) -> Tensor {
      y.reshaped([n, 1, 1, x.shape.channels]).broadcast(to: x.shape)
    }
    let normalized = x.groupNormalized(groups: groups, scale: unit + 1, shift: unit, epsilon: 1e-6)
    return normalized * spread(gamma(squareRoot(variance + 1e-6))) + spread(beta(mean))
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
    let adaptiveNorm: AdaptiveNorm?
    let upsample: Upsample?
  }

  let patch: Int
  let convIn: Conv2D
  let middle: Middle
  let levels: [Level]
  let normOut: GroupNorm
  let convOut: Conv2D

  /// A decoder of codes of some dimension.
  init(_ model: ModelConfiguration, codeDimension: Int, in scope: Scope) {
    let groups = model.normGroups
    let channels = Array(model.decoderChannels.reversed())
    let doublings = model.doublings
    patch = model.layout.patch
    convIn = Conv2D(
      model.latentChannels, channels[0], start: .preservingVariance, in: scope["conv_in"])
    middle = Middle(channels[0], model, in: scope["mid_block"])
    levels = channels.indices.map { index in
      let scope = scope["up_blocks"][String(index)]
      let inputs = channels[max(0, index - 1)]
      let outputs = channels[index]
      let number = channels.count - 1 - index
      let blocks = model.decoderBlocks(number)
      let hasAttention = model.attentionLevels.contains(number)
      return Level(
        blocks: (0..<blocks).map { block in
          ResidualBlock(
            block == 0 ? inputs : outputs, outputs, groups: groups,
            in: scope["resnets"][String(block)])
        },
        attentions: hasAttention
          ? (0..<blocks).map { block in
            AttentionBlock(outputs, groups: groups, in: scope["attentions"][String(block)])
          } : nil,
        adaptiveNorm: model.layout.adaptiveNorm
          ? AdaptiveNorm(
            inputs, codeDimension: codeDimension, groups: groups, in: scope["adaptive_norm"]) : nil,
        upsample: doublings.contains(number)
          ? Upsample(
            outputs, isDepthToSpace: model.layout.doubling == .depthToSpace,
            in: scope["upsamplers"]["0"]) : nil)
    }
    let last = channels[channels.count - 1]
    normOut = GroupNorm(last, groups: groups, activation: .silu, in: scope["conv_norm_out"])
    convOut = Conv2D(last, 3 * patch * patch, in: scope["conv_out"])
  }

  /// Latents `[N, h, w, latentChannels]` to images `[N, f * h, f * w, 3]`.
  ///
  /// - Parameter codes: what the latents were made of, which adaptive normalizations see.
  func callAsFunction(_ latents: Tensor, codes: Tensor) -> Tensor {
    var h = middle(convIn(latents))
    for level in levels {
      h = level.adaptiveNorm?(h, codes: codes) ?? h
      for (index, block) in level.blocks.enumerated() {
        h = block(h)
        h = level.attentions?[index](h) ?? h
      }
      h = level.upsample?(h) ?? h
    }
    return convOut(normOut(h)).shuffled(by: patch)
  }
}
