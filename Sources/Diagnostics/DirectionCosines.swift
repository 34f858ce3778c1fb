/// How well an update agrees with the gradient, group by group and in all.
///
/// For the groups `l` of an update `u` and a gradient `g`, with the norm profiles `a_l = |u_l| / |u|` and
/// `b_l = |g_l| / |g|` and the local cosines `c_l`:
///
///     cos(u, g) = sum a_l b_l c_l = kappa cbar
///     kappa = sum a_l b_l,  cbar = sum a_l b_l c_l / kappa
///
/// so that there are two ways to a low cosine: profiles that do not match, or bad local directions. Always
/// `min(0, min c) <= cos(u, g) <= max(0, max c)`. Su, kexue.fm 9931.
public struct DirectionCosines: Sendable, Equatable {
  /// What is added up over the numbers of a group.
  public struct Sums: Sendable, Equatable {
    /// `|u|^2`.
    public var updateSquared: Double
    /// `|g|^2`.
    public var gradientSquared: Double
    /// `<u, g>`.
    public var product: Double

    /// Sums, zero unless given.
    public init(updateSquared: Double = 0, gradientSquared: Double = 0, product: Double = 0) {
      self.updateSquared = updateSquared
      self.gradientSquared = gradientSquared
      self.product = product
    }

    /// The sums of two groups together.
    public static func + (left: Sums, right: Sums) -> Sums {
      Sums(
        updateSquared: left.updateSquared + right.updateSquared,
        gradientSquared: left.gradientSquared + right.gradientSquared,
        product: left.product + right.product)
    }

    /// `cos(u, g)`, -1...1; nil where a norm is below ``leastNorm``.
    public var cosine: Double? {
      let least = DirectionCosines.leastNorm * DirectionCosines.leastNorm
      guard updateSquared >= least, gradientSquared >= least else { return nil }
      let cosine = product / (updateSquared.squareRoot() * gradientSquared.squareRoot())
      // Sums in single precision may leave the range by their rounding.
      return min(1, max(-1, cosine))
    }
  }

  /// Norms below this count as zero.
  public static let leastNorm = 1e-30

  /// The sums of each group.
  public let groups: [Sums]
  /// The sums over all groups.
  public let total: Sums
  /// `c_l`, in the order of the groups; nil where a norm is zero.
  public let locals: [Double?]

  /// The cosines of groups.
  public init(groups: [Sums]) {
    self.groups = groups
    total = groups.reduce(Sums(), +)
    locals = groups.map(\.cosine)
  }

  /// Groups that have no cosine.
  public var zeroGroups: Int { locals.count { $0 == nil } }

  /// `cos(u, g)` over all groups; nil where a norm is zero.
  public var global: Double? { total.cosine }

  /// The cosine of the norm profiles, `sum a_l b_l`, 0...1; nil where there is no global cosine.
  public var kappa: Double? { global == nil ? nil : min(1, sumOfNorms / profileScale) }

  /// `cbar`, the mean of the local cosines weighted by `a_l b_l`; nil where all weights are zero.
  public var localMean: Double? {
    guard global != nil else { return nil }
    let weights = sumOfNorms
    guard weights > 0 else { return nil }
    return zip(groups, locals).reduce(0) { $0 + normProduct($1.0) * ($1.1 ?? 0) } / weights
  }

  /// `a_l^2`, each group's part of `|u|^2`; all zero where nothing moved.
  public var updateShares: [Double] { shares(\.updateSquared) }
  /// `b_l^2`, each group's part of `|g|^2`; all zero where there is no gradient.
  public var gradientShares: [Double] { shares(\.gradientSquared) }
  /// Each group's part of ``predictedDecrease``, which may be negative or above 1; all zero where that is 0.
  public var decreaseShares: [Double] { shares(\.product) }

  /// `<u, g>`: by how much the loss falls to first order, where `u = theta_t - theta_{t+1}`.
  public var predictedDecrease: Double { total.product }

  private func shares(_ part: (Sums) -> Double) -> [Double] {
    let whole = part(total)
    return groups.map { whole == 0 ? 0 : part($0) / whole }
  }

  private var profileScale: Double {
    total.updateSquared.squareRoot() * total.gradientSquared.squareRoot()
  }

  private var sumOfNorms: Double { groups.reduce(0) { $0 + normProduct($1) } }

  private func normProduct(_ sums: Sums) -> Double {
    sums.updateSquared.squareRoot() * sums.gradientSquared.squareRoot()
  }
}
