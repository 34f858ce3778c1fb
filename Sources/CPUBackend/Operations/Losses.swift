import Autodiff
import Kernels

extension PointwiseLoss: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let (count, a, b) = (o.shape(ofInput: 0).count, o.input(0), o.input(1))
    switch self {
    case .squared: o.output(0).pointee = Float(meanSquaredError(count: count, a, b))
    case .absolute: o.output(0).pointee = Float(meanAbsoluteError(count: count, a, b))
    }
  }
}

extension PointwiseLossGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let (factor, a, b) = (o.input(0).pointee, o.input(1), o.input(2))
    switch loss {
    case .squared:
      meanSquaredErrorGradient(count: o.count, factor: factor, a, b, into: o.output(0))
    case .absolute:
      meanAbsoluteErrorGradient(count: o.count, factor: factor, a, b, into: o.output(0))
    }
  }
}

extension CrossEntropy: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    Kernels.crossEntropy(
      rows: shape.rows, classes: shape.channels, o.input(0), targets: o.inputIndices(1),
      into: o.output(0), logSums: o.output(1))
  }
}

extension CrossEntropyGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 1)
    crossEntropyGradient(
      rows: shape.rows, classes: shape.channels, outputGradient: o.input(0), o.input(1),
      targets: o.inputIndices(2), logSums: o.input(3), into: o.output(0))
  }
}
