/// One update of the parameters, and what it is to measure and keep.
///
/// Measurements that are not requested cost nothing.
public struct UpdateRequest: Sendable {
  /// An average of the parameters over steps, and how far it moves towards them.
  public struct Average: Sendable, Equatable {
    /// Its name.
    public let name: String
    /// The fraction of the way, 0...1.
    public let share: Double
    /// The fraction of the way to the held parameters, applied first (two-step lerp); nil if none
    /// are held.
    public let heldShare: Double?

    /// An average that moves.
    public init(name: String, share: Double, heldShare: Double? = nil) {
      self.name = name
      self.share = share
      self.heldShare = heldShare
    }
  }

  /// The optimizer, with the numbers of this step.
  public var rule: UpdateRule
  /// The factor applied to gradients first: less than 1 if they are clipped.
  public var gradientScale: Float
  /// Averages that move towards the parameters as they are before the update.
  public var averages: [Average] = []
  /// Whether to hold the parameters as they are before the update, for averages that move later: two
  /// moves in one pass read and write the averages half as often.
  public var holdsParameters = false
  /// Whether to measure how far the parameters move, and how far they are from their initial
  /// values.
  public var measuresMotion = false
  /// Whether to measure, for each parameter, the cosine between motion and gradient.
  public var measuresDirections = false
  /// Whether to measure the cosine between the gradient and the one that was kept.
  public var comparesGradients = false
  /// Whether to keep the gradient for the next update.
  public var keepsGradient = false

  /// An update that measures nothing.
  public init(_ rule: UpdateRule, gradientScale: Float = 1) {
    self.rule = rule
    self.gradientScale = gradientScale
  }
}

/// What an update measured.
///
/// Sums are in double precision, over the gradients of all lanes.
///
/// The motion is `d = theta_t - theta_(t+1)`, as the parameters hold it: the learning rate and all
/// that the optimizer makes of a gradient are in it.
public struct UpdateMeasurement: Sendable, Equatable {
  /// One parameter's sums.
  public struct Direction: Sendable, Equatable {
    /// `|d|^2`.
    public var motion = 0.0
    /// `|g|^2`, the gradient before clipping.
    public var gradient = 0.0
    /// `<d, g>`: the decrease of the loss to first order.
    public var product = 0.0
    /// `|g'|^2` of the gradient that was kept.
    public var keptGradient = 0.0
    /// `<g, g'>`.
    public var keptProduct = 0.0

    /// Adds the sums of another part of the same parameter.
    static func += (sum: inout Direction, part: Direction) {
      sum.motion += part.motion
      sum.gradient += part.gradient
      sum.product += part.product
      sum.keptGradient += part.keptGradient
      sum.keptProduct += part.keptProduct
    }
  }

  /// `|d|^2`.
  public var motion = 0.0
  /// `|theta_(t+1)|^2`.
  public var length = 0.0
  /// `|theta_(t+1) - theta_1|^2`.
  public var displacement = 0.0
  /// Sums by parameter, in the order of the layout; empty where they were not asked for.
  public var directions: [Direction] = []
}
