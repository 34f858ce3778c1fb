import Autodiff

/// Attention of each query to all keys, head by head.
///
///     softmax(q k^T / sqrt(C / heads)) v, for each head's channels by themselves
///
/// Query `[N, T, C]`, key and value `[N, S, C]`, result `[N, T, C]`; head `h` has the channels from
/// `h C / heads` on. Source: Vaswani et al., "Attention is all you need", 2017.
///
/// - Parameters:
///   - heads: a divisor of the channels.
///   - isCausal: whether each place attends to itself and those before it alone; then T is S.
public func attention(
  query: Tensor, key: Tensor, value: Tensor, heads: Int = 1, isCausal: Bool = false
) -> Tensor {
  query.attending(key: key, value: value, heads: heads, isCausal: isCausal)
}

/// Self-attention of the places of a sequence with several heads, between linear maps.
///
///     y = out(attention(to_q(x), to_k(x), to_v(x)))
///
/// Sequence `[N, T, C]`, result `[N, T, C]`. Its parameters are those of `diffusers`' attention:
/// `to_q`, `to_k`, `to_v`, `to_out.0`.
public struct MultiHeadAttention {
  let query, key, value, output: Linear
  let heads: Int
  let isCausal: Bool

  /// Attention over sequences of a number of channels.
  ///
  /// - Parameters:
  ///   - channels: channels of a place, a multiple of `heads`.
  ///   - heads: how many parts the channels are split into, each with weights of its own.
  ///   - isCausal: whether each place attends to itself and those before it alone.
  ///   - scope: where the parameters are declared.
  public init(_ channels: Int, heads: Int, isCausal: Bool = false, in scope: Scope) {
    self.heads = heads
    self.isCausal = isCausal
    query = Linear(channels, channels, in: scope["to_q"])
    key = Linear(channels, channels, in: scope["to_k"])
    value = Linear(channels, channels, in: scope["to_v"])
    output = Linear(channels, channels, in: scope["to_out"]["0"])
  }

  /// The sequence, each place informed by those that it attends to.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    output(
      attention(
        query: query(x), key: key(x), value: value(x), heads: heads, isCausal: isCausal))
  }
}

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
    let h = norm(x)
    guard x.shape.rank == 4 else {
      return x.graph.refuse(
        "attention of pixels takes [N, H, W, C]; it was given \(x.shape)", like: h)
    }
    let pixels: Shape = [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]
    let attended = attention(
      query: query(h).reshaped(pixels), key: key(h).reshaped(pixels),
      value: value(h).reshaped(pixels))
    return output(attended.reshaped(x.shape)) + x
  }
}
