import Autodiff
import Kernels

extension NormalNoise: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    Kernels.normalNoise(
      items: shape[0], elements: shape.count / shape[0], site: site, keys: o.inputIndices(0),
      into: o.output(0))
  }
}

extension AdaptiveNormalization: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    normalizeAdaptively(
      rows: shape.rows, columns: shape.channels, epsilon: epsilon, o.input(0),
      condition: o.input(1), into: o.output(0), moments: o.output(1))
  }
}

extension AdaptiveNormalizationGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 1)
    normalizeAdaptivelyGradient(
      rows: shape.rows, columns: shape.channels, outputGradient: o.input(0), x: o.input(1),
      condition: o.input(2), moments: o.input(3), into: o.output(0),
      conditionGradient: o.output(1))
  }
}
