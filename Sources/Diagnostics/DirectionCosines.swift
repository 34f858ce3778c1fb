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

/// ``DirectionCosines`` of tensors, of the modules they belong to, and of all.
///
/// The decomposition nests: the modules are the groups of the whole, and each has its own tensors for
/// groups. Sums add, so nothing is computed twice.
public struct NestedCosines: Sendable, Equatable {
  /// All tensors, side by side.
  public let tensors: DirectionCosines
  /// The modules' names, in the order of their first tensors.
  public let names: [String]
  /// The modules as groups of the whole.
  public let modules: DirectionCosines
  /// Each module by itself, in the order of the names: its tensors are the groups.
  public let within: [DirectionCosines]

  /// From the sums of each tensor and the name of its module.
  public init(tensors sums: [DirectionCosines.Sums], modules: [String]) {
    precondition(sums.count == modules.count, "a module for each tensor")
    var names: [String] = []
    var members: [String: [DirectionCosines.Sums]] = [:]
    for (name, sum) in zip(modules, sums) {
      if members[name] == nil { names.append(name) }
      members[name, default: []].append(sum)
    }
    tensors = DirectionCosines(groups: sums)
    within = names.map { DirectionCosines(groups: members[$0] ?? []) }
    self.modules = DirectionCosines(groups: within.map(\.total))
    self.names = names
  }
}

/// Where the cosine over all says something else than those of the groups: Simpson's paradox.
public struct CosineReversals: Sendable, Equatable {
  /// The observation that started it: local cosines held above 0.1, and a global one below.
  public static let standardThreshold = 0.1
  /// By how much the plain mean of the local cosines exceeds the global one in S2.
  public static let wideGap = 0.2

  /// S1: every local cosine is at least the threshold, the global one is below it.
  public let isBelowAllLocals: Bool
  /// S2: the plain mean of the local cosines lies more than ``wideGap`` above the global one.
  public let isBelowMean: Bool
  /// S3: more than half of the local cosines have the opposite sign of the global one.
  ///
  /// Without centring it takes local cosines of both signs.
  public let isOpposite: Bool
  /// The least local cosine minus the global one; nil where there is none.
  public let margin: Double?

  /// Looks for reversals; groups without a cosine are skipped.
  public init(_ cosines: DirectionCosines, threshold: Double = standardThreshold) {
    let locals = cosines.locals.compactMap { $0 }
    guard let global = cosines.global, let least = locals.min() else {
      (isBelowAllLocals, isBelowMean, isOpposite, margin) = (false, false, false, nil)
      return
    }
    isBelowAllLocals = least >= threshold && global < threshold
    isBelowMean = locals.reduce(0, +) / Double(locals.count) - global > Self.wideGap
    isOpposite = 2 * locals.count { $0 * global < 0 } > locals.count
    margin = least - global
  }

  /// The names of those that hold: "S1", "S2", "S3".
  public var names: [String] {
    [("S1", isBelowAllLocals), ("S2", isBelowMean), ("S3", isOpposite)].filter(\.1).map(\.0)
  }
}

/// How noisy gradients are, by the cosines of each with the one before.
///
/// For gradients `g = gbar + noise` of independent batches the expected cosine is `1 / (1 + N)`, with
/// `N = tr(Sigma) / |gbar|^2`, the squared noise of a batch's gradient against its squared mean. So the mean
/// over a window of recent cosines tells `N = 1 / mean - 1`.
public struct SuccessiveGradients: Sendable, Equatable {
  /// How many of the last cosines count.
  public let window: Int
  /// The cosines that count, the oldest first.
  public private(set) var cosines: [Double] = []

  /// None yet.
  public init(window: Int = 20) {
    precondition(window > 0, "a window has a place")
    self.window = window
  }

  /// The cosines that count; `init(window:state:)` takes them back bit for bit.
  public var state: [Double] { cosines }

  /// Continues from a ``state``; nil if there are more than the window holds.
  public init?(window: Int, state: [Double]) {
    guard window > 0, state.count <= window else { return nil }
    self.window = window
    cosines = state
  }

  /// Takes in the cosine of two successive gradients; NaN is skipped.
  public mutating func record(_ cosine: Double) {
    guard !cosine.isNaN else { return }
    if cosines.count == window { cosines.removeFirst() }
    cosines.append(cosine)
  }

  /// The last cosine.
  public var last: Double? { cosines.last }

  /// The mean over the window.
  public var mean: Double? {
    cosines.isEmpty ? nil : cosines.reduce(0, +) / Double(cosines.count)
  }

  /// `N`, 0 without noise; nil where the mean is not positive, and noise is all there is.
  public var noiseRatio: Double? {
    guard let mean, mean > 0 else { return nil }
    return 1 / mean - 1
  }
}
