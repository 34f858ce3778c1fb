import Autodiff
import Kernels

extension CPUBackend {
  /// The extents of a convolution that the kernels need.
  func geometry(_ rule: Convolution, image: Shape, filter: Shape) -> ConvolutionGeometry {
    var geometry = ConvolutionGeometry(
      batch: image[0], height: image[1], width: image[2], inputs: filter[2], outputs: filter[3],
      kernelHeight: filter[0], kernelWidth: filter[1], stride: rule.stride, top: rule.padding.top,
      bottom: rule.padding.bottom, left: rule.padding.left, right: rule.padding.right)
    geometry.algorithm = convolutions
    return geometry
  }
}

extension GroupNormalization {
  /// The extents that the kernels need, for an image `[N, ..., C]`.
  func geometry(_ image: Shape) -> GroupNormalizationGeometry {
    GroupNormalizationGeometry(
      batch: image[0], pixels: image.rows / image[0], channels: image.channels, groups: groups,
      epsilon: epsilon, activation: activation.kernel)
  }
}

extension GroupNormalization.Fused {
  var kernel: FusedActivation {
    switch self {
    case .identity: return .none
    case .silu: return .silu
    }
  }
}

extension Rotation.Scale {
  var kernel: RotationScale {
    switch self {
    case .codeOverEncoding: return .codeOverEncoding
    case .unit: return .unit
    }
  }
}

extension Autodiff.LevelBound.Form {
  var kernel: Kernels.LevelBound {
    switch self {
    case .tanh: return .tanh
    case .sigmoid: return .sigmoid
    case .ifsq: return .ifsq
    }
  }
}
