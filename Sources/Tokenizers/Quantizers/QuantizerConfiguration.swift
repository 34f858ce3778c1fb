import Configuration

/// The bottleneck: one of the quantizers, or one that is continuous.
public enum QuantizerConfiguration: Sendable, Equatable {
  /// Each channel is rounded to one of a few levels. There is no codebook to train.
  case fsq(FiniteScalarConfiguration)
  /// Each vector is replaced by the nearest entry of a trained codebook.
  case vq(VectorConfiguration)
  /// Each vector is replaced by the entry of a trained codebook that is nearest in direction.
  case cosine(CosineConfiguration)
  /// Each vector is replaced by the nearest entry of a frozen codebook that a trained map moves.
  case simvq(SimVQConfiguration)
  /// Each channel is replaced by its sign. There is no codebook.
  case lfq(LookupFreeConfiguration)
  /// Each channel of a vector's direction is replaced by its sign. There is no codebook.
  case bsq(BinarySphericalConfiguration)
  /// Each group of channels is replaced by the nearest entry of its codebook.
  case product(ProductConfiguration)
  /// Each vector is replaced by the sum of entries of several codebooks.
  case residual(ResidualConfiguration)
  /// Each stage rounds the residual of the one before.
  case residualFSQ(ResidualFiniteScalarConfiguration)
  /// Nothing is quantized: each latent is a normal distribution near the standard one.
  case kl(KLConfiguration)
  /// Nothing is quantized: a plain autoencoder.
  case plain(PlainConfiguration)

  /// The kinds, in the order of the schema.
  private static var kinds: [Kind] {
    [
      Kind(Self.fsq), Kind(Self.vq), Kind(Self.cosine), Kind(Self.simvq), Kind(Self.lfq),
      Kind(Self.bsq), Kind(Self.product), Kind(Self.residual), Kind(Self.residualFSQ),
      Kind(Self.kl), Kind(Self.plain),
    ]
  }

  /// The quantizer that is chosen: whatever differs between the kinds is asked of it.
  public var chosen: any Quantizer {
    switch self {
    case .fsq(let quantizer): quantizer
    case .vq(let quantizer): quantizer
    case .cosine(let quantizer): quantizer
    case .simvq(let quantizer): quantizer
    case .lfq(let quantizer): quantizer
    case .bsq(let quantizer): quantizer
    case .product(let quantizer): quantizer
    case .residual(let quantizer): quantizer
    case .residualFSQ(let quantizer): quantizer
    case .kl(let quantizer): quantizer
    case .plain(let quantizer): quantizer
    }
  }
}

extension QuantizerConfiguration {
  /// The largest number of ids per token.
  public static let mostDepth = 32

  /// One of each kind, as it is by default.
  public static var standards: [QuantizerConfiguration] { kinds.map(\.standard) }

  /// The words of the kinds of which something is true, as a sentence lists them: `simvq, lfq and bsq`.
  public static func list(where holds: (any Quantizer) -> Bool) -> String {
    let words = standards.filter { holds($0.chosen) }.map(\.kind)
    guard let last = words.last, words.count > 1 else { return words.joined() }
    return words.dropLast().joined(separator: ", ") + " and " + last
  }

  /// The word that distinguishes the kinds, here and in token files.
  public var kind: String { type(of: chosen).word }

  /// The codebooks, where tokens are entries of such.
  public var codebook: CodebookConfiguration? { chosen.entries }

  /// The number of different values of one index: of different tokens, where these have but one.
  public var codebookSize: Int { chosen.codebookSize }

  /// Whether nothing is quantized, so that there are no codes and no tokens.
  public var isContinuous: Bool { chosen.isContinuous }

  /// Channels of the vector that becomes one token, or of a latent vector.
  public var codeDimension: Int { chosen.codeDimension }

  /// The number of indices to a token.
  public var depth: Int { chosen.depth }

  /// Levels of each channel where an index is made of digits, channel 0 least significant; else nil.
  public var levels: [Int]? { chosen.digitLevels }

  /// How the gradient passes where a code takes a vector's place, and the weight of the loss that
  /// pulls the vector towards it; nil where there is no codebook.
  public var replacement: (gradient: GradientEstimator, commitmentWeight: Double)? {
    chosen.replacement
  }

  /// Initialization of codebooks that are trained entry by entry; nil where there are
  /// none.
  public var initialization: CodebookConfiguration.Initialization? {
    chosen.trainsEntries ? codebook?.initialization : nil
  }

  /// Updates of codebooks between steps; nil if there are none.
  public var upkeep: CodebookUpkeep? { chosen.trainsEntries ? codebook?.upkeep : nil }

  /// Whether it can begin in the middle of training.
  public var canBeDeferred: Bool { chosen.canBeDeferred }
}

extension QuantizerConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The bottleneck: a quantizer, or one that is continuous."
  /// Finite scalar quantization with 1000 tokens.
  public static let standard = QuantizerConfiguration.fsq(.standard)

  /// Declares the kinds.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant("type", &self, isRequired: true, Self.kinds.map(\.variant))
  }

  /// A kind: its word with the way into the enumeration and out of it.
  private struct Kind {
    let variant: ConfigurationVariant<QuantizerConfiguration>
    let standard: QuantizerConfiguration

    init<Part: Quantizer>(_ embed: @escaping (Part) -> QuantizerConfiguration) {
      variant = ConfigurationVariant(Part.word, embed) { $0.chosen as? Part }
      standard = embed(Part.standard)
    }
  }
}
