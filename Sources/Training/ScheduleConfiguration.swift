import Configuration

/// How the step size changes during a run, as a share of the optimizer's learning rate.
///
/// Every schedule first rises linearly from 0 to 1 over `warmup` steps.
public enum ScheduleConfiguration: Sendable, Equatable {
  /// Stays at 1.
  case constant(WarmupConfiguration)
  /// Falls on a straight line to `finalShare` at the last step.
  case linear(DecayConfiguration)
  /// Falls on half a cosine to `finalShare` at the last step.
  case cosine(DecayConfiguration)
  /// Falls as `sqrt(max(warmup, 1) / step)`.
  case inverseSquareRoot(WarmupConfiguration)

  /// Steps over which the step size rises from 0 to its peak.
  public var warmup: Int {
    switch self {
    case .constant(let configuration), .inverseSquareRoot(let configuration): configuration.warmup
    case .linear(let configuration), .cosine(let configuration): configuration.warmup
    }
  }
}

/// A schedule that needs to know only its warm-up.
public struct WarmupConfiguration: Sendable, Equatable {
  /// Steps over which the step size rises from 0 to its peak.
  public var warmup: Int

  /// Describes a warm-up.
  public init(warmup: Int = 0) {
    self.warmup = warmup
  }
}

/// A schedule that falls from its peak to a share of it at the last step.
public struct DecayConfiguration: Sendable, Equatable {
  /// Steps over which the step size rises from 0 to its peak.
  public var warmup: Int
  /// Share of the peak that is left at the last step.
  public var finalShare: Double

  /// Describes a decay.
  public init(warmup: Int = 0, finalShare: Double = 0) {
    self.warmup = warmup
    self.finalShare = finalShare
  }
}
