import Autodiff

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
