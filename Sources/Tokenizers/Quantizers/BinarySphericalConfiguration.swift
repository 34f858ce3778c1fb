import Configuration

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

extension BinarySphericalConfiguration: Configurable {
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
}
