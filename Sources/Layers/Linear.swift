import Autodiff

/// A linear map of the channels of each pixel, with a bias.
///
/// Image `[N, H, W, inputs]`, result `[N, H, W, outputs]`. It is a 1x1 convolution whose weight a
/// checkpoint stores as `[outputs, inputs]`.
public struct Linear {
  let weight: Tensor
  let bias: Tensor

  /// A linear map, started uniform in `±1 / sqrt(inputs)`.
  public init(_ inputs: Int, _ outputs: Int, in scope: Scope) {
    let bound = 1 / Float(inputs).squareRoot()
    weight = scope.parameter(
      "weight", [1, 1, inputs, outputs], .uniform(bound: bound), layout: .linear, decays: true)
    bias = scope.parameter("bias", [outputs], .uniform(bound: bound))
  }

  /// The mapped image.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.convolved(with: weight, bias: bias, Convolution())
  }
}
