import Configuration

/// The shape of the encoder and the decoder, which mirror each other.
///
/// Both have one level per entry of `channels`. Between two levels the encoder halves height and
/// width, and the decoder doubles them. Names and meaning follow the `VQModel` of diffusers.
public struct ModelConfiguration: Sendable, Equatable {
  /// Channels of each level, from the full image to the smallest grid.
  public var channels: [Int]
  /// Residual blocks per level of the encoder.
  ///
  /// The decoder has one more.
  public var blocksPerLevel: Int
  /// Channels the encoder puts out, before `quant_conv` maps them to the code dimension.
  public var latentChannels: Int
  /// Indices of the levels with self-attention after each residual block.
  ///
  /// Level 0 is the image.
  public var attentionLevels: [Int]
  /// Whether the middle of encoder and decoder has self-attention.
  public var middleAttention: Bool
  /// Groups of every group normalization.
  ///
  /// Divides each entry of `channels`.
  public var normGroups: Int

  /// Describes an encoder and a decoder.
  public init(
    channels: [Int] = [64, 128], blocksPerLevel: Int = 1, latentChannels: Int = 4,
    attentionLevels: [Int] = [], middleAttention: Bool = false, normGroups: Int = 32
  ) {
    self.channels = channels
    self.blocksPerLevel = blocksPerLevel
    self.latentChannels = latentChannels
    self.attentionLevels = attentionLevels
    self.middleAttention = middleAttention
    self.normGroups = normGroups
  }

  /// Image pixels per token along one side: 2 to the power of (levels - 1).
  public var downsampling: Int { 1 << (channels.count - 1) }
}
