import Autodiff

/// A convolution with trained filter and bias.
///
/// Image `[N, H, W, inputs]`, result `[N, H', W', outputs]`. The filter lies in memory as
/// `[kh, kw, inputs, outputs]` and in a checkpoint as `[outputs, inputs, kh, kw]`.
public struct Conv2D {
  /// How the first filter is drawn: uniform in `±gain * sqrt(3 / (kh * kw * inputs))`.
  public enum Start: Sendable {
    /// Gain `1 / sqrt(3)`, as PyTorch's convolutions have: the result is a little quieter than
    /// the image. Right in front of a normalization, which undoes it.
    case damping
    /// Gain 1: the result varies as much as the image does. Right where no normalization
    /// follows, as around a bottleneck, whose vectors should fill its codes from the first step.
    case preservingVariance

    var gain: Float { self == .damping ? 1 / Float(3).squareRoot() : 1 }
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
    weight = scope.parameter(
      "weight", [kernel, kernel, inputs, outputs],
      .uniform(bound: bound * start.gain * Float(3).squareRoot()), layout: .convolution,
      decays: true)
    bias = scope.parameter("bias", [outputs], .uniform(bound: bound))
    convolution = Convolution(
      stride: stride, padding: padding ?? Convolution.Padding(all: kernel / 2))
  }

  /// The convolved image.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.convolved(with: weight, bias: bias, convolution)
  }
}
