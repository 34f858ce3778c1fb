/// How finite scalar quantization bounds a channel before it is rounded.
public enum LevelBoundForm: String, Sendable, Hashable, CaseIterable {
  /// The hyperbolic tangent of the paper, shifted for even numbers of levels: Mentzer et al.,
  /// 2309.15505.
  case tanh
  /// The hyperbolic tangent with half-widths of 1.001 instead of 0.999 levels, shifted by the inverse
  /// function, as vector-quantize-pytorch and Cosmos have it.
  case tanhWide = "tanh-wide"
  /// The logistic function, scaled to [0, levels - 1].
  case sigmoid
  /// The logistic function of 1.6 z, scaled likewise, by which a standard normal channel comes out
  /// nearly uniform (iFSQ). Best with odd levels, where 0 is the middle of one.
  case ifsq
}

/// The factor lambda by which the rotation trick scales the gradient.
public enum RotationScale: String, Sendable, Hashable, CaseIterable {
  /// `|q| / |z|`, as in the paper: the map takes z exactly to q.
  case codeOverEncoding
  /// 1: the gradient keeps its length.
  case unit
}

/// How the gradient g at a code q reaches the vector z that the code replaced.
public enum GradientEstimator: String, Sendable, Hashable, CaseIterable {
  /// Unchanged: g.
  case straightThrough = "straight-through"
  /// Rotated and rescaled as the code is against the vector: `lambda R^T g` with
  /// `lambda = |q| / |z|` (Fifty et al., 2410.06424).
  case rotation
  /// Rotated likewise, and not rescaled: `R^T g`, which keeps its length.
  case unitRotation = "rotation-unit"
  /// Shared out: the part along the way from the vector to the code goes to the code, the rest,
  /// `g - (g . d) d` with `d = (q - z) / |q - z|`, to the vector (DiVeQ-detach, kexue.fm 11328). The
  /// codebook needs no loss then: its weights may be 0.
  case diveq
}
