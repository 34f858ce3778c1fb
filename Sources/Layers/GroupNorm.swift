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
