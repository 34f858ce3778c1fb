import Autodiff

/// Tokens of several indices: how the indices of all depths lie in one tensor.
enum TokenDepth {
  /// `[N, h, w]` for each depth, as `[N, h, w, depth]`.
  static func stacked(_ indices: [Tensor]) -> Tensor {
    .concatenatingChannels(
      of: indices.map { $0.reshaped(Shape($0.shape.dimensions + [1])) })
  }

  /// `[N, h, w, depth]` as `[N, h, w]` for each depth.
  static func separated(_ indices: Tensor) -> [Tensor] {
    let grid = Shape(indices.shape.dimensions.dropLast())
    return (0..<indices.shape.channels).map { indices.channels($0..<$0 + 1).reshaped(grid) }
  }
}
