import Autodiff

/// Layer normalization with trained scale and shift.
///
/// Rows `[..., channels]`, result the same.
public struct LayerNorm {
  let weight: Tensor
  let bias: Tensor
  let epsilon: Float

  /// A normalization of rows of a number of channels, started at scale 1 and shift 0.
  public init(_ channels: Int, epsilon: Float = 1e-5, in scope: Scope) {
    weight = scope.parameter("weight", [channels], .constant(1))
    bias = scope.parameter("bias", [channels], .constant(0))
    self.epsilon = epsilon
  }

  /// The normalized rows.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.layerNormalized(scale: weight, shift: bias, epsilon: epsilon)
  }
}

/// Root mean square normalization with a trained scale.
///
/// Rows `[..., channels]`, result the same.
public struct RMSNorm {
  let weight: Tensor
  let epsilon: Float

  /// A normalization of rows of a number of channels, started at scale 1.
  public init(_ channels: Int, epsilon: Float = 1e-6, in scope: Scope) {
    weight = scope.parameter("weight", [channels], .constant(1))
    self.epsilon = epsilon
  }

  /// The normalized rows.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.rootMeanSquareNormalized(scale: weight, epsilon: epsilon)
  }
}
