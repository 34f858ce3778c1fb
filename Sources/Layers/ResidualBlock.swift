import Autodiff

/// Two normalized convolutions, added to their input.
///
///     y = conv2(silu(norm2(conv1(silu(norm1(x)))))) + shortcut(x)
///
/// The shortcut is a 1x1 convolution where the number of channels changes, else the input
/// itself. Source: He et al., "Identity mappings in deep residual networks", 2016.
public struct ResidualBlock {
  let norm1, norm2: GroupNorm
  let conv1, conv2: Conv2D
  let shortcut: Conv2D?

  /// A block from some number of channels to another, both multiples of `groups`.
  public init(_ inputs: Int, _ outputs: Int, groups: Int, in scope: Scope) {
    norm1 = GroupNorm(inputs, groups: groups, activation: .silu, in: scope["norm1"])
    conv1 = Conv2D(inputs, outputs, in: scope["conv1"])
    norm2 = GroupNorm(outputs, groups: groups, activation: .silu, in: scope["norm2"])
    conv2 = Conv2D(outputs, outputs, in: scope["conv2"])
    shortcut =
      inputs == outputs ? nil : Conv2D(inputs, outputs, kernel: 1, in: scope["conv_shortcut"])
  }

  /// The image, refined.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    conv2(norm2(conv1(norm1(x)))) + (shortcut?(x) ?? x)
  }
}
