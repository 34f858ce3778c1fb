import Configuration

/// Vector quantization with a random codebook that stays as it is, and a trained linear map of it.
///
/// The losses train the map, and with it all codes at once. The default weights are
/// light (400 steps on the built-in scenes, 1024 codes: 20.61 dB with 150 codes used by weights of 1
/// and 0.25, 23.58 dB with 937 by 0.1 and 0.025).
public struct SimVQConfiguration: Sendable, Equatable {
  /// The codebook, whose entries nothing moves, and the losses; the dimension is that before the map
  /// as after it.
  public var codebook: CodebookConfiguration

  /// Describes a quantizer with a mapped codebook.
  public init(
    codebookSize: Int = 1024, codeDimension: Int = 8,
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025
  ) {
    codebook = CodebookConfiguration(
      size: codebookSize, dimension: codeDimension, gradient: gradient,
      codebookWeight: codebookWeight, commitmentWeight: commitmentWeight)
  }
}

extension SimVQConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Vector quantization with a frozen random codebook times a trained linear map."
  /// A codebook of 1024 entries of dimension 8, straight-through.
  public static let standard = SimVQConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    codebook.declareReplacement(&fields)
    let learns = codebook.codebookWeight > 0 || codebook.gradient == .diveq
    fields.check(
      "codebookWeight", with: ["gradient"], learns,
      expected:
        "more than 0 with gradient \"\(codebook.gradient.rawValue)\", since nothing else trains the map",
      remedy: "Only \"diveq\" works without it.")
  }
}
