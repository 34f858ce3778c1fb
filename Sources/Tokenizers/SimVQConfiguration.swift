import Configuration

/// Vector quantization with a random codebook that stays as it is, and a trained linear map of it.
///
/// The losses are those of ``VectorConfiguration``; what learns from them is the map, and with it all
/// codes at once. The standard weights are light (400 steps on the built-in scenes, 1024 codes: 20.61 dB
/// with 150 codes used by weights of 1 and 0.25, 23.58 dB with 937 by 0.1 and 0.025).
public struct SimVQConfiguration: Sendable, Equatable {
  /// The number of codebook entries, that is, of different tokens.
  public var codebookSize: Int
  /// Channels of one codebook entry, before and after the map.
  public var codeDimension: Int
  /// How the gradient passes from the code to the encoder.
  public var gradient: VectorConfiguration.Gradient
  /// Weight of the loss that moves the codes towards the encoder.
  public var codebookWeight: Double
  /// Weight of the loss that moves the encoder towards the codes.
  public var commitmentWeight: Double

  /// Describes a quantizer with a mapped codebook.
  public init(
    codebookSize: Int = 1024, codeDimension: Int = 8,
    gradient: VectorConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025
  ) {
    self.codebookSize = codebookSize
    self.codeDimension = codeDimension
    self.gradient = gradient
    self.codebookWeight = codebookWeight
    self.commitmentWeight = commitmentWeight
  }
}

extension SimVQConfiguration: Configurable {
  /// What the value is.
  public static let summary =
    "Vector quantization with a random codebook that is not trained, times a linear map that is."
  /// A codebook of 1024 entries of dimension 8, straight-through.
  public static let standard = SimVQConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.codebook(size: &codebookSize, dimension: &codeDimension)
    fields.gradient(
      &gradient, codebookWeight: &codebookWeight, commitmentWeight: &commitmentWeight,
      dimension: codeDimension)
    let learns = codebookWeight > 0 || gradient == .diveq
    fields.check(
      "codebookWeight", with: ["gradient"], learns,
      expected:
        "more than 0 with gradient \"\(gradient.rawValue)\", as else nothing trains the map",
      remedy: "Only \"diveq\" does without.")
  }
}
