/// Adds its input to the gradient of a parameter, for operations that cannot do so themselves.
public struct Accumulation: Operator {
  /// All can.
  public func accumulates(output: Int) -> Bool { true }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}
