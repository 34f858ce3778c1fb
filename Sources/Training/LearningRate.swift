import Foundation

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
