import Configuration

/// Where the networks of other programs differ from the standard ones.
///
/// Levels are counted as in ``ModelConfiguration/channels``: level 0 is the image, in the decoder too. An
/// empty list stands for what the standard networks have.
public struct ModelLayout: Sendable, Hashable {
  /// The padding of the convolutions that halve the image.
  public enum HalvingPadding: String, Sendable, CaseIterable {
    /// Zeros on the right and at the bottom.
    case right
    /// Zeros on all sides.
    case around
  }

  /// How the decoder doubles the image.
  public enum Doubling: String, Sendable, CaseIterable {
    /// Pixels are repeated, then filtered.
    case nearest
    /// A filter makes four times the channels, which become blocks of 2x2 pixels.
    case depthToSpace = "depth-to-space"
  }

  /// Factor of the image, which is in [-1, 1], on its way into the encoder.
  public var inputScale = 1.0
  /// What is added to the scaled image: 0.5, with a scale of 0.5, for networks that take [0, 1].
  public var inputOffset = 0.0
  /// Side of the squares of pixels that become channels in front of the encoder, and pixels again behind
  /// the decoder.
  public var patch = 1
  /// Residual blocks of each level of the encoder.
  public var encoderBlocks: [Int] = []
  /// Residual blocks of each level of the decoder.
  public var decoderBlocks: [Int] = []
  /// Channels of each level of the decoder.
  public var decoderChannels: [Int] = []
  /// Residual blocks in the middle of encoder and decoder.
  public var middleBlocks = 2
  /// Levels after which the encoder halves the image.
  public var halvings: [Int] = []
  /// Levels after which the decoder doubles the image.
  public var doublings: [Int] = []
  /// The padding of halvings.
  public var halvingPadding = HalvingPadding.right
  /// How the decoder doubles.
  public var doubling = Doubling.nearest
  /// Whether each level of the decoder begins with a normalization that the codes scale and shift.
  public var adaptiveNorm = false

  /// The standard networks.
  public init() {}
}

extension ModelLayout: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Differences from the standard networks, as imported ones have them; absent where there are none."
  /// The standard networks.
  public static let standard = ModelLayout()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.number(
      "inputScale", &inputScale, in: .between(1e-3, 1e3), isSingle: true,
      "Factor of the image, which is in [-1, 1], on its way into the encoder.")
    fields.number(
      "inputOffset", &inputOffset, in: .between(-1e3, 1e3), isSingle: true,
      "What is added to the scaled image; 0.5 with inputScale 0.5 for networks that take [0, 1].")
    fields.integer(
      "patch", &patch, in: .between(1, 16),
      "Side of the squares of pixels that become channels in front of the encoder, and pixels again "
        + "behind the decoder; 2 or 4 makes both several times faster.")
    let blocks = "; empty for blocksPerLevel"
    fields.integers(
      "encoderBlocks", &encoderBlocks, each: .between(1, 16), count: .between(0, 12),
      "Residual blocks of each level of the encoder\(blocks).")
    fields.integers(
      "decoderBlocks", &decoderBlocks, each: .between(1, 17), count: .between(0, 12),
      "Residual blocks of each level of the decoder\(blocks) + 1.")
    fields.integers(
      "decoderChannels", &decoderChannels, each: .between(1, 8192), count: .between(0, 12),
      "Channels of each level of the decoder; empty for channels.")
    fields.integer(
      "middleBlocks", &middleBlocks, in: .between(1, 16),
      "Residual blocks in the middle of encoder and decoder; attention follows the first.")
    fields.integers(
      "halvings", &halvings, each: .atLeast(0), count: .between(0, 12),
      "Levels after which the encoder halves height and width; empty for all but the last.")
    fields.integers(
      "doublings", &doublings, each: .atLeast(0), count: .between(0, 12),
      "Levels after which the decoder doubles height and width; empty for all but level 0.")
    fields.choice(
      "halvingPadding", &halvingPadding,
      "Zeros around the image that is halved: on the right and at the bottom, or on all sides.")
    fields.choice(
      "doubling", &doubling,
      "How the decoder doubles: repeated pixels and a filter, or a filter to four times the channels, "
        + "which become blocks of 2x2 pixels.")
    fields.flag(
      "adaptiveNorm", &adaptiveNorm,
      "Whether each level of the decoder begins with a group normalization that is scaled and shifted "
        + "by the standard deviation and mean of the codes.")
  }
}

extension ModelConfiguration {
  /// Residual blocks of a level of the encoder.
  public func encoderBlocks(_ level: Int) -> Int {
    layout.encoderBlocks.isEmpty ? blocksPerLevel : layout.encoderBlocks[level]
  }

  /// Residual blocks of a level of the decoder.
  public func decoderBlocks(_ level: Int) -> Int {
    layout.decoderBlocks.isEmpty ? blocksPerLevel + 1 : layout.decoderBlocks[level]
  }

  /// Channels of each level of the decoder.
  public var decoderChannels: [Int] {
    layout.decoderChannels.isEmpty ? channels : layout.decoderChannels
  }

  /// Levels after which the encoder halves the image.
  public var halvings: Set<Int> {
    layout.halvings.isEmpty ? Set(0..<max(0, channels.count - 1)) : Set(layout.halvings)
  }

  /// Levels after which the decoder doubles the image.
  public var doublings: Set<Int> {
    layout.doublings.isEmpty ? Set(1..<max(1, channels.count)) : Set(layout.doublings)
  }

  /// Image pixels per token along one side: twice as many for each halving.
  public var downsampling: Int { layout.patch << halvings.count }

  /// Checks that the lists of the layout fit the levels, and each other.
  func checkLayout(_ fields: inout ConfigurationFields) {
    let (levels, groups) = (channels.count, normGroups)
    let lists = [
      ("encoderBlocks", layout.encoderBlocks), ("decoderBlocks", layout.decoderBlocks),
      ("decoderChannels", layout.decoderChannels),
    ]
    for (name, list) in lists {
      fields.check(
        "layout." + name, with: ["channels"], list.isEmpty || list.count == levels,
        expected: "an entry for each of the \(levels) levels of channels, or none")
    }
    fields.check(
      "layout.decoderChannels", with: ["normGroups"],
      layout.decoderChannels.allSatisfy { $0 % groups == 0 },
      expected: "multiples of normGroups = \(groups)")
    for (name, list) in [("halvings", layout.halvings), ("doublings", layout.doublings)] {
      fields.check(
        "layout." + name, with: ["channels"],
        list.allSatisfy { $0 < levels } && Set(list).count == list.count,
        expected: "different levels from 0 to \(levels - 1), as channels has \(levels)")
    }
    fields.check(
      "layout.doublings", with: ["channels", "layout.halvings"],
      halvings.count == doublings.count,
      expected: "\(halvings.count) levels, as the encoder halves the image so many times")
  }
}
