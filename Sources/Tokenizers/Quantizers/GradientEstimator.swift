import Autodiff

/// How the gradient at a code reaches the vector that the code replaced.
public enum GradientEstimator: Sendable, Equatable {
  /// Unchanged.
  case straightThrough
  /// Rotated as the code is against the vector, and scaled (Fifty et al., 2410.06424).
  case rotation(Rotation.Scale)
  /// Shared out: the code gets what points along the way from the vector to it, the vector the rest
  /// (DiVeQ-detach, kexue.fm 11328).
  case directed

  /// The estimator that a configuration names.
  public init(_ configuration: CodebookConfiguration.Gradient) {
    switch configuration {
    case .straightThrough: self = .straightThrough
    case .rotation: self = .rotation(.codeOverEncoding)
    case .unitRotation: self = .rotation(.unit)
    case .diveq: self = .directed
    }
  }

  /// The code's value to the last bit, with this estimator's gradient.
  func pass(_ code: Tensor, from vector: Tensor) -> Tensor {
    switch self {
    case .straightThrough: return vector.straightThrough(to: code)
    case .rotation(let scale): return vector.rotated(to: code, scale: scale)
    case .directed: return vector.directed(to: code)
    }
  }
}
