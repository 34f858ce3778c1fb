import Configuration

/// The discrete bottleneck: one of the quantizers.
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

  /// The largest number of ids per token.
  public static let mostDepth = 32

  /// The codebooks, where tokens are entries of such.
  public var codebook: CodebookConfiguration? {
    switch self {
    case .vq(let configuration): configuration.codebook
    case .cosine(let configuration): configuration.codebook
    case .simvq(let configuration): configuration.codebook
    case .product(let configuration): configuration.codebook
    case .residual(let configuration): configuration.codebook
    case .fsq, .lfq, .bsq, .residualFSQ: nil
    }
  }

  /// The codebooks that are trained entry by entry, if there are such.
  private var trainedCodebook: CodebookConfiguration? {
    if case .simvq = self { nil } else { codebook }
  }

  /// The number of different values of one index: of different tokens, where these have but one.
  public var codebookSize: Int {
    switch self {
    case .fsq(let configuration): configuration.codebookSize
    case .lfq(let configuration): configuration.binary.codebookSize
    case .bsq(let configuration): configuration.binary.codebookSize
    case .residualFSQ(let configuration): configuration.scalar.codebookSize
    case .vq, .cosine, .simvq, .product, .residual: codebook!.size
    }
  }

  /// Channels of the vector that becomes one token: what `quant_conv` puts out.
  public var codeDimension: Int {
    switch self {
    case .fsq(let configuration): configuration.codeDimension
    case .lfq(let configuration): configuration.binary.bits
    case .bsq(let configuration): configuration.binary.bits
    case .residualFSQ(let configuration): configuration.scalar.codeDimension
    case .vq, .cosine, .simvq, .product, .residual: codebook!.dimension
    }
  }

  /// The number of indices to a token.
  public var depth: Int {
    switch self {
    case .product(let configuration): configuration.groups
    case .residual(let configuration): configuration.depth
    case .residualFSQ(let configuration): configuration.depth
    case .fsq, .vq, .cosine, .simvq, .lfq, .bsq: 1
    }
  }

  /// The word that distinguishes the kinds, here and in token files.
  public var kind: String {
    switch self {
    case .fsq: "fsq"
    case .vq: "vq"
    case .cosine: "cosine-vq"
    case .simvq: "simvq"
    case .lfq: "lfq"
    case .bsq: "bsq"
    case .product: "product-vq"
    case .residual: "residual-vq"
    case .residualFSQ: "residual-fsq"
    }
  }

  /// Levels of each channel where an index is made of digits, channel 0 least significant; else nil.
  public var levels: [Int]? {
    switch self {
    case .fsq(let configuration): configuration.levels
    case .residualFSQ(let configuration): configuration.scalar.levels
    case .vq, .cosine, .simvq, .product, .residual: nil
    case .lfq, .bsq: Array(repeating: 2, count: codeDimension)
    }
  }

  /// How the gradient passes where a code takes a vector's place, and the weight of the loss that
  /// pulls the vector towards it; nil where there is no codebook.
  public var replacement: (gradient: CodebookConfiguration.Gradient, commitmentWeight: Double)? {
    // The pull of a residual quantizer is not towards the sum of its codes alone.
    if case .residual = self { return nil }
    return codebook.map { ($0.gradient, $0.commitmentWeight) }
  }

  /// Initialization of codebooks that are trained entry by entry; nil where there are
  /// none.
  public var initialization: CodebookConfiguration.Initialization? {
    trainedCodebook?.initialization
  }

  /// Updates of codebooks between steps; nil if there are none.
  public var upkeep: CodebookUpkeep? { trainedCodebook?.upkeep }

  /// Whether it can begin in the middle of training: where what codes stand for is bounded, or
  /// codebooks can be made of vectors.
  public var canBeDeferred: Bool {
    switch self {
    case .fsq, .vq, .cosine, .product, .residual, .residualFSQ: true
    case .simvq, .lfq, .bsq: false
    }
  }
}

extension QuantizerConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The discrete bottleneck."
  /// Finite scalar quantization with 1000 tokens.
  public static let standard = QuantizerConfiguration.fsq(.standard)

  /// Declares the kinds.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant(
      "type", &self, isRequired: true,
      [
        ConfigurationVariant("fsq", Self.fsq) { if case .fsq(let part) = $0 { part } else { nil } },
        ConfigurationVariant("vq", Self.vq) { if case .vq(let part) = $0 { part } else { nil } },
        ConfigurationVariant("cosine-vq", Self.cosine) {
          if case .cosine(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("simvq", Self.simvq) {
          if case .simvq(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("lfq", Self.lfq) {
          if case .lfq(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("bsq", Self.bsq) {
          if case .bsq(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("product-vq", Self.product) {
          if case .product(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("residual-vq", Self.residual) {
          if case .residual(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("residual-fsq", Self.residualFSQ) {
          if case .residualFSQ(let part) = $0 { part } else { nil }
        },
      ])
  }
}
