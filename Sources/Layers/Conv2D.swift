import Autodiff

/// A convolution with trained filter and bias.
///
/// Image `[N, H, W, inputs]`, result `[N, H', W', outputs]`. The filter lies in memory as
/// `[kh, kw, inputs, outputs]` and in a checkpoint as `[outputs, inputs, kh, kw]`.
public struct Conv2D {
  /// How the first filter is drawn.
  public enum Start: Sendable {
    /// Uniform in `±1 / sqrt(kh * kw * inputs)`, as PyTorch's convolutions are: the result is
    /// quieter than the image. Right in front of a normalization, which undoes it.
    case damping
    /// Uniform in `±sqrt(3 / (kh * kw * inputs))`: the result varies as much as the image does.
    /// Right where no normalization follows.
    case preservingVariance
    /// For 1x1 filters: a random orthogonal map, which keeps all directions apart as well.
    case orthogonal
  }

  let weight: Tensor
  let bias: Tensor
  let convolution: Convolution

  /// A convolution that keeps the image's size, unless a stride or padding says otherwise.
  ///
  /// - Parameters:
  ///   - inputs: channels of the image.
  ///   - outputs: channels of the result.
  ///   - kernel: the side of the filter.
  ///   - stride: pixels that the filter moves between results.
  ///   - padding: zeros around the image; half the kernel on each side by default.
  ///   - start: how the first filter is drawn; the bias is uniform in
  ///     `±1 / sqrt(kh * kw * inputs)`.
  ///   - scope: where the parameters `weight` and `bias` are declared.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1,
    padding: Convolution.Padding? = nil, start: Start = .damping, in scope: Scope
  ) {
    let bound = 1 / Float(kernel * kernel * inputs).squareRoot()
    let initializer: Initializer
    switch start {
    case .damping: initializer = .uniform(bound: bound)
    case .preservingVariance: initializer = .uniform(bound: bound * Float(3).squareRoot())
    case .orthogonal: initializer = .orthogonal
    }
    weight = scope.parameter(
      "weight", [kernel, kernel, inputs, outputs], initializer, layout: .convolution, decays: true)
    bias = scope.parameter("bias", [outputs], .uniform(bound: bound))
    convolution = Convolution(
      stride: stride, padding: padding ?? Convolution.Padding(all: kernel / 2))
  }

  /// The convolved image.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.convolved(with: weight, bias: bias, convolution)
  }
}
