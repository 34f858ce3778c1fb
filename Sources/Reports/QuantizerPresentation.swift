import Configuration

/// Presentation of one kind of quantizer: its name, what is shown of it, what to do
/// when its codebook collapses.
///
/// There is one description for each kind (see the static functions); sections of a page, tables and
/// JSON ask it and know no kinds of their own.
public struct QuantizerPresentation: Sendable, Equatable {
  /// A part of what is measured of a quantizer, which some kinds have.
  public enum Measure: String, Sendable, CaseIterable {
    /// Lengths of and angles between vectors and codes, and gradients by the rotation trick.
    case angles
    /// The commitment gradient against the reconstruction gradient.
    case commitment
    /// Ranks and spreads of the codes that are used.
    case codes
    /// The fraction of tokens on each level of each channel.
    case levels
    /// Vectors where the bounding function is flat.
    case saturation
    /// How evenly each bit is used.
    case bits
    /// The entropies of vectors' distributions over codes.
    case entropies
    /// Use of each of several indices of a token.
    case depths
  }

  /// The word that distinguishes the kinds in configurations and token files.
  public let kind: String
  /// Its size and variant in few words: `8,5,5,5 tanh`, `1024x8 rotation`.
  public let shape: String
  /// Its properties by name, as JSON tells them after `type`.
  public let facts: JSONObject
  /// Different values of one index.
  public let codes: Int
  /// Indices to a token.
  public let depth: Int
  /// What one of several indices is called: `group`, `depth`.
  public let depthName: String
  /// What is measured of it.
  public let measures: Set<Measure>
  /// What to change when its codebook collapsed, as settings or in words.
  public let remedy: String

  /// A description.
  public init(
    kind: String, shape: String, facts: JSONObject, codes: Int, depth: Int = 1,
    depthName: String = "depth", measures: Set<Measure>, remedy: String
  ) {
    self.kind = kind
    self.shape = shape
    self.facts = facts
    self.codes = codes
    self.depth = depth
    self.depthName = depthName
    self.measures = depth > 1 ? measures.union([.depths]) : measures
    self.remedy = remedy
  }

  /// In few words: `fsq 8,5,5,5 tanh`, `vq 1024x8 rotation`.
  public var words: String { shape.isEmpty ? kind : "\(kind) \(shape)" }

  /// Whether a measure belongs to it.
  public func has(_ measure: Measure) -> Bool { measures.contains(measure) }
}

extension QuantizerPresentation {
  /// None: a model of one's own.
  public static let model = Self(
    kind: "model", shape: "", facts: JSONObject(), codes: 0, measures: [], remedy: "")

  private static func keepAlive(_ isKeptAlive: Bool) -> String {
    isKeptAlive
      ? "use a smaller quantizer.codebookSize, or a lower training.optimizer.learningRate"
      : "use EMA and dead-code revival: --set quantizer.codebookLearning=ema --set "
        + "quantizer.initialization=k-means --set quantizer.reviveEvery=50"
  }

  /// Finite scalar quantization.
  public static func fsq(levels: [Int], bound: String) -> Self {
    Self(
      kind: "fsq", shape: "\(levels.map(String.init).joined(separator: ",")) \(bound)",
      facts: JSONObject([
        "levels": .array(levels.map(JSONValue.integer)), "bound": .string(bound),
      ]), codes: levels.reduce(1, *), measures: [.levels, .saturation],
      remedy: "use fewer levels, or a lower training.optimizer.learningRate")
  }

  /// A codebook whose nearest entry replaces a vector.
  public static func vq(codes: Int, dimension: Int, gradient: String, isKeptAlive: Bool = false)
    -> Self
  {
    codebook("vq", codes, dimension, gradient, remedy: keepAlive(isKeptAlive))
  }

  /// A codebook of directions.
  public static func cosineVQ(
    codes: Int, dimension: Int, gradient: String, isKeptAlive: Bool = false
  ) -> Self {
    codebook("cosine-vq", codes, dimension, gradient, remedy: keepAlive(isKeptAlive))
  }

  /// A frozen codebook that a trained map moves.
  public static func simVQ(codes: Int, dimension: Int, gradient: String) -> Self {
    codebook(
      "simvq", codes, dimension, gradient,
      remedy: "lower training.optimizer.learningRate or quantizer.codebookSize")
  }

  /// Signs of channels.
  public static func lfq(bits: Int) -> Self { binary("lfq", bits) }

  /// Signs of the channels of a direction.
  public static func bsq(bits: Int) -> Self { binary("bsq", bits) }

  /// A codebook for each group of channels.
  public static func productVQ(
    groups: Int, codes: Int, dimension: Int, gradient: String, isKeptAlive: Bool = false
  ) -> Self {
    Self(
      kind: "product-vq", shape: "\(groups)x\(codes) \(gradient)",
      facts: deep(groups, codes, dimension, gradient), codes: codes, depth: groups,
      depthName: "group", measures: [.angles, .commitment, .codes], remedy: keepAlive(isKeptAlive))
  }

  /// Codebooks that quantize the residual of those before.
  public static func residualVQ(
    depth: Int, codes: Int, dimension: Int, gradient: String, isKeptAlive: Bool = false
  ) -> Self {
    Self(
      kind: "residual-vq", shape: "\(depth)x\(codes) \(gradient)",
      facts: deep(depth, codes, dimension, gradient), codes: codes, depth: depth, measures: [],
      remedy: keepAlive(isKeptAlive))
  }

  /// Finite scalar quantization of the residual before.
  public static func residualFSQ(depth: Int, levels: [Int], bound: String) -> Self {
    let codes = levels.reduce(1, *)
    return Self(
      kind: "residual-fsq", shape: "\(depth)x\(codes) \(bound)",
      facts: JSONObject([
        "depth": .integer(depth), "codebookSize": .integer(codes),
        "levels": .array(levels.map(JSONValue.integer)), "bound": .string(bound),
      ]), codes: codes, depth: depth, measures: [.levels],
      remedy: "use fewer levels or less depth")
  }

  private static func codebook(
    _ kind: String, _ codes: Int, _ dimension: Int, _ gradient: String, remedy: String
  ) -> Self {
    Self(
      kind: kind, shape: "\(codes)x\(dimension) \(gradient)",
      facts: JSONObject([
        "codebookSize": .integer(codes), "codeDimension": .integer(dimension),
        "gradient": .string(gradient),
      ]), codes: codes, measures: [.angles, .commitment, .codes], remedy: remedy)
  }

  private static func binary(_ kind: String, _ bits: Int) -> Self {
    Self(
      kind: kind, shape: "\(bits) bits", facts: JSONObject(["bits": .integer(bits)]),
      codes: 1 << bits, measures: [.bits, .entropies],
      remedy: "raise quantizer.entropyWeight or quantizer.diversity, or use fewer bits")
  }

  private static func deep(
    _ depth: Int, _ codes: Int, _ dimension: Int, _ gradient: String
  ) -> JSONObject {
    JSONObject([
      "depth": .integer(depth), "codebookSize": .integer(codes),
      "codeDimension": .integer(dimension), "gradient": .string(gradient),
    ])
  }
}
