/// The contents of a memory block laid out like the parameters.
public struct ParameterBlock: Hashable, Sendable {
  /// The name, which checkpoints put before the names of its tensors.
  public let name: String

  private init(_ name: String) { self.name = name }

  /// The parameters themselves.
  public static let values = ParameterBlock("parameters")
  /// Adam's first moment, or the velocity of SGD.
  public static let firstMoment = ParameterBlock("moment1")
  /// Adam's second moment.
  public static let secondMoment = ParameterBlock("moment2")
  /// The parameters before the first step.
  public static let origin = ParameterBlock("origin")
  /// The gradient of the step before.
  public static let previousGradient = ParameterBlock("previousGradient")
  /// The parameters before an update, towards which averages have yet to move.
  public static let held = ParameterBlock("held")
  /// The parameters before the update that is being made, where no lane has room for them.
  static let before = ParameterBlock("before")

  /// An average of the parameters over steps, rounded to floats.
  public static func average(_ name: String) -> ParameterBlock { ParameterBlock("average." + name) }

  /// The low-order part of an average (double-float).
  public static func averageRest(_ name: String) -> ParameterBlock {
    ParameterBlock("averageRest." + name)
  }

  /// The blocks of every training run.
  public static let trained = [values, firstMoment, secondMoment]
}
