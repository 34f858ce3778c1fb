/// Regret against any point `phi`, linear in the iterates.
extension AverageLossMonitor {
  /// A_T, `sum <theta_t - theta_{t+1}, theta_t>`.
  public var sumOfMotionDotIterate: Double { sums.motionDotIterate }

  /// `sum eta_t <u_t, theta_t - phi> = A_T - <phi, theta_1 - theta_{T+1}>`.
  ///
  /// For plain gradient descent on convex losses no less than `sum eta_t (l_t(theta_t) - l_t(phi))`.
  /// - Parameter product: `<phi, theta_1 - theta_{T+1}>`.
  public func linearRegret(product: Double) -> Double { sums.motionDotIterate - product }

  /// How far the regret is from where geometry says it is, in units of the largest part: rounding alone.
  ///
  /// `2 sum eta_t <u_t, theta_t - phi> = |theta_1 - phi|^2 - |theta_{T+1} - phi|^2 + sum |theta_{t+1} - theta_t|^2`
  /// holds for any updates, losses and `phi`: more than some 1e-5 in single precision means that what is
  /// measured is not what is applied.
  /// - Parameters:
  ///   - product: `<phi, theta_1 - theta_{T+1}>`.
  ///   - firstSquared: `|theta_1 - phi|^2`.
  ///   - lastSquared: `|theta_{T+1} - phi|^2`.
  public func identityResidual(
    product: Double, firstSquared: Double, lastSquared: Double
  ) -> Double {
    let geometry = (firstSquared - lastSquared + sums.squaredMotion) / 2
    let parts = [
      sums.motionDotIterate, product, firstSquared / 2, lastSquared / 2, sums.squaredMotion / 2,
    ]
    let scale = parts.reduce(0) { max($0, $1.magnitude) }
    let difference = (linearRegret(product: product) - geometry).magnitude
    return scale > 0 ? difference / scale : difference
  }

  /// How a step's true gain compares to what its gradient promised, on the same batch.
  ///
  /// `rho = (l_t(theta_t) - l_t(theta_{t+1})) / <theta_t - theta_{t+1}, g_t>`. Where the loss is convex
  /// it is at most 1; above, it curves downwards along the step; below 0 the step went too far.
  /// nil where nothing was promised.
  public static func localConvexity(
    measuredDecrease: Double, predictedDecrease: Double
  ) -> Double? {
    predictedDecrease == 0 ? nil : measuredDecrease / predictedDecrease
  }
}
