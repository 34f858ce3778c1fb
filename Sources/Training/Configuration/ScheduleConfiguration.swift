import Configuration
import Foundation

/// Learning-rate schedule, as a fraction of the optimizer's learning rate.
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

/// A schedule that decays from its peak to a fraction of it at the last step.
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

extension ScheduleConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "How the learning rate changes during a run."
  /// Constant, without warm-up.
  public static let standard = ScheduleConfiguration.constant(.standard)

  /// Declares the kinds, `constant`, `linear`, `cosine` and `inverseSquareRoot`.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant(
      "type", &self,
      [
        ConfigurationVariant("constant", Self.constant) {
          if case .constant(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("linear", Self.linear) {
          if case .linear(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("cosine", Self.cosine) {
          if case .cosine(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("inverseSquareRoot", Self.inverseSquareRoot) {
          if case .inverseSquareRoot(let part) = $0 { part } else { nil }
        },
      ])
  }
}

extension WarmupConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Linear warm-up, then constant, or decay with the inverse square root of the step."
  /// No warm-up.
  public static let standard = WarmupConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    declareWarmup(&fields, &warmup)
  }
}

extension DecayConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Linear warm-up, then linear or cosine decay to the end of the run."
  /// No warm-up, down to zero.
  public static let standard = DecayConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    declareWarmup(&fields, &warmup)
    fields.number(
      "finalShare", &finalShare, in: .between(0, 1),
      "Learning rate at the last step, as a fraction of the peak.")
  }
}

/// The field all schedules share.
private func declareWarmup(_ fields: inout ConfigurationFields, _ warmup: inout Int) {
  fields.integer(
    "warmup", &warmup, in: .atLeast(0),
    "Steps over which the learning rate rises from 0 to its peak.")
}

extension ScheduleConfiguration {
  /// The fraction of the peak learning rate at a step.
  ///
  ///     warm-up              (step + 1) / warmup         while step < warmup
  ///     constant             1
  ///     linear               1 - (1 - finalShare) p      p: fraction of the remaining steps done
  ///     cosine               finalShare + (1 - finalShare) (1 + cos(pi p)) / 2
  ///     inverse square root  sqrt(w / (step + 1))        w = max(warmup, 1)
  ///
  /// - Parameters:
  ///   - step: counted from 0.
  ///   - steps: the length of the run.
  public func share(ofStep step: Int, steps: Int) -> Double {
    if step < warmup { return Double(step + 1) / Double(warmup) }
    let done = Double(step - warmup + 1) / Double(max(1, steps - warmup))
    switch self {
    case .constant:
      return 1
    case .linear(let decay):
      return 1 - (1 - decay.finalShare) * min(1, done)
    case .cosine(let decay):
      return decay.finalShare + (1 - decay.finalShare) * (1 + cos(.pi * min(1, done))) / 2
    case .inverseSquareRoot:
      return (Double(max(warmup, 1)) / Double(step + 1)).squareRoot()
    }
  }
}

extension TrainingConfiguration {
  /// The learning rate of a step, counted from 0.
  public func learningRate(ofStep step: Int) -> Double {
    optimizer.learningRate * schedule.share(ofStep: step, steps: steps)
  }
}
