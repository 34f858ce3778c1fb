import Configuration

extension ConfigurationFields {
  /// Declares the extents of a codebook.
  mutating func codebook(size: inout Int, dimension: inout Int) {
    integer(
      "codebookSize", &size, in: .between(2, FiniteScalarConfiguration.largestCodebook),
      "The number of codebook entries, that is, of different tokens.",
      remedy: "Typical sizes are 256 to 16384.")
    integer(
      "codeDimension", &dimension, in: .between(1, 8192), "Channels of one codebook entry.",
      remedy: "Typical dimensions are 4 to 64.")
  }

  /// Declares what every quantizer with a codebook has: how gradients pass, and the weights of the
  /// losses.
  mutating func gradient(
    _ gradient: inout VectorConfiguration.Gradient, codebookWeight: inout Double,
    commitmentWeight: inout Double, dimension: Int
  ) {
    choice(
      "gradient", &gradient,
      "How the gradient passes from the codebook entry to the encoder: unchanged; rotated and "
        + "rescaled as the entry is against the vector; rotated only; or, by diveq, shared between "
        + "the two, so that both weights may be 0.")
    number(
      "codebookWeight", &codebookWeight, in: .atLeast(0),
      "Weight of the loss that moves the codebook towards the encoder: the squared norm, summed "
        + "over the code dimension and averaged over vectors.")
    number(
      "commitmentWeight", &commitmentWeight, in: .atLeast(0),
      "Weight of the loss that moves the encoder towards the codebook, reduced likewise.")
    let isStraight = gradient == .straightThrough
    check(
      "gradient", with: ["codeDimension"], dimension > 1 || isStraight,
      expected: "\"straight-through\" with a codeDimension of 1, where vectors have no directions",
      remedy: "Raise codeDimension.")
  }
}
