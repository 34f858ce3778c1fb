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

  /// One map, or two in turn where the layer is compressed.
  private let maps: [Map]

  private struct Map {
    let weight: Tensor
    let bias: Tensor?
    let convolution: Convolution
  }

  /// A convolution that keeps the image's size, unless a stride or padding says otherwise.
  ///
  /// Where the scope gives it a rank r, it is the product of two, declared as `0` and `1`: one that filters
  /// and one of 1x1, whose bias is the second one's, with r channels between them.
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
    let filtering = Convolution(
      stride: stride, padding: padding ?? Convolution.Padding(all: kernel / 2))
    func map(
      _ inputs: Int, _ outputs: Int, _ kernel: Int, hasBias: Bool, _ scope: Scope,
      _ convolution: Convolution
    ) -> Map {
      let bound = 1 / Float(kernel * kernel * inputs).squareRoot()
      let initializer: Initializer
      switch start {
      case .damping: initializer = .uniform(bound: bound)
      case .preservingVariance: initializer = .uniform(bound: bound * Float(3).squareRoot())
      case .orthogonal: initializer = .orthogonal
      }
      return Map(
        weight: scope.parameter(
          "weight", [kernel, kernel, inputs, outputs], initializer, layout: .convolution,
          decays: true),
        bias: hasBias ? scope.parameter("bias", [outputs], .uniform(bound: bound)) : nil,
        convolution: convolution)
    }
    guard let rank = scope.rank else {
      maps = [map(inputs, outputs, kernel, hasBias: true, scope, filtering)]
      return
    }
    let (first, second) = scope.isPointwiseFirst ? (1, kernel) : (kernel, 1)
    maps = [
      map(
        inputs, rank, first, hasBias: false, scope["0"],
        scope.isPointwiseFirst ? Convolution() : filtering),
      map(
        rank, outputs, second, hasBias: true, scope["1"],
        scope.isPointwiseFirst ? filtering : Convolution()),
    ]
  }

  /// The convolved image.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    maps.reduce(x) { $0.convolved(with: $1.weight, bias: $1.bias, $1.convolution) }
  }
}

/// Halves an image by a 3x3 convolution of stride 2, padded on the right and at the bottom, or on all sides.
///
/// `[N, 2H, 2W, C]` becomes `[N, H, W, C]`.
public struct Downsample {
  let conv: Conv2D

  /// A halving of images of some number of channels.
  public init(_ channels: Int, isPaddedAround: Bool = false, in scope: Scope) {
    conv = Conv2D(
      channels, channels, stride: 2,
      padding: isPaddedAround ? .init(all: 1) : .init(bottom: 1, right: 1), in: scope["conv"])
  }

  /// The image at half size.
  public func callAsFunction(_ x: Tensor) -> Tensor { conv(x) }
}

/// Doubles an image by repeating its pixels, then smooths it by a 3x3 convolution; or makes four times the
/// channels by a 3x3 convolution, which become blocks of 2x2 pixels: channel `(2 r + s) C + c` is pixel (r, s) of
/// channel c.
///
/// `[N, H, W, C]` becomes `[N, 2H, 2W, C]`.
public struct Upsample {
  let conv: Conv2D
  let isDepthToSpace: Bool

  /// A doubling of images of some number of channels.
  public init(_ channels: Int, isDepthToSpace: Bool = false, in scope: Scope) {
    self.isDepthToSpace = isDepthToSpace
    conv = Conv2D(channels, isDepthToSpace ? 4 * channels : channels, in: scope["conv"])
  }

  /// The image at double size.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    isDepthToSpace ? conv(x).depthToSpace(by: 2) : conv(x.upsampled(by: 2))
  }
}

/// Two normalized convolutions, added to their input.
///
///     y = conv2(silu(norm2(conv1(silu(norm1(x)))))) + shortcut(x)
///
/// The shortcut is a 1x1 convolution where the number of channels changes, else the input
/// itself. Where the scope gives the block a width, only so many channels lie between the two
/// convolutions: whole groups of `norm2`, which then has fewer groups of the same size. Source: He et
/// al., "Identity mappings in deep residual networks", 2016.
public struct ResidualBlock {
  let norm1, norm2: GroupNorm
  let conv1, conv2: Conv2D
  let shortcut: Conv2D?

  /// A block from some number of channels to another, both multiples of `groups`.
  public init(_ inputs: Int, _ outputs: Int, groups: Int, in scope: Scope) {
    norm1 = GroupNorm(inputs, groups: groups, activation: .silu, in: scope["norm1"])
    let inner = scope.width ?? outputs
    conv1 = Conv2D(inputs, inner, in: scope["conv1"])
    norm2 = GroupNorm(
      inner, groups: inner * groups / outputs, activation: .silu, in: scope["norm2"])
    conv2 = Conv2D(inner, outputs, in: scope["conv2"])
    shortcut =
      inputs == outputs ? nil : Conv2D(inputs, outputs, kernel: 1, in: scope["conv_shortcut"])
  }

  /// The image, refined.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    conv2(norm2(conv1(norm1(x)))) + (shortcut?(x) ?? x)
  }
}

/// A linear map of the innermost axis: of the channels of each pixel, of each row.
///
/// Input `[..., inputs]`, result `[..., outputs]`. It is a 1x1 convolution whose weight a checkpoint
/// stores as `[outputs, inputs]`.
public struct Linear {
  /// One map, or two in turn where the layer is compressed.
  private let weights: [Tensor]
  private let bias: Tensor?

  /// A linear map.
  ///
  /// Where the scope gives it a rank r, it is the product of two, declared as `0` and `1`, with r channels
  /// between them.
  ///
  /// - Parameters:
  ///   - inputs: channels of a row.
  ///   - outputs: channels of the result.
  ///   - hasBias: whether a trained vector is added.
  ///   - start: how the first weights are drawn; uniform in `±1 / sqrt(inputs)`, as the bias is, if
  ///     nothing is said.
  ///   - scope: where the parameters `weight` and `bias` are declared.
  public init(
    _ inputs: Int, _ outputs: Int, hasBias: Bool = true, start: Initializer? = nil, in scope: Scope
  ) {
    func weight(_ inputs: Int, _ outputs: Int, _ scope: Scope) -> Tensor {
      scope.parameter(
        "weight", [1, 1, inputs, outputs],
        start ?? .uniform(bound: 1 / Float(inputs).squareRoot()), layout: .linear, decays: true)
    }
    let last: Scope
    if let rank = scope.rank {
      last = scope["1"]
      weights = [weight(inputs, rank, scope["0"]), weight(rank, outputs, last)]
    } else {
      last = scope
      weights = [weight(inputs, outputs, scope)]
    }
    // A map that starts at zero does so with its bias.
    let ofBias =
      start == .constant(0)
      ? Initializer.constant(0) : .uniform(bound: 1 / Float(inputs).squareRoot())
    bias = hasBias ? last.parameter("bias", [outputs], ofBias) : nil
  }

  /// The mapped image or rows.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    var y = x.shape.rank == 4 ? x : x.reshaped([1, 1, x.shape.rows, x.shape.channels])
    for (index, weight) in weights.enumerated() {
      y = y.convolved(
        with: weight, bias: index == weights.count - 1 ? bias : nil, Convolution())
    }
    return x.shape.rank == 4
      ? y : y.reshaped(Shape(x.shape.dimensions.dropLast() + [y.shape.channels]))
  }

  /// A vector `[outputs]` of one value, as a tensor that depends on parameters alone; the map has a bias.
  public func constant(_ value: Float) -> Tensor {
    guard let bias else { preconditionFailure("a map with a bias") }
    return bias.stoppingGradient() * 0 + value
  }

  /// The mapped rows `[N, outputs]` of few rows `[N, inputs]`, as a step of a sequence has.
  ///
  /// The weights are arranged for them once an update. It has no gradient.
  public func applied(toFewRows x: Tensor) -> Tensor {
    let y = weights.reduce(x) { $0.fewRows(times: $1) }
    return bias.map { y + $0.broadcast(to: y.shape) } ?? y
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
