import Autodiff

/// Self-attention of all pixels of an image with one head, added to its input.
///
///     y = x + out(softmax(q k^T / sqrt(C)) v)      q, k, v: linear maps of norm(x)
///
/// Image `[N, H, W, C]`; the softmax is over H * W pixels. Source: Vaswani et al., "Attention is
/// all you need", 2017.
public struct AttentionBlock {
  let norm: GroupNorm
  let query, key, value, output: Linear

  /// Attention over images of a number of channels, a multiple of `groups`.
  public init(_ channels: Int, groups: Int, in scope: Scope) {
    norm = GroupNorm(channels, groups: groups, in: scope["group_norm"])
    query = Linear(channels, channels, in: scope["to_q"])
    key = Linear(channels, channels, in: scope["to_k"])
    value = Linear(channels, channels, in: scope["to_v"])
    output = Linear(channels, channels, in: scope["to_out"]["0"])
  }

  /// The image, each pixel informed by all others.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let pixels: Shape = [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]
    let h = norm(x)
    let attended = attention(
      query: query(h).reshaped(pixels), key: key(h).reshaped(pixels),
      value: value(h).reshaped(pixels))
    return output(attended.reshaped(x.shape)) + x
  }
}
