/// A point of a curve; a `y` that is not finite is a gap.
public struct Point: Sendable, Equatable {
  /// Along the horizontal axis.
  public var x: Double
  /// Along the vertical axis.
  public var y: Double

  /// A point.
  public init(_ x: Double, _ y: Double) {
    self.x = x
    self.y = y
  }
}
