import Autodiff
import Execution

/// An image that does not fit into its memory, tile by tile neither.
public struct TilingShortage: Error, Equatable, Sendable {
  /// The bytes that it needs.
  public let bytes: Int
  /// The layer that needs them, as it sees the whole image; nil where a tile or the results do.
  public let layer: String?

  /// For what they are needed, in words that follow "of working memory".
  public var reason: String {
    layer.map { " for \($0), which sees the whole image" } ?? " even in tiles"
  }
}

/// In which passes over the image a network is computed, what is kept between them, how large tiles are.
///
/// Each group normalization needs the moments of the whole image before anything behind it can be computed:
/// a pass over the image for each, from the values that are stored. Made before anything is allocated.
struct TilingSchedule {
  /// What a pass is for.
  enum Purpose {
    /// The moments that the normalization of this node needs of its input.
    case moments(node: Int)
    /// Images that are stored because others need all of them, or many passes some of them.
    case images
    /// Values that are computed as wholes.
    case wholes
    /// The network's target, which goes to whoever asked for it.
    case result
  }

  /// One pass over the image, or over a stored value.
  struct Pass {
    let purpose: Purpose
    /// What is computed.
    var targets: [ValueID]
    /// Whether nothing can be computed without it.
    var isNeeded = true
    /// Rows of the targets that are stored, from the first.
    var storedRows = 0
    /// Whether the targets were stored before.
    var isStored = false
    /// The rows of other values, from the first, that are stored before the pass.
    var available: [ValueID: Int] = [:]
    /// The bytes of all that is stored at its end.
    var heldBytes = 0
    /// Rows of tiles that are made of the same values; one after another.
    var parts: [Range<Int>] = []
    /// The sides of a tile.
    var tile = (rows: 1, columns: 1)

    /// Whether tiles are computed.
    var isTiled: Bool {
      if case .wholes = purpose { false } else { !isStored }
    }

    /// Whether a value's region is read instead of computed.
    func isStored(_ value: ValueID, _ region: TileRegion) -> Bool {
      available[value].map { region.rows.upperBound <= $0 } ?? false
    }
  }

  /// The passes, in order.
  private(set) var passes: [Pass] = []
  /// What they cost, as ``TileRecipe/cost``.
  private(set) var cost = 0.0

  private let map: TileMap
  private let memory: TilingMemory
  private let lanes: Int
  private let plans: PlanSizes

  /// Shares of the memory that may be stored values which could be computed again.
  ///
  /// The rest is for tiles. All are tried.
  private static var storedShares: [Double] { [0.35, 0.5, 0.6, 0.7, 0.8, 0.9] }
  /// The sides of tiles that are tried: powers of two, and multiples of what Winograd's algorithm computes.
  private static var sides: [Int] { (4...12).map { 1 << $0 } }

  /// Words of plans by the keys of their recipes.
  private final class PlanSizes {
    var known: [[Int]: (arena: Int, shared: Int)] = [:]

    func size<B: Backend>(_ recipe: TileRecipe, on backend: B) -> (arena: Int, shared: Int) {
      if let known = known[recipe.key] { return known }
      let plan = recipe.plan(on: backend)
      known[recipe.key] = (plan.arenaWords, plan.sharedWords)
      return (plan.arenaWords, plan.sharedWords)
    }
  }

  /// Finds the passes that cost least of those that stay within some bytes.
  ///
  /// - Parameters:
  ///   - forced: the sides of all tiles, and no more stored than must be: for tests.
  init<B: Backend>(
    _ map: TileMap, memory: TilingMemory, lanes: Int, on backend: B,
    forced: (rows: Int, columns: Int)? = nil
  ) throws(TilingShortage) {
    let (tasks, costs, plans) = (Self.tasks(map), TilingCosts(map), PlanSizes())
    // What fits at all fits where nothing is stored that need not be.
    let least = try TilingStorage(
      map, costs, tasks, chosen: [], share: 0, memory: memory, on: backend)
    var best = try TilingSchedule(
      map, least, memory: memory, lanes: lanes, plans, on: backend, forced: forced)
    // What is worth storing with little room is a start with more.
    var chosen: Set<ValueID> = []
    for share in Self.storedShares where forced == nil {
      do throws(TilingShortage) {
        let storage = try Self.cheapest(
          map, costs, tasks, &chosen, share: share, memory: memory, on: backend)
        let other = try TilingSchedule(
          map, storage, memory: memory, lanes: lanes, plans, on: backend)
        if other.cost < best.cost { best = other }
      } catch {
        // Less is left for tiles than they need.
      }
    }
    self = best
  }

  /// Finds what to store: one value more or less after another, each time the one that saves most.
  private static func cheapest<B: Backend>(
    _ map: TileMap, _ costs: TilingCosts, _ tasks: [Pass], _ chosen: inout Set<ValueID>,
    share: Double, memory: TilingMemory, on backend: B
  ) throws(TilingShortage) -> TilingStorage {
    var best = try TilingStorage(
      map, costs, tasks, chosen: chosen, share: share, memory: memory, on: backend)
    while true {
      var (better, change): (TilingStorage?, ValueID?) = (nil, nil)
      for candidate in costs.candidates {
        let other = try TilingStorage(
          map, costs, tasks, chosen: chosen.symmetricDifference([candidate]), share: share,
          memory: memory, on: backend)
        // Of two that save alike the earlier one, and none that saves nearly nothing.
        if other.cost < 0.995 * (better ?? best).cost { (better, change) = (other, candidate) }
      }
      guard let better, let change else { return best }
      best = better
      chosen.formSymmetricDifference([change])
    }
  }

  private init<B: Backend>(
    _ map: TileMap, _ storage: TilingStorage, memory: TilingMemory, lanes: Int, _ plans: PlanSizes,
    on backend: B, forced: (rows: Int, columns: Int)? = nil
  ) throws(TilingShortage) {
    (self.map, self.memory, self.lanes, self.plans) = (map, memory, lanes, plans)
    for pass in storage.passes {
      var pass = pass
      if pass.isTiled {
        pass.parts = parts(of: pass)
        if let forced {
          pass.tile = forced
        } else {
          let found = try tile(of: pass, on: backend)
          pass.tile = found.sides
          cost += found.cost
        }
      }
      passes.append(pass)
    }
  }

  // MARK: What there is to do

  /// All passes, in the order in which the network's operations were recorded.
  private static func tasks(_ map: TileMap) -> [Pass] {
    var seen: Set<ValueID> = []
    var passes: [Pass] = []
    var pending = [map.target]
    var (images, wholes): (Set<ValueID>, Set<ValueID>) = ([], [])
    if map.kind(map.target) == .whole { wholes.insert(map.target) }
    while let value = pending.popLast() {
      guard value != map.input, seen.insert(value).inserted else { continue }
      if let node = map.maker(value), case .normalization = map.rules[node] {
        passes.append(
          Pass(purpose: .moments(node: node), targets: [map.graph.nodes[node].inputs[0]]))
      }
      for source in map.sources(value) {
        switch (map.kind(value), map.kind(source)) {
        case (.whole, .grid) where source != map.input: images.insert(source)
        case (.grid, .whole): wholes.insert(source)
        default: break
        }
        pending.append(source)
      }
    }
    passes += images.map { Pass(purpose: .images, targets: [$0]) }
    passes += wholes.map { Pass(purpose: .wholes, targets: [$0]) }
    passes.append(Pass(purpose: .result, targets: [map.target]))
    passes.sort { order($0, map) < order($1, map) }
    return passes.reduce(into: []) { passes, pass in
      guard let last = passes.last, let joined = join(last, pass, map) else {
        return passes.append(pass)
      }
      passes[passes.count - 1] = joined
    }
  }

  /// Where a pass has its place among the network's operations.
  private static func order(_ pass: Pass, _ map: TileMap) -> Int {
    switch pass.purpose {
    case .moments(let node): 2 * node - 1
    case .images, .wholes: pass.targets.map { 2 * (map.maker($0) ?? -1) }.max() ?? 0
    case .result: .max
    }
  }

  /// Two passes as one, where both store values of one size.
  private static func join(_ a: Pass, _ b: Pass, _ map: TileMap) -> Pass? {
    switch (a.purpose, b.purpose) {
    case (.images, .images):
      let (x, y) = (map.shape(a.targets[0]), map.shape(b.targets[0]))
      guard x[1] == y[1], x[2] == y[2] else { return nil }
      return Pass(purpose: .images, targets: a.targets + b.targets)
    default: return nil
    }
  }

  /// The passes with others that store values which no normalization needs, each behind the operation that
  /// yields it.
  static func adding(_ values: Set<ValueID>, to tasks: [Pass], _ map: TileMap) -> [Pass] {
    var needed: Set<ValueID> = []
    for task in tasks {
      if case .result = task.purpose { continue }
      needed.formUnion(task.targets)
    }
    let others = values.subtracting(needed)
    guard !others.isEmpty else { return tasks }
    let added = others.map { Pass(purpose: .images, targets: [$0], isNeeded: false) }
    let all = (tasks + added).map { (order: order($0, map), pass: $0) }
    return all.enumerated().sorted { ($0.1.order, $0.0) < ($1.1.order, $1.0) }.map(\.element.pass)
  }

  // MARK: How large tiles are

  /// Rows whose tiles are computed from the same values, and stored or not.
  private func parts(of pass: Pass) -> [Range<Int>] {
    let height = map.shape(pass.targets[0])[1]
    var ends: Set<Int> = [height]
    if pass.storedRows > 0 { ends.insert(pass.storedRows) }
    for (value, rows) in pass.available where map.kind(value) == .grid && rows < map.shape(value)[1]
    {
      // The last row above which all is made of stored rows.
      var (low, high) = (0, height)
      while low < high {
        let middle = (low + high + 1) / 2
        let row = recipe(TileRegion(middle - 1..<middle, 0..<1), pass)
        if row.images.contains(where: { $0.value == value }) {
          low = middle
        } else {
          high = middle - 1
        }
      }
      ends.insert(low / 8 * 8)
    }
    var start = 0
    return ends.sorted().filter { $0 > 0 }.map { end in
      defer { start = end }
      return start..<end
    }
  }

  /// The sides of the tiles that cost least for what they yield, among those that fit.
  private func tile<B: Backend>(
    of pass: Pass, on backend: B
  ) throws(TilingShortage) -> (sides: (rows: Int, columns: Int), cost: Double) {
    let shape = map.shape(pass.targets[0])
    var left = memory.bytes - pass.heldBytes
    if case .result = pass.purpose { left -= memory.result }
    var candidates: [(rows: Int, columns: Int, cost: Double, leastBytes: Int)] = []
    for rows in Self.sides where rows < 2 * shape[1] || rows == Self.sides[0] {
      for columns in Self.sides where columns < 2 * shape[2] || columns == Self.sides[0] {
        // Long strips have much around them.
        guard
          rows <= 4 * columns && columns <= 4 * rows || rows >= shape[1] || columns >= shape[2]
            || columns >= 1024
        else { continue }
        var (cost, least) = (0.0, 0)
        for part in pass.parts {
          let tile = TileRegion(
            Self.places(rows, of: part)[0], Self.places(columns, of: 0..<shape[2])[0])
          let recipe = recipe(tile, pass)
          cost += self.cost(of: pass, part, recipe, rows, columns)
          least = max(least, recipe.leastBytes * lanes + bandBytes(pass, rows: rows))
        }
        candidates.append((rows, columns, cost, least))
      }
    }
    candidates.sort { ($0.cost, $0.rows) < ($1.cost, $1.rows) }
    var least = Int.max
    for candidate in candidates
    where candidate.leastBytes <= left || candidate.rows == Self.sides[0] {
      let (rows, columns) = (candidate.rows, candidate.columns)
      var (arena, staging, shared): (Int, Int, [[Int]: Int]) = (0, 0, [:])
      var bytes = 0
      // Tiles at the edges may be laid out worse, small as they are.
      let places = pass.parts.flatMap { part in
        Self.places(rows, of: part).flatMap { rows in
          Self.places(columns, of: 0..<shape[2]).map { TileRegion(rows, $0) }
        }
      }
      for place in places where bytes <= left {
        let recipe = recipe(place, pass)
        let size = plans.size(recipe, on: backend)
        arena = max(arena, size.arena)
        shared[recipe.key] = size.shared
        staging = max(staging, stagingBytes(recipe))
        bytes =
          (arena * lanes + shared.values.reduce(0, +)) * MemoryLayout<Float>.stride + staging
          + bandBytes(pass, rows: rows)
      }
      least = min(least, bytes)
      if bytes <= left { return ((rows, columns), candidate.cost) }
    }
    throw TilingShortage(bytes: memory.bytes - left + least, layer: nil)
  }

  /// What a part of a pass costs with tiles of these sides: that of all tiles, and of lanes that wait for others.
  private func cost(
    of pass: Pass, _ part: Range<Int>, _ recipe: TileRecipe, _ rows: Int, _ columns: Int
  ) -> Double {
    let width = map.shape(pass.targets[0])[2]
    let down = (part.count + rows - 1) / rows
    let across = (width + columns - 1) / columns
    let isBand = bandBytes(pass, rows: rows) > 0 && part.lowerBound >= pass.storedRows
    let atOnce = isBand ? across : down * across
    let turns = (atOnce + lanes - 1) / lanes
    let share = Double(part.count * width) / Double(recipe.tile.count)
    return (recipe.cost + recipe.fixedCost) * share * Double(turns * lanes) / Double(atOnce)
  }

  /// The bytes of a row of pixels of each lane, on their way in.
  private func stagingBytes(_ recipe: TileRecipe) -> Int {
    let words = recipe.images.reduce(0) { most, image in
      max(most, image.region.columns.count * map.shape(image.value)[3])
    }
    return lanes * words * MemoryLayout<Float>.stride
  }

  /// The bytes of a row of tiles side by side, where they are added in order and not stored.
  private func bandBytes(_ pass: Pass, rows: Int) -> Int {
    let shape = map.shape(pass.targets[0])
    guard case .moments = pass.purpose, pass.storedRows < shape[1] else { return 0 }
    return min(rows, shape[1]) * shape[2] * shape[3] * MemoryLayout<Float>.stride
  }

  /// A pass's recipe of a tile.
  private func recipe(_ tile: TileRegion, _ pass: Pass) -> TileRecipe {
    TileRecipe(tile, of: pass.targets, in: map, isStored: pass.isStored)
  }

  /// Tiles of a range of which each is at another place: in the middle, where most lies around it, first, last.
  private static func places(_ side: Int, of range: Range<Int>) -> [Range<Int>] {
    let last = (range.count - 1) / side
    let others = Set([0, last]).subtracting([last / 2]).sorted()
    return ([last / 2] + others).map {
      range.lowerBound + $0 * side..<min(range.upperBound, range.lowerBound + ($0 + 1) * side)
    }
  }
}
