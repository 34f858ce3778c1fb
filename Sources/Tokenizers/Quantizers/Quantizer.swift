@_exported import Forms
import Autodiff
import Configuration
import Files

/// A quantizer: everything that differs between the kinds.
///
/// Each kind is a configuration that conforms, in one file with the bottleneck that it makes.
/// ``QuantizerConfiguration`` lists the kinds and is the only place that tells them apart.
public protocol Quantizer: Configurable {
  /// The word that distinguishes the kind in configurations, token files and reports.
  static var word: String { get }

  // MARK: Tokens

  /// The number of different values of one index: of different tokens, where these have but one; 0
  /// where there are no tokens.
  var codebookSize: Int { get }
  /// Channels of the vector that becomes one token, or of a latent vector: what `post_quant_conv` takes.
  var codeDimension: Int { get }
  /// Numbers that the encoder and `quant_conv` put out for each of their channels: 2 where these are
  /// mean and log-variance; 1 by default.
  var outputsPerChannel: Int { get }
  /// The number of indices to a token; 1 by default.
  var depth: Int { get }
  /// Levels of each channel where an index is made of digits, channel 0 least significant; by default
  /// nil.
  var digitLevels: [Int]? { get }
  /// Whether latents are not quantized, so that there are no codes, no tokens and no codebook: then
  /// ``codebookSize`` is 0. By default false.
  var isContinuous: Bool { get }

  // MARK: Graph

  /// Declares the parameters, if there are any, and makes the bottleneck of a graph.
  func bottleneck(in scope: Scope) -> any Bottleneck

  // MARK: Training

  /// The codebooks, where tokens are entries of such; by default nil.
  var entries: CodebookConfiguration? { get }
  /// How the codebooks of a token relate; by default there is a single one.
  var arrangement: CodebookArrangement { get }
  /// Whether entries are trained one by one, so that they are initialized and revived; by default not.
  var trainsEntries: Bool { get }
  /// Whether the vectors are directions, of length 1; by default not.
  var isOnSphere: Bool { get }
  /// How the gradient passes where a code takes a vector's place, and the weight of the loss that
  /// pulls the vector towards it; by default nil.
  var replacement: (gradient: GradientEstimator, commitmentWeight: Double)? { get }
  /// Whether it can begin in the middle of training: where what codes stand for is bounded, or
  /// codebooks can be made of vectors; true by default.
  var canBeDeferred: Bool { get }

  /// Whether training draws latents at random, by a key an image; by default not.
  var drawsNoise: Bool { get }

  // MARK: Reports

  /// The size in few words, after the kind: `8,5,5,5`, `1024x8`, `18 bits`.
  var sizeText: String { get }
  /// What reports show of it.
  var presentation: QuantizerPresentation { get }
  /// How wide a level is in the middle of each channel, before the channel is bounded; empty where
  /// levels have no width.
  var levelWidths: [Double] { get }
  /// The bound whose saturation diagnostics measure; by default nil.
  var saturatingBound: LevelBoundForm? { get }
  /// Vectors before quantization `[n, d]` on the scale of their digits; only asked where there are
  /// ``digitLevels``.
  func digits(of latents: [Float]) -> [Float]
}

extension Quantizer {
  /// It quantizes.
  public var isContinuous: Bool { false }
  /// One number a channel.
  public var outputsPerChannel: Int { 1 }
  /// Nothing is drawn.
  public var drawsNoise: Bool { false }
  /// One index.
  public var depth: Int { 1 }
  /// No digits.
  public var digitLevels: [Int]? { nil }
  /// No codebooks.
  public var entries: CodebookConfiguration? { nil }
  /// One codebook.
  public var arrangement: CodebookArrangement { .single }
  /// No entries.
  public var trainsEntries: Bool { false }
  /// Vectors of any length.
  public var isOnSphere: Bool { false }
  /// No vectors that codes replace.
  public var replacement: (gradient: GradientEstimator, commitmentWeight: Double)? { nil }
  /// It can.
  public var canBeDeferred: Bool { true }
  /// No widths.
  public var levelWidths: [Double] { [] }
  /// No bound.
  public var saturatingBound: LevelBoundForm? { nil }
  /// No digits.
  public func digits(of latents: [Float]) -> [Float] { [] }

  /// The names of the codebooks that are trained entry by entry, within the quantizer's parameters: one
  /// for each depth of the tokens.
  var codebookNames: [String] {
    guard trainsEntries else { return [] }
    return arrangement == .single
      ? ["embedding.weight"] : (0..<depth).map { "\($0).embedding.weight" }
  }
}

/// How the codebooks of a token relate.
public enum CodebookArrangement: Sendable, Equatable {
  /// There is one, and an index to a token.
  case single
  /// Each quantizes a group of so many neighbouring channels.
  case groups(dimension: Int)
  /// Each quantizes the residual of those before.
  case residual
}

/// Presentation of one kind of quantizer: its name, what is shown of it, what to do
/// when its codebook collapses.
///
/// Each quantizer has its own, see ``Quantizer/presentation``; sections of a page, tables and JSON ask
/// it and know no kinds of their own.
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
    /// Effective rank and KL divergence of latents that are not quantized, channels that carry nothing.
    case latents
  }

  /// The word that distinguishes the kinds in configurations and token files.
  public let kind: String
  /// Its size and variant in few words: `8,5,5,5 tanh`, `1024x8 rotation`.
  public let shape: String
  /// Its properties by name, as JSON tells them after `type`.
  public let facts: JSONObject
  /// Different values of one index; 0 where nothing is quantized.
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

  /// Whether nothing is quantized: see ``Quantizer/isContinuous``.
  public var isContinuous: Bool { has(.latents) }

  /// Whether a measure belongs to it.
  public func has(_ measure: Measure) -> Bool { measures.contains(measure) }
}

/// Turns latent vectors into tokens and back: what a ``Quantizer`` records in a graph.
public protocol Bottleneck {
  /// Quantizes vectors.
  ///
  /// - Parameter z: `[N, h, w, d]`, the output of `quant_conv`.
  func quantize(_ z: Tensor) -> Quantized

  /// The same in training, where latents may be drawn at random; by default ``quantize(_:)``.
  ///
  /// - Parameters:
  ///   - z: `[N, h, w, d]`.
  ///   - keys: indices `[N]`: the noise of an image is a function of its key.
  func draw(_ z: Tensor, keys: Tensor) -> Quantized

  /// The codes that tokens stand for: the only way from tokens to the decoder's input, in
  /// training as in decoding.
  ///
  /// - Parameter indices: `[N, h, w]`, or `[N, h, w, depth]` where the depth is more than 1.
  /// - Returns: `[N, h, w, d]`.
  func codes(of indices: Tensor) -> Tensor

  /// Unquantized codes: the decoder input while quantization
  /// is deferred, `[N, h, w, d]`.
  func continuous(_ z: Tensor) -> Tensor
}

extension Bottleneck {
  /// Nothing is drawn.
  public func draw(_ z: Tensor, keys: Tensor) -> Quantized { quantize(z) }
  /// The vectors themselves.
  public func continuous(_ z: Tensor) -> Tensor { z }
}

/// The output of a bottleneck for a batch of vectors.
public struct Quantized {
  /// The codes `[N, h, w, d]`, whose gradient reaches the vectors by the bottleneck's estimator.
  public let codes: Tensor
  /// The vectors that the quantizer compares with each other and with codes, `[N, h, w, d]`: the
  /// latents, or their directions where nothing else counts.
  public let vectors: Tensor
  /// The vectors that codes approximate, in the space of codes, `[N, h, w, d]`.
  ///
  /// The quantization error is the mean over vectors of `|target - code|^2`.
  public let target: Tensor
  /// The tokens `[N, h, w]`, or `[N, h, w, depth]` where the depth is more than 1; only asked where
  /// ``hasIndices``.
  public var indices: Tensor {
    guard let tokens else { preconditionFailure("a continuous bottleneck has no tokens") }
    return tokens
  }
  /// Whether there are tokens; not where the bottleneck is continuous.
  public var hasIndices: Bool { tokens != nil }
  /// Loss added to the reconstruction loss, if the quantizer has one.
  public let auxiliaryLoss: Tensor?
  /// Loss of an image as a sum, to be divided by the number of its values, `H W 3`, and then added to the
  /// reconstruction loss, which is a mean over them; if the bottleneck has one.
  public let imageLoss: Tensor?
  /// The KL divergence of each latent from the standard normal distribution in nats, `[N, h, w, d]`, if
  /// latents are distributions.
  public let divergence: Tensor?
  /// Scalars to report, by name.
  public let statistics: [String: Tensor]

  private let tokens: Tensor?

  /// An output; without `indices` that of a continuous bottleneck.
  public init(
    codes: Tensor, vectors: Tensor, target: Tensor, indices: Tensor?,
    auxiliaryLoss: Tensor? = nil, imageLoss: Tensor? = nil, divergence: Tensor? = nil,
    statistics: [String: Tensor] = [:]
  ) {
    (self.codes, self.vectors, self.target, tokens) = (codes, vectors, target, indices)
    (self.auxiliaryLoss, self.imageLoss) = (auxiliaryLoss, imageLoss)
    (self.divergence, self.statistics) = (divergence, statistics)
  }
}

/// Tokens of several indices: how the indices of all depths lie in one tensor.
enum TokenDepth {
  /// `[N, h, w]` for each depth, as `[N, h, w, depth]`.
  static func stacked(_ indices: [Tensor]) -> Tensor {
    .concatenatingChannels(
      of: indices.map { $0.reshaped(Shape($0.shape.dimensions + [1])) })
  }

  /// `[N, h, w, depth]` as `[N, h, w]` for each depth.
  static func separated(_ indices: Tensor) -> [Tensor] {
    let grid = Shape(indices.shape.dimensions.dropLast())
    return (0..<indices.shape.channels).map { indices.channels($0..<$0 + 1).reshaped(grid) }
  }
}
