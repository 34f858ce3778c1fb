import Files
import Autodiff
import Configuration
import Foundation

// MARK: Lookup-free

/// Lookup-free quantization: a bit for each channel, its sign.
public struct LookupFreeConfiguration: Sendable, Equatable {
  /// The bits and their losses.
  public var binary: BinaryConfiguration

  /// Describes a lookup-free quantizer.
  public init(
    bits: Int = 10, commitmentWeight: Double = 0.002, entropyWeight: Double = 0.002,
    diversity: Double = 1, temperature: Double = 1, entropyGroup: Int = 8
  ) {
    binary = BinaryConfiguration(
      bits: bits, commitmentWeight: commitmentWeight, entropyWeight: entropyWeight,
      diversity: diversity, temperature: temperature, entropyGroup: entropyGroup)
  }
}

extension LookupFreeConfiguration: BinaryQuantizer {
  /// In configurations, token files and reports.
  public static let word = "lfq"
  /// Summary for the schema.
  public static let summary = "Lookup-free quantization: one bit per channel, its sign."
  /// 10 bits: 1024 tokens.
  public static let standard = LookupFreeConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) { binary.declare(&fields) }

  /// There are no parameters to declare.
  public func bottleneck(in scope: Scope) -> any Bottleneck { LookupFreeQuantizer(self) }
}

/// Lookup-free quantization: a bit for each channel, its sign.
///
///     bit = z > 0,  q = 2 bit - 1,  index = sum over c of bit_c 2^c
///     loss = commitmentWeight |z - sg(q)|^2 + entropyWeight (E[H(p)] - diversity H(E[p]))
///
/// Gradients pass straight through. It has no parameters, and no table of its 2^bits codes is ever
/// made. Source: Yu et al., "Language model beats diffusion: tokenizer is key to visual generation",
/// 2310.05737.
public struct LookupFreeQuantizer: Bottleneck {
  private let losses: BinaryLosses

  /// The quantizer of a configuration.
  public init(_ configuration: LookupFreeConfiguration) {
    losses = BinaryLosses(configuration: configuration.binary, length: 1)
  }

  /// Replaces each channel by its sign.
  public func quantize(_ z: Tensor) -> Quantized { losses.quantize(z) }

  /// The codes of tokens, from their bits.
  public func codes(of indices: Tensor) -> Tensor { losses.codes(of: indices) }
}

// MARK: Binary spherical

/// Binary spherical quantization: the signs of a vector's direction.
public struct BinarySphericalConfiguration: Sendable, Equatable {
  /// The bits and their losses.
  public var binary: BinaryConfiguration

  /// Describes a binary spherical quantizer.
  public init(
    bits: Int = 10, commitmentWeight: Double = 0.02, entropyWeight: Double = 0.002,
    diversity: Double = 1, temperature: Double = 0.1, entropyGroup: Int = 8
  ) {
    binary = BinaryConfiguration(
      bits: bits, commitmentWeight: commitmentWeight, entropyWeight: entropyWeight,
      diversity: diversity, temperature: temperature, entropyGroup: entropyGroup)
  }
}

extension BinarySphericalConfiguration: BinaryQuantizer {
  /// In configurations, token files and reports.
  public static let word = "bsq"
  /// Summary for the schema.
  public static let summary =
    "Binary spherical quantization: vectors are normalized, then one bit per channel, its sign."
  /// 10 bits: 1024 tokens.
  public static let standard = BinarySphericalConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    binary.declare(&fields)
    fields.check(
      "bits", binary.bits > 1,
      expected: "at least 2, as a direction in one dimension has no gradient")
  }

  /// They are.
  public var isOnSphere: Bool { true }

  /// There are no parameters to declare.
  public func bottleneck(in scope: Scope) -> any Bottleneck { BinarySphericalQuantizer(self) }
}

/// Binary spherical quantization: a vector's direction, and of this a bit for each channel, its sign.
///
///     u = z / |z|,  bit = u > 0,  q = (2 bit - 1) / sqrt(bits),  index = sum over c of bit_c 2^c
///     loss = commitmentWeight |u - sg(q)|^2 + entropyWeight (E[H(p)] - diversity H(E[p]))
///
/// Vectors and codes lie on the unit sphere, so that the quantization error is bounded. Gradients pass
/// straight through to the direction, and on through the normalization. It has no parameters. Source:
/// Zhao et al., "Image and video tokenization with binary spherical quantization", 2406.07548.
public struct BinarySphericalQuantizer: Bottleneck {
  private let losses: BinaryLosses

  /// The quantizer of a configuration.
  public init(_ configuration: BinarySphericalConfiguration) {
    losses = BinaryLosses(
      configuration: configuration.binary,
      length: 1 / Float(configuration.binary.bits).squareRoot())
  }

  /// Replaces each vector by the corner with the signs of its direction.
  public func quantize(_ z: Tensor) -> Quantized { losses.quantize(z.rowNormalized()) }

  /// The codes of tokens, from their bits.
  public func codes(of indices: Tensor) -> Tensor { losses.codes(of: indices) }
}

// MARK: What both have in common

/// Common configuration of quantizers whose tokens consist of bits, one per channel.
///
/// The losses are `commitmentWeight * |z - sg(q)|^2 + entropyWeight * (E[H(p)] - diversity * H(E[p]))`
/// with p, for each vector, the distribution over codes in proportion to
/// `exp(-|z - c|^2 / temperature)`. Squared norms are summed over bits and averaged over vectors;
/// entropies are in nats, and E is the mean over the vectors of a micro-batch.
public struct BinaryConfiguration: Sendable, Equatable {
  /// Bits to a token: the codebook has 2 to their power codes.
  public var bits: Int
  /// Weight of the loss that moves the encoder towards the codes.
  public var commitmentWeight: Double
  /// Weight of the loss of entropies.
  public var entropyWeight: Double
  /// How much the entropy of the mean distribution counts against the mean entropy.
  public var diversity: Double
  /// How far from a code a vector may be without being sure of it.
  public var temperature: Double
  /// The largest number of bits whose joint distribution enters the entropy of the mean
  /// distribution.
  public var entropyGroup: Int

  /// The most bits: as many codes as the largest codebook has.
  public static let mostBits = 24

  /// Describes bits and their losses.
  public init(
    bits: Int, commitmentWeight: Double, entropyWeight: Double, diversity: Double = 1,
    temperature: Double, entropyGroup: Int = 8
  ) {
    self.bits = bits
    self.commitmentWeight = commitmentWeight
    self.entropyWeight = entropyWeight
    self.diversity = diversity
    self.temperature = temperature
    self.entropyGroup = entropyGroup
  }

  /// The number of different tokens.
  public var codebookSize: Int { 1 << bits }

  /// Declares the fields.
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "bits", &bits, in: .between(1, Self.mostBits),
      "Bits per token, one per channel; there are 2^bits codes.",
      remedy: "Typical are 8 to 18.")
    fields.number(
      "commitmentWeight", &commitmentWeight, in: .atLeast(0), isSingle: true,
      "Weight of the commitment loss, which moves encoder outputs towards codes: the squared "
        + "distance, summed over bits and averaged over vectors.")
    fields.number(
      "entropyWeight", &entropyWeight, in: .atLeast(0), isSingle: true,
      "Weight of the entropy loss: the mean entropy of the vectors' distributions over codes, minus "
        + "diversity times the entropy of the mean distribution, in nats; over a micro-batch.")
    fields.number(
      "diversity", &diversity, in: .atLeast(0), isSingle: true,
      "Weight, within the entropy loss, of the entropy of the mean distribution, which spreads use."
    )
    fields.number(
      "temperature", &temperature, in: .above(0), isSingle: true,
      "Temperature of the distribution over codes, exp(-|z - c|^2 / temperature), normalized.")
    fields.integer(
      "entropyGroup", &entropyGroup, in: .between(1, 12),
      "Most neighbouring bits whose joint distribution enters the entropy of the mean distribution; "
        + "groups count as independent, so the cost grows with 2^entropyGroup."
    )
  }
}

/// A quantizer whose tokens consist of bits, one per channel.
public protocol BinaryQuantizer: Quantizer {
  /// The bits and their losses.
  var binary: BinaryConfiguration { get }
}

extension BinaryQuantizer {
  /// 2 to the power of the bits.
  public var codebookSize: Int { binary.codebookSize }
  /// A channel for each bit.
  public var codeDimension: Int { binary.bits }
  /// Two levels in each channel.
  public var digitLevels: [Int]? { Array(repeating: 2, count: binary.bits) }
  /// What codes stand for is not bounded.
  public var canBeDeferred: Bool { false }
  /// The number of bits.
  public var sizeText: String { "\(binary.bits) bits" }

  /// The number of bits; their use and the entropies.
  public var presentation: QuantizerPresentation {
    QuantizerPresentation(
      kind: Self.word, shape: sizeText, facts: JSONObject(["bits": .integer(binary.bits)]),
      codes: codebookSize, measures: [.bits, .entropies],
      remedy: "raise quantizer.entropyWeight or quantizer.diversity, or use fewer bits")
  }

  /// Signs have no scale; what is near 0 is near the boundary between 0 and 1.
  public func digits(of latents: [Float]) -> [Float] { latents.map { 1 / (1 + exp(-2 * $0)) } }
}

/// Losses of quantizers whose codes are corners of a cube: `+length` or `-length` in
/// every channel, by a vector's signs.
struct BinaryLosses {
  let configuration: BinaryConfiguration
  /// The magnitude of every element of a code.
  let length: Float

  private var levels: [Int32] { Array(repeating: 2, count: configuration.bits) }

  /// Bits to a group: as few groups as `entropyGroup` allows, as even as can be.
  private var group: Int {
    let (bits, most) = (configuration.bits, configuration.entropyGroup)
    let groups = (bits + most - 1) / most
    return (bits + groups - 1) / groups
  }

  /// The codes of tokens, from their bits, channel 0 least significant.
  func codes(of indices: Tensor) -> Tensor {
    codes(ofBits: indices.unpackedDigits(levels: levels))
  }

  /// Replaces vectors `[N, h, w, bits]` by the corners with their signs, gradients straight through.
  func quantize(_ z: Tensor) -> Quantized {
    let bits = z.signBits()
    let q = codes(ofBits: bits)
    let error = meanSquaredError(z, q.stoppingGradient()) * Float(configuration.bits)
    var loss = error * Float(configuration.commitmentWeight)
    var statistics = ["quantizationError": error]
    if configuration.entropyWeight > 0 {
      let scale = 4 * length / Float(configuration.temperature)
      let sure = z.entropyOfBits(scale: scale)
      let diverse = z.entropyOfMeanBits(scale: scale, group: group)
      let entropies = sure + diverse * Float(-configuration.diversity)
      loss = loss + entropies * Float(configuration.entropyWeight)
      statistics["entropyOfVectors"] = sure
      statistics["entropyOfMean"] = diverse
    }
    return Quantized(
      codes: z.straightThrough(to: q), vectors: z, target: z,
      indices: bits.packedDigits(levels: levels), auxiliaryLoss: loss, statistics: statistics)
  }

  private func codes(ofBits bits: Tensor) -> Tensor {
    let count = configuration.bits
    return bits.channelAffine(
      scale: Array(repeating: 2 * length, count: count),
      offset: Array(repeating: -length, count: count))
  }
}
