import Autodiff
import Kernels

extension Total: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let sum = Kernels.sum(count: o.shape(ofInput: 0).count, o.input(0))
    o.output(0).pointee = Float(sum * Double(factor))
  }
}

extension Spread: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    fill(count: o.count, with: o.input(0).pointee * factor, into: o.output(0))
  }
}

extension Seed: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) { fill(count: o.count, with: value, into: o.output(0)) }
}

extension Accumulation: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) { accumulate(count: o.count, o.input(0), into: o.output(0)) }
}

extension AxisSum: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let (outer, count, inner) = o.shape(ofInput: 0).extents(around: axis)
    sumAxis(
      outer: outer, count: count, inner: inner, factor: factor, o.input(0), into: o.output(0))
  }
}

extension AxisRepetition: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let (outer, count, inner) = o.shape(ofOutput: 0).extents(around: axis)
    repeatAxis(
      outer: outer, count: count, inner: inner, factor: factor, o.input(0), into: o.output(0))
  }
}

extension AxisMaximum: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let (outer, count, inner) = o.shape(ofInput: 0).extents(around: axis)
    maximumOfAxis(outer: outer, count: count, inner: inner, o.input(0), into: o.output(0))
  }
}

extension Shape {
  /// The elements in front of an axis, on it, and behind it.
  fileprivate func extents(around axis: Int) -> (outer: Int, count: Int, inner: Int) {
    (
      dimensions[..<axis].reduce(1, *), dimensions[axis],
      dimensions[(axis + 1)...].reduce(1, *)
    )
  }
}

// MARK: - Losses

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
