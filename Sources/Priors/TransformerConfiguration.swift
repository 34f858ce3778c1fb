import Autodiff
import Configuration
import Layers

/// The shape of a decoder-only transformer over the places of a grid.
public struct TransformerConfiguration: Sendable, Equatable {
  /// How attention knows places.
  public enum Positions: String, Sendable, CaseIterable {
    /// Rotary positions along the sequence, as in Llama.
    case rope
    /// Rotary positions by row and column of the grid.
    case rope2d
  }

  /// Channels of a place.
  public var width: Int
  /// Blocks.
  public var layers: Int
  /// Heads of each attention.
  public var heads: Int
  /// Hidden channels of each feed-forward part; 0 is 8/3 of the width, rounded up to a multiple of 64.
  public var feedForward: Int
  /// How attention knows places.
  public var positions: Positions
  /// In which order the grid is gone through.
  public var order: TokenOrder
  /// The share of elements that training drops, after the embedding and in each branch.
  public var dropout: Double
  /// The share of sequences that are trained without their class, for guidance.
  public var classDropout: Double
  /// Layers of the model that were made smaller after training.
  public var compression = ReducedLayers()

  /// Describes a transformer.
  public init(
    width: Int = 256, layers: Int = 6, heads: Int = 4, feedForward: Int = 0,
    positions: Positions = .rope, order: TokenOrder = .raster, dropout: Double = 0,
    classDropout: Double = 0.1
  ) {
    (self.width, self.layers, self.heads, self.feedForward) = (width, layers, heads, feedForward)
    (self.positions, self.order) = (positions, order)
    (self.dropout, self.classDropout) = (dropout, classDropout)
  }

  /// Hidden channels of each feed-forward part.
  public var hiddenWidth: Int {
    feedForward > 0 ? feedForward : (8 * width / 3 + 63) / 64 * 64
  }

  /// Declares the fields.
  mutating func declareShape(_ fields: inout ConfigurationFields) {
    fields.integer("width", &width, in: .between(2, 1 << 16), "Channels of a place.")
    fields.integer("layers", &layers, in: .between(1, 1024), "Transformer blocks.")
    fields.integer(
      "heads", &heads, in: .between(1, 1 << 15), "Attention heads; they divide width.")
    fields.integer(
      "feedForward", &feedForward, in: .between(0, 1 << 20),
      "Hidden channels of each feed-forward part (SwiGLU); 0 is 8/3 of width, rounded up to a "
        + "multiple of 64.")
    fields.choice(
      "positions", &positions,
      "Rotary positions: along the sequence (rope, as Llama's), or by row and column (rope2d).")
    fields.choice("order", &order, "The order in which the tokens of a grid are predicted.")
    fields.number(
      "dropout", &dropout, in: .between(0, 0.9),
      "Fraction of elements dropped in training, after the embedding and in each residual branch.")
    fields.number(
      "classDropout", &classDropout, in: .between(0, 1),
      "Fraction of images trained without their class, which classifier-free guidance needs.")
    fields.compression(&compression)
    let (width, heads, part) = (width, heads, positions == .rope2d ? 4 : 2)
    fields.check(
      "heads", with: ["width", "positions"], width % (heads * part) == 0,
      expected:
        "a number of heads that gives each a multiple of \(part) channels of width \(width), "
        + "as positions = \(positions.rawValue) turns them in \(part == 2 ? "pairs" : "two sets of pairs")",
      remedy: "64 channels a head are usual.")
  }
}

/// The shape of a prior over tokens: the key `model` of a configuration of kind "prior".
public struct PriorConfiguration: Sendable, Equatable {
  /// How tokens of several ids are modelled.
  public enum Depth: String, Sendable, CaseIterable {
    /// Each id is a place of the sequence.
    case flattened
    /// A token is a place, and its ids are predicted one after the other by small heads.
    case heads
  }

  /// The transformer.
  public var transformer: TransformerConfiguration
  /// How tokens of several ids are modelled; nothing where a token is one id.
  public var depth: Depth

  /// Describes a prior.
  public init(
    transformer: TransformerConfiguration = TransformerConfiguration(), depth: Depth = .flattened
  ) {
    (self.transformer, self.depth) = (transformer, depth)
  }
}

extension PriorConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The transformer that predicts tokens."
  /// Six layers of 256 channels.
  public static let standard = PriorConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    transformer.declareShape(&fields)
    fields.choice(
      "depth", &depth,
      "How tokens of several ids (residual, product) are predicted: as a sequence of ids, or a token "
        + "a place with a small head for each id.")
  }
}
