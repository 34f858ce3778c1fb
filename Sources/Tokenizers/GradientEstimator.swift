import Autodiff

/// How the gradient at a code reaches the vector that the code replaced.
public enum GradientEstimator: Sendable {
  /// Unchanged.
  case straightThrough
  /// Rotated and rescaled as the code is against the vector (Fifty et al., 2410.06424).
  case rotation

  /// The estimator that a configuration names.
  public init(_ configuration: VectorConfiguration.Gradient) {
    switch configuration {
    case .straightThrough: self = .straightThrough
    case .rotation: self = .rotation
    }
  }

  /// The code's value to the last bit, with this estimator's gradient towards the vector.
  func pass(_ code: Tensor, from vector: Tensor) -> Tensor {
    switch self {
    case .straightThrough: return vector.straightThrough(to: code)
    case .rotation: return vector.rotated(to: code)
    }
  }
}
