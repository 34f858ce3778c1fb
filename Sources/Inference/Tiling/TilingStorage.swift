import Autodiff
import Execution

/// What the search for values that are worth storing knows of a network, by the numbers of its values.
final class TilingCosts {
  /// The values, parameters apart, that each is made of directly: those of the first, of the second, and so on.
  private let sources: [Int]
  private let firstSource: [Int]
  /// What each costs to compute of the whole image, as ``TileRecipe/cost``.
  let cost: [Double]
  /// Rows of each, and the bytes of one.
  let rows, rowBytes: [Int]
  /// Values that may be stored though they can be computed again.
  let candidates: [ValueID]

  private let map: TileMap
  private var arenas: [[ValueID]: Int] = [:]
  private var reads: [[ValueID]: [Int]] = [:]
  /// The number of the walk that came by each value last.
  private var stamps: [Int]
  private var stamp = 0
  private var pending: [Int] = []

  init(_ map: TileMap) {
    self.map = map
    let ids = map.graph.values.indices.map { ValueID($0) }
    var (all, first) = ([Int](), [0])
    for id in ids {
      if map.kind(id) != .parameter { all += map.sources(id).map(\.index) }
      first.append(all.count)
    }
    (sources, firstSource) = (all, first)
    cost = ids.map { id in
      guard map.kind(id) == .grid, let node = map.maker(id), map.rules[node] != nil else {
        return 0
      }
      let made = map.graph.nodes[node]
      let products = made.operation.multiplyAdds(
        inputs: made.inputs.map { map.shape($0) }, outputs: [map.shape(id)])
      return Double(products) + TileRecipe.resultCost * Double(map.shape(id).count)
    }
    rows = ids.map { map.kind($0) == .grid ? map.shape($0)[1] : 1 }
    rowBytes = ids.indices.map { [rows] in map.bytes(ids[$0]) / max(1, rows[$0]) }
    stamps = Array(repeating: 0, count: ids.count)
    // What a normalization needs all of, what all branches come together in, and what is small before it
    // becomes more pixels.
    var found: Set<ValueID> = []
    for (index, node) in map.graph.nodes.enumerated() {
      switch map.rules[index] {
      case .normalization, .upsampling: found.insert(node.inputs[0])
      case .shuffling(_, let source, _): found.insert(source)
      case .pointwise where node.inputs.count > 1: found.insert(node.outputs[0])
      default: break
      }
    }
    candidates = found.filter { map.kind($0) == .grid && $0 != map.input && $0 != map.target }
      .sorted { $0.index < $1.index }
  }

  /// The bytes of the arena in which values are computed as wholes.
  func arena<B: Backend>(of values: [ValueID], on backend: B) -> Int {
    if let known = arenas[values] { return known }
    let bytes = map.plan(of: values, on: backend).plan.arenaWords * MemoryLayout<Float>.stride
    arenas[values] = bytes
    return bytes
  }

  /// What a pass is computed of: its targets, and the images that wholes read, whatever lies between.
  func roots(of pass: TilingSchedule.Pass) -> [Int] {
    let targets = pass.targets.map(\.index)
    guard case .wholes = pass.purpose else { return targets }
    if let known = reads[pass.targets] { return targets + known }
    let found = map.reads(of: pass.targets).map(\.index)
    reads[pass.targets] = found
    return targets + found
  }

  /// Walks from values to all that they are made of, and no further than `ends`; what was passed is marked.
  ///
  /// - Returns: what computing all but the ends costs.
  @discardableResult
  func walk(from values: ArraySlice<Int>, ends: [Bool]) -> Double {
    stamp += 1
    var sum = 0.0
    pending.removeAll(keepingCapacity: true)
    pending += values
    while let value = pending.popLast() {
      guard stamps[value] != stamp else { continue }
      stamps[value] = stamp
      if ends[value] { continue }
      sum += cost[value]
      for index in firstSource[value]..<firstSource[value + 1] { pending.append(sources[index]) }
    }
    return sum
  }

  /// Whether the last walk came by a value.
  func isMarked(_ value: ValueID) -> Bool { stamps[value.index] == stamp }

  /// Which values of some are stored so far that a share of their rows is.
  func ends(_ stored: [ValueID: Int], share: Double = 1) -> [Bool] {
    var ends = [Bool](repeating: false, count: cost.count)
    for (value, count) in stored where Double(count) >= share * Double(rows[value.index]) {
      ends[value.index] = true
    }
    return ends
  }

  /// What computing values costs where rows of others are stored, tiles' overlap apart.
  func cost(of values: [ValueID], stored: [ValueID: Int]) -> Double {
    let targets = values.map(\.index)
    let shares = stored.map { Double($0.value) / Double(rows[$0.key.index]) }
    var (sum, before) = (0.0, 0.0)
    for end in Set(shares + [1]).sorted() {
      sum += (end - before) * walk(from: targets[...], ends: ends(stored, share: end))
      before = end
    }
    return sum
  }
}

/// What is stored in each pass: found before anything is allocated.
struct TilingStorage {
  typealias Pass = TilingSchedule.Pass

  /// The passes; what tiles they are made of is not known yet.
  private(set) var passes: [Pass] = []
  /// What they cost, tiles' overlap apart.
  private(set) var cost = 0.0

  private let map: TileMap
  private let costs: TilingCosts
  private let memory: TilingMemory
  /// The bytes that values which could be computed again may take with the others.
  private let room: Int
  /// The rows of each stored value, from the first.
  private var stored: [ValueID: Int] = [:]
  /// Those of them that can be computed again.
  private var optional: Set<ValueID> = []

  /// Rows that are stored are a multiple of this, or all.
  static var rowStep: Int { 8 }

  /// Finds what is stored.
  ///
  /// - Parameters:
  ///   - chosen: what may be stored though it can be computed again, as many rows as there is room for.
  ///   - share: of the memory that they may take with the others; the rest is for tiles.
  init<B: Backend>(
    _ map: TileMap, _ costs: TilingCosts, _ tasks: [Pass], chosen: Set<ValueID>, share: Double,
    memory: TilingMemory, on backend: B
  ) throws(TilingShortage) {
    (self.map, self.costs, self.memory) = (map, costs, memory)
    room = Int(Double(memory.bytes) * share)
    let tasks = TilingSchedule.adding(chosen, to: tasks, map)
    var (roots, firstRoot) = ([Int](), [Int]())
    for task in tasks {
      firstRoot.append(roots.count)
      roots += costs.roots(of: task)
    }
    for (index, task) in tasks.enumerated() {
      var pass = task
      drop(unlessNeededBy: roots[firstRoot[index]...])
      try store(&pass, chosen, on: backend)
      if case .images = pass.purpose, pass.targets.isEmpty || pass.storedRows == 0 { continue }
      pass.available = stored
      for target in pass.targets where !pass.isStored { pass.available[target] = nil }
      if pass.storedRows > 0 {
        for target in pass.targets { stored[target] = pass.storedRows }
      }
      pass.heldBytes = storedBytes
      if pass.isTiled { cost += costs.cost(of: pass.targets, stored: pass.available) }
      passes.append(pass)
    }
  }

  private func bytes(_ value: ValueID, rows: Int) -> Int {
    map.kind(value) == .grid ? rows * costs.rowBytes[value.index] : map.bytes(value)
  }

  private var storedBytes: Int { stored.reduce(0) { $0 + bytes($1.key, rows: $1.value) } }

  private func isWhole(_ value: ValueID) -> Bool {
    stored[value].map { $0 == costs.rows[value.index] } ?? false
  }

  /// Lets go what none of these values is computed from any more.
  private mutating func drop(unlessNeededBy roots: ArraySlice<Int>) {
    guard !stored.isEmpty else { return }
    costs.walk(from: roots, ends: costs.ends(stored))
    for value in stored.keys where !costs.isMarked(value) {
      stored[value] = nil
      optional.remove(value)
    }
  }

  /// Decides what a pass stores, and makes room for what it must.
  private mutating func store<B: Backend>(
    _ pass: inout Pass, _ chosen: Set<ValueID>, on backend: B
  ) throws(TilingShortage) {
    pass.isStored = pass.targets.allSatisfy { isWhole($0) || $0 == map.input }
    switch pass.purpose {
    case .moments:
      guard !pass.isStored, chosen.contains(pass.targets[0]) else { return }
      storeOptional(&pass)
    case .images where !pass.isNeeded:
      if !pass.isStored { storeOptional(&pass) }
    case .images, .wholes:
      optional.subtract(pass.targets)
      if pass.isStored { return }
      pass.targets.removeAll(where: isWhole)
      for target in pass.targets { stored[target] = nil }
      var arena = 0
      if case .wholes = pass.purpose { arena = costs.arena(of: pass.targets, on: backend) }
      let needed = pass.targets.reduce(0) { $0 + map.bytes($1) } + arena
      try makeRoom(needed, within: memory.bytes, for: pass)
      pass.storedRows = costs.rows[pass.targets[0].index]
    case .result:
      try makeRoom(memory.result, within: memory.bytes, for: pass)
    }
  }

  /// Stores as many rows as there is room for; none where they would be few.
  private mutating func storeOptional(_ pass: inout Pass) {
    let target = pass.targets[0]
    stored[target] = nil
    let all = costs.rows[target.index]
    let fitting = max(0, room - storedBytes) / max(1, costs.rowBytes[target.index])
    let rows = fitting >= all ? all : fitting / Self.rowStep * Self.rowStep
    guard rows * 8 >= all else { return }
    pass.storedRows = rows
    optional.insert(target)
  }

  /// The layer that needs what a pass must store; nil for the result.
  private func layer(_ pass: Pass) -> String? {
    if case .result = pass.purpose { nil } else { pass.targets.first.map(map.layer) }
  }

  /// Lets rows go that can be computed again, the largest values' first.
  private mutating func makeRoom(
    _ needed: Int, within most: Int, for pass: Pass
  ) throws(TilingShortage) {
    while storedBytes + needed > most,
      let largest = optional.max(by: {
        (bytes($0, rows: stored[$0]!), $0.index) < (bytes($1, rows: stored[$1]!), $1.index)
      })
    {
      let excess = storedBytes + needed - most
      let rowBytes = costs.rowBytes[largest.index]
      let left =
        (stored[largest]! - (excess + rowBytes - 1) / rowBytes) / Self.rowStep * Self.rowStep
      if left > 0 {
        stored[largest] = left
      } else {
        stored[largest] = nil
        optional.remove(largest)
      }
    }
    guard storedBytes + needed <= most else {
      throw TilingShortage(
        bytes: storedBytes + needed,
        layer: layer(pass))
    }
  }
}

/// The bytes that a tiled run may take.
struct TilingMemory {
  /// Of stored values and tiles.
  let bytes: Int
  /// Those of them that the result takes in the last pass.
  var result = 0
}
