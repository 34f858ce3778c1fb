import Autodiff

/// Group normalization with trained scale and shift, epsilon 1e-6.
///
/// With `.silu` the activation is applied in the same pass over memory.
public struct GroupNorm {
  let weight: Tensor
  let bias: Tensor
  let groups: Int
  let activation: GroupNormalization.Fused

  /// A normalization, started at scale 1 and shift 0.
  ///
  /// - Parameters:
  ///   - channels: channels of the image, a multiple of `groups`.
  ///   - groups: how many groups the channels are split into.
  ///   - activation: what follows in the same pass.
  ///   - scope: where the parameters `weight` and `bias` are declared.
  public init(
    _ channels: Int, groups: Int, activation: GroupNormalization.Fused = .identity,
    in scope: Scope
  ) {
    weight = scope.parameter("weight", [channels], .constant(1))
    bias = scope.parameter("bias", [channels], .constant(0))
    self.groups = groups
    self.activation = activation
  }

  /// The normalized image.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.groupNormalized(
      groups: groups, scale: weight, shift: bias, epsilon: 1e-6, activation: activation)
  }
}

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
