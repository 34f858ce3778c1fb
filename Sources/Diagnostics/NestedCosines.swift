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
