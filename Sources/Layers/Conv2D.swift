import Autodiff

/// A convolution with trained filter and bias.
///
/// Image `[N, H, W, inputs]`, result `[N, H', W', outputs]`. The filter lies in memory as
/// `[kh, kw, inputs, outputs]` and in a checkpoint as `[outputs, inputs, kh, kw]`. Both start
/// uniform in `±1 / sqrt(kh * kw * inputs)`, as PyTorch's do.
public struct Conv2D {
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
  ///   - scope: where the parameters `weight` and `bias` are declared.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1,
    padding: Convolution.Padding? = nil, in scope: Scope
  ) {
    let bound = 1 / Float(kernel * kernel * inputs).squareRoot()
    weight = scope.parameter(
      "weight", [kernel, kernel, inputs, outputs], .uniform(bound: bound), layout: .convolution,
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
