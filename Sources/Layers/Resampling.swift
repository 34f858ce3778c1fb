import Autodiff

/// Halves an image by a 3x3 convolution of stride 2, padded on the right and at the bottom.
///
/// `[N, 2H, 2W, C]` becomes `[N, H, W, C]`.
public struct Downsample {
  let conv: Conv2D

  /// A halving of images of some number of channels.
  public init(_ channels: Int, in scope: Scope) {
    conv = Conv2D(
      channels, channels, stride: 2, padding: .init(bottom: 1, right: 1), in: scope["conv"])
  }

  /// The image at half size.
  public func callAsFunction(_ x: Tensor) -> Tensor { conv(x) }
}

/// Doubles an image by repeating its pixels, then smooths it by a 3x3 convolution.
///
/// `[N, H, W, C]` becomes `[N, 2H, 2W, C]`.
public struct Upsample {
  let conv: Conv2D

  /// A doubling of images of some number of channels.
  public init(_ channels: Int, in scope: Scope) {
    conv = Conv2D(channels, channels, in: scope["conv"])
  }

  /// The image at double size.
  public func callAsFunction(_ x: Tensor) -> Tensor { conv(x.upsampled(by: 2)) }
}
