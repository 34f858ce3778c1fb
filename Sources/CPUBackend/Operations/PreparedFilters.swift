import Autodiff
import Execution
import Kernels

// Filters that are transformed or packed once and kept, where parameters stay as they are. Plans have these
// operations in the place of convolutions; graphs never do.

extension CPUBackend {
  /// Filters of convolutions, unless they are large.
  public func preparedForm(of instruction: Instruction) -> PreparedForm? {
    guard let convolution = instruction.operation as? Convolution else { return nil }
    let filter = instruction.inputs[1].shape
    let geometry = geometry(convolution, image: instruction.inputs[0].shape, filter: filter)
    guard geometry.preparedWords <= Self.mostPreparedWords else { return nil }
    return PreparedForm(
      input: 1, preparation: FilterPreparation(geometry: geometry), words: geometry.preparedWords,
      operation: PreparedConvolution(geometry: geometry, convolution: convolution, filter: filter))
  }

  /// The floats of the largest form that is kept: 1 MB.
  ///
  /// It is up to four times the size of the filter, and has to be read: with 4 MB allowed, a network of 64 to
  /// 256 channels was no faster.
  private static var mostPreparedWords: Int { 1 << 18 }
}

/// Transforms or packs the filter of a convolution.
struct FilterPreparation: CPUOperator {
  let geometry: ConvolutionGeometry

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration([geometry.preparedWords])]
  }

  func execute(_ o: Operands) {
    prepareFilter(geometry, o.input(0), into: o.output(0))
  }
}

/// A convolution with a filter that is prepared.
struct PreparedConvolution: CPUOperator {
  let geometry: ConvolutionGeometry
  let convolution: Convolution
  let filter: Shape

  var name: String { convolution.name }

  func variant(inputs: [Shape]) -> String {
    convolution.variant(inputs: [inputs[0], filter])
  }

  func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    convolution.multiplyAdds(inputs: [inputs[0], filter], outputs: outputs)
  }

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try convolution.outputs(of: [inputs[0], OutputDeclaration(filter)])
  }

  func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    geometry.workspace
  }

  func phases(of instruction: Instruction, on backend: CPUBackend) -> Int { 1 }

  func execute(_ o: Operands) {
    convolve(
      geometry, image: o.input(0), preparedFilter: o.input(1),
      bias: o.inputCount > 2 ? o.input(2) : nil, into: o.output(0), workspace: o.workspace,
      share: o.share)
  }
}
