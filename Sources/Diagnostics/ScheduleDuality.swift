/// Schedules and averages are two sides of one thing.
///
/// With the same gradients, gradient descent with the rates `eta_t = w_t w_{t+1:T} / w_{1:T}` ends where
/// the `w`-weighted average of `z_{t+1} = z_t - w_t g_t` lies; `w_{a:b}` is a sum of weights. Constant
/// weights make linear decay to zero: the uniform average of a run with a constant rate is linear decay in
/// disguise. Defazio and others, "Optimal Linear Decay Learning Rate Schedules and Further
/// Refinements", arXiv 2310.07831.
public enum ScheduleDuality {
  /// The rates that stem from weights, `eta_t = w_t w_{t+1:T} / w_{1:T}`; the last is 0.
  public static func rates(weights: [Double]) -> [Double] {
    precondition(weights.allSatisfy { $0 > 0 }, "weights are positive")
    let total = weights.reduce(0, +)
    var (after, rates) = (0.0, weights)
    for i in weights.indices.reversed() {
      rates[i] = weights[i] * after / total
      after += weights[i]
    }
    return rates
  }

  /// The constant weight `w` that linear decay to zero stems from, `eta_t = w (1 - t/T)`; nil if the
  /// rates are anything else.
  ///
  /// `w = eta_1 T / (T - 1)`. Every rate must lie on the line to a millionth of `w`, so that rates
  /// that were rounded to single precision are recognised.
  public static func constantWeight(ofLinearDecay rates: [Double]) -> Double? {
    let T = Double(rates.count)
    guard rates.count > 1, rates[0] > 0 else { return nil }
    let weight = rates[0] * T / (T - 1)
    let onLine = rates.indices.allSatisfy {
      (rates[$0] - weight * (1 - Double($0 + 1) / T)).magnitude <= 1e-6 * weight
    }
    return onLine ? weight : nil
  }
}
