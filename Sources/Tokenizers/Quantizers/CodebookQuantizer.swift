import Files
import Autodiff
import Configuration
import Forms

/// Common configuration of quantizers whose tokens are entries of codebooks.
///
/// The losses are `codebookWeight * |q - sg(z)|^2 + commitmentWeight * |z - sg(q)|^2`. The squared
/// norm is the sum over the code dimension; the loss is the mean of it over all vectors of the batch.
public struct CodebookConfiguration: Sendable, Equatable {
  /// How the gradient passes from the codebook entry to the encoder.
  public typealias Gradient = GradientEstimator

  /// Initialization of a codebook.
  public enum Initialization: String, Sendable, CaseIterable {
    /// Encoder outputs sampled from the first batch.
    case encoder
    /// Uniform in [-1 / codebookSize, 1 / codebookSize].
    case uniform
    /// Normal: in `vq` with deviation 1, elsewhere with codes of length 1 in the mean, or half of that
    /// for each depth before.
    case normal
    /// Centres of encoder outputs for training images, by k-means.
    case kMeans = "k-means"
    /// Diverse encoder outputs for training images, chosen by pivoted QR: their skeleton, by
    /// column-pivoted QR.
    case skeleton

    /// Whether it is made of encoder outputs.
    public var isOfVectors: Bool { self != .uniform && self != .normal }
  }

  /// The number of entries of a codebook, that is, of different values of one index.
  public var size: Int
  /// Channels of the vector that becomes a token.
  public var dimension: Int
  /// How the gradient passes from the entry to the encoder.
  public var gradient: Gradient
  /// Weight of the loss that moves the codebook towards the encoder.
  public var codebookWeight: Double
  /// Weight of the loss that moves the encoder towards the codebook.
  public var commitmentWeight: Double
  /// Initialization of the codebook.
  public var initialization: Initialization
  /// Updates of the codebook between steps.
  public var upkeep: CodebookUpkeep

  /// Describes codebooks and their losses.
  public init(
    size: Int, dimension: Int, gradient: Gradient, codebookWeight: Double,
    commitmentWeight: Double, initialization: Initialization = .encoder,
    upkeep: CodebookUpkeep = CodebookUpkeep()
  ) {
    self.size = size
    self.dimension = dimension
    self.gradient = gradient
    self.codebookWeight = codebookWeight
    self.commitmentWeight = commitmentWeight
    self.initialization = initialization
    self.upkeep = upkeep
  }

  /// Whether codes learn by gradients, and not as moving averages.
  var learnsByGradient: Bool { upkeep.learning == .gradient }

  /// What entries are drawn from before the first step: as `uniform` asks, else as the quantizer has it.
  func initializer(otherwise initializer: Initializer) -> Initializer {
    initialization == .uniform ? .uniform(bound: 1 / Float(size)) : initializer
  }

  /// Declares a codebook `[K, d]`: the parameter `embedding.weight`, trained where codes learn by
  /// gradients.
  ///
  /// - Parameter dimension: of its entries, where it is not ``dimension``.
  func table(in scope: Scope, dimension: Int? = nil, drawnFrom initializer: Initializer) -> Tensor {
    scope["embedding"].parameter(
      "weight", [size, dimension ?? self.dimension], initializer, isTrained: learnsByGradient)
  }

  // MARK: Fields

  /// Declares what concerns the codes that take the place of vectors.
  mutating func declareReplacement(_ fields: inout ConfigurationFields) {
    fields.integer(
      "codebookSize", &size, in: .between(2, FiniteScalarConfiguration.largestCodebook),
      "Number of codebook entries.",
      remedy: "Typical sizes are 256 to 16384.")
    fields.integer(
      "codeDimension", &dimension, in: .between(1, 8192),
      "Dimension of codes: channels of the vector that becomes a token.",
      remedy: "Typical dimensions are 4 to 64.")
    fields.choice(
      "gradient", &gradient,
      "How the gradient passes from the code to the encoder: unchanged (straight-through); rotated "
        + "and rescaled (rotation trick); rotated only; or split between code and encoder (DiVeQ), "
        + "with which both weights may be 0.")
    fields.number(
      "codebookWeight", &codebookWeight, in: .atLeast(0), isSingle: true,
      "Weight of the codebook loss, which moves codes towards encoder outputs: the squared "
        + "distance, summed over the code dimension and averaged over vectors.")
    fields.number(
      "commitmentWeight", &commitmentWeight, in: .atLeast(0), isSingle: true,
      "Weight of the commitment loss, which moves encoder outputs towards codes; reduced likewise.")
    let hasDirections = dimension > 1 || gradient == .straightThrough
    fields.check(
      "gradient", with: ["codeDimension"], hasDirections,
      expected: "\"straight-through\" with a codeDimension of 1, where vectors have no directions",
      remedy: "Raise codeDimension.")
  }

  /// Declares how entries are initialized, and what happens to them between steps.
  mutating func declareEntries(
    _ fields: inout ConfigurationFields,
    initializations: [Initialization] = Array(Initialization.allCases)
  ) {
    fields.choice(
      "initialization", &initialization, among: initializations,
      "How a codebook is initialized: encoder outputs sampled at random, random numbers, k-means "
        + "centres of encoder outputs, or skeleton, diverse encoder outputs chosen by pivoted QR."
    )
    upkeep.declare(&fields)
    let isShared = gradient == .diveq
    fields.check(
      "codebookLearning", with: ["gradient"], learnsByGradient || !isShared,
      expected: "\"gradient\" with gradient \"diveq\", which gives the codes a gradient",
      remedy: "Choose \"straight-through\" or a rotation for gradient.")
  }
}

/// Updates of a codebook between steps, in addition to or instead of gradients.
public struct CodebookUpkeep: Sendable, Equatable {
  /// How the codebook learns.
  public enum Learning: String, Sendable, CaseIterable {
    /// By the codebook loss, as all weights do.
    case gradient
    /// Each code is the moving average of the vectors that chose it. No optimizer, decay or average of
    /// the weights touches it, and there is no codebook loss. Van den Oord et al., 1711.00937,
    /// appendix A.1.
    case ema
  }

  /// How the codebook learns.
  public var learning: Learning
  /// The fraction of the moving averages that a step leaves: of each code's uses and of the sum of
  /// its vectors.
  public var decay: Double
  /// Added to the uses of every code before division (Laplace smoothing).
  public var epsilon: Double
  /// Steps between dead-code revivals; 0 is never.
  public var reviveEvery: Int
  /// Codes are replaced where their moving average of uses a batch is below this share of what each
  /// code would have if all were used alike.
  ///
  /// A code that is not used at all falls below it after `ln(reviveBelow) / ln(decay)` steps: 230 with
  /// 0.1 and 0.99.
  public var reviveBelow: Double

  /// Describes the upkeep of a codebook; by default there is none.
  public init(
    learning: Learning = .gradient, decay: Double = 0.99, epsilon: Double = 1e-5,
    reviveEvery: Int = 0, reviveBelow: Double = 0.1
  ) {
    self.learning = learning
    self.decay = decay
    self.epsilon = epsilon
    self.reviveEvery = reviveEvery
    self.reviveBelow = reviveBelow
  }

  /// Whether anything is done between steps.
  public var isNeeded: Bool { learning == .ema || reviveEvery > 0 }
}

extension CodebookUpkeep {
  /// Declares the fields.
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.choice(
      "codebookLearning", &learning,
      "How the codebook learns: by the gradient of the codebook loss, or by EMA updates, where "
        + "each code is the moving average of its vectors and codebookWeight has no effect.")
    fields.number(
      "emaDecay", &decay, in: .from(0, below: 1),
      "EMA decay of each code's uses and vectors.")
    fields.number(
      "emaEpsilon", &epsilon, in: .above(0),
      "Added to the uses of every code before division (Laplace smoothing).")
    fields.integer(
      "reviveEvery", &reviveEvery, in: .atLeast(0),
      "Steps between dead-code revivals, which replace unused codes by vectors of the batch; 0 is off."
    )
    fields.number(
      "reviveBelow", &reviveBelow, in: .inside(0, 1),
      "Codes are revived when their moving average of uses is below this fraction of uniform use; "
        + "a code that is never used falls below it after "
        + "ln(reviveBelow) / ln(emaDecay) steps.")
  }
}

/// A quantizer whose tokens are entries of codebooks.
public protocol CodebookQuantizer: Quantizer {
  /// The codebooks and their losses.
  var codebook: CodebookConfiguration { get }
  /// What to change when the codebook collapsed.
  var remedy: String { get }
}

extension CodebookQuantizer {
  /// The number of entries of a codebook.
  public var codebookSize: Int { codebook.size }
  /// The dimension of a vector.
  public var codeDimension: Int { codebook.dimension }
  /// The codebooks.
  public var entries: CodebookConfiguration? { codebook }
  /// They are.
  public var trainsEntries: Bool { true }
  /// As the codebook has it.
  public var replacement: (gradient: GradientEstimator, commitmentWeight: Double)? {
    (codebook.gradient, codebook.commitmentWeight)
  }
  /// As in `1024x8`, `2 x 256x8`.
  public var sizeText: String {
    (depth > 1 ? "\(depth) x " : "") + "\(codebook.size)x\(codebook.dimension)"
  }

  /// Revival, or where codes are revived already, gentler training.
  public var remedy: String {
    codebook.upkeep.reviveEvery > 0
      ? "use a smaller quantizer.codebookSize, or a lower training.optimizer.learningRate"
      : "use EMA and dead-code revival: --set quantizer.codebookLearning=ema --set "
        + "quantizer.initialization=k-means --set quantizer.reviveEvery=50"
  }

  /// Size and gradient; angles and spreads where one vector is pulled towards one code.
  public var presentation: QuantizerPresentation {
    let (codes, gradient) = (codebook.size, codebook.gradient.rawValue)
    var facts = JSONObject()
    if depth > 1 { facts["depth"] = .integer(depth) }
    facts["codebookSize"] = .integer(codes)
    facts["codeDimension"] = .integer(codebook.dimension)
    facts["gradient"] = .string(gradient)
    let size = depth > 1 ? "\(depth)x\(codes)" : "\(codes)x\(codebook.dimension)"
    let isGrouped = if case .groups = arrangement { true } else { false }
    return QuantizerPresentation(
      kind: Self.word, shape: "\(size) \(gradient)", facts: facts, codes: codes, depth: depth,
      depthName: isGrouped ? "group" : "depth",
      measures: replacement == nil ? [] : [.angles, .commitment, .codes], remedy: remedy)
  }
}

/// Replacement of vectors by codes: the losses, and the path of the gradient.
///
///     loss = codebookWeight |q - sg(z)|^2 + commitmentWeight |z - sg(q)|^2
///
/// The squared norms are summed over the code dimension and averaged over vectors.
struct CodeReplacement {
  let configuration: CodebookConfiguration

  /// Replaces vectors `[N, h, w, d]` by the codes `[N, h, w, d]` of their tokens.
  func callAsFunction(_ z: Tensor, by q: Tensor, at indices: Tensor) -> Quantized {
    let (auxiliary, error) = losses(z, q)
    var statistics = ["quantizationError": error]
    if configuration.gradient.rotates {
      statistics["rotationFallbacks"] = z.rotationFallbacks(to: q)
    }
    return Quantized(
      codes: configuration.gradient.pass(q, from: z), vectors: z, target: z, indices: indices,
      auxiliaryLoss: auxiliary, statistics: statistics)
  }

  /// The weighted losses between vectors and their codes, and the mean squared distance of the two.
  ///
  /// The codes have no loss where they follow moving averages.
  func losses(_ z: Tensor, _ q: Tensor) -> (auxiliary: Tensor, error: Tensor) {
    let dimension = Float(z.shape.channels)
    let codebookLoss =
      configuration.learnsByGradient
      ? meanSquaredError(q, z.stoppingGradient()) * dimension * Float(configuration.codebookWeight)
      : nil
    let error = meanSquaredError(z, q.stoppingGradient()) * dimension
    let weighted = error * Float(configuration.commitmentWeight)
    return (codebookLoss.map { $0 + weighted } ?? weighted, error)
  }
}

extension GradientEstimator {
  /// Whether the gradient is rotated, where it can be.
  var rotates: Bool {
    switch self {
    case .rotation, .unitRotation: true
    case .straightThrough, .diveq: false
    }
  }

  /// The code's value to the last bit, with this estimator's gradient.
  func pass(_ code: Tensor, from vector: Tensor) -> Tensor {
    switch self {
    case .straightThrough: vector.straightThrough(to: code)
    case .rotation: vector.rotated(to: code, scale: .codeOverEncoding)
    case .unitRotation: vector.rotated(to: code, scale: .unit)
    case .diveq: vector.directed(to: code)
    }
  }
}
