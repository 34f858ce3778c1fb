import Configuration

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

extension LookupFreeConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Lookup-free quantization: one bit per channel, its sign."
  /// 10 bits: 1024 tokens.
  public static let standard = LookupFreeConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) { binary.declare(&fields) }
}
