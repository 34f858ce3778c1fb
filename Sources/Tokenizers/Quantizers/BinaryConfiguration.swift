import Configuration

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
