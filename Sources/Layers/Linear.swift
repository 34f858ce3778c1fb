import Autodiff

/// A linear map of the innermost axis, with a bias: of the channels of each pixel, of each row.
///
/// Input `[..., inputs]`, result `[..., outputs]`. It is a 1x1 convolution whose weight a checkpoint
/// stores as `[outputs, inputs]`.
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

  /// The mapped image or rows.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    if x.shape.rank == 4 { return x.convolved(with: weight, bias: bias, Convolution()) }
    return x.reshaped([1, 1, x.shape.rows, x.shape.channels])
      .convolved(with: weight, bias: bias, Convolution())
      .reshaped(Shape(x.shape.dimensions.dropLast() + [weight.shape[3]]))
  }
}

/// A table of trained vectors, looked up by index.
///
/// Indices `[...]`, result `[..., channels]`. The weight is `[count, channels]`, in a checkpoint too.
public struct Embedding {
  let weight: Tensor

  /// A table of `count` vectors, started normal.
  ///
  /// - Parameters:
  ///   - count: the number of vectors; an index outside `0 ..< count` gives NaN.
  ///   - channels: their dimension.
  ///   - deviation: the standard deviation of the first values.
  ///   - scope: where the parameter `weight` is declared.
  public init(_ count: Int, _ channels: Int, deviation: Float = 0.02, in scope: Scope) {
    weight = scope.parameter("weight", [count, channels], .normal(deviation: deviation))
  }

  /// The vectors at some indices.
  public func callAsFunction(_ indices: Tensor) -> Tensor { weight.gathered(at: indices) }
}
