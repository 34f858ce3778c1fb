/// The bit of each element: 1 where it is above 0, else 0, and NaN where it is not finite.
///
/// It has no gradient; a quantizer passes its own by an estimator.
public struct SignBits: Operator {
  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

extension Tensor {
  /// 1 where an element is above 0, else 0.
  public func signBits() -> Tensor { apply(SignBits()) }
}
