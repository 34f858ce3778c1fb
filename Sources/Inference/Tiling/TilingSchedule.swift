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
    /// Images that are stored because others need all of them.
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
    /// Whether it is stored.
    var stores: Bool
    /// Whether it was stored before.
    var isStored = false
    /// The sides of a tile.
    var tile = (rows: 1, columns: 1)
    /// What nobody needs any more before the pass, and so is let go.
    var dropped: [ValueID] = []

    /// Whether tiles are computed.
    var isTiled: Bool {
      if case .wholes = purpose { false } else { !isStored }
    }
  }

  /// The passes, in order.
  private(set) var passes: [Pass] = []
  /// What they cost, as ``TileRecipe/cost``.
  private var cost = 0.0

  private let map: TileMap
  private let memory: Int
  private let lanes: Int
  /// The bytes that stored values which could be computed again may take with the others.
  private let room: Int
  private var stored: Set<ValueID> = []
  /// Those of them that can be computed again.
  private var optional: Set<ValueID> = []

  /// Shares of the memory that may be stored values which could be computed again.
  ///
  /// The rest is for tiles. All are tried.
  private static var storedShares: [Double] { [0, 0.5, 0.75, 0.9] }
  /// The sides of tiles that are tried: powers of two, and multiples of what Winograd's algorithm computes.
  private static var sides: [Int] { (4...12).map { 1 << $0 } }

  /// Finds the passes that cost least of those that stay within some bytes.
  ///
  /// - Parameters:
  ///   - forced: the sides of all tiles, and no more stored than must be: for tests.
  init<B: Backend>(
    _ map: TileMap, memory: Int, lanes: Int, on backend: B,
    forced: (rows: Int, columns: Int)? = nil
  ) throws(TilingShortage) {
    let tasks = Self.tasks(map)
    // What fits at all fits where nothing is stored that need not be.
    var best = try TilingSchedule(
      map, tasks, memory: memory, lanes: lanes, storedShare: 0, on: backend, forced: forced)
    for share in Self.storedShares where share > 0 && forced == nil {
      do throws(TilingShortage) {
        let other = try TilingSchedule(
          map, tasks, memory: memory, lanes: lanes, storedShare: share, on: backend)
        if other.cost < best.cost { best = other }
      } catch {
        // Less is left for tiles than they need.
      }
    }
    self = best
  }

  private init<B: Backend>(
    _ map: TileMap, _ tasks: [Pass], memory: Int, lanes: Int, storedShare: Double, on backend: B,
    forced: (rows: Int, columns: Int)? = nil
  ) throws(TilingShortage) {
    (self.map, self.memory, self.lanes) = (map, memory, lanes)
    room = Int(Double(memory) * storedShare)
    for (index, task) in tasks.enumerated() {
      var pass = task
      pass.dropped = drop(unlessNeededBy: tasks[index...])
      try store(&pass, on: backend)
      if let forced {
        pass.tile = forced
      } else if pass.isTiled {
        let found = try tile(of: pass, on: backend)
        pass.tile = found.sides
        cost += found.cost
      }
      passes.append(pass)
    }
  }

  // MARK: What there is to do

  /// All passes, in the order in which the network's operations were recorded.
  private static func tasks(_ map: TileMap) -> [Pass] {
    var seen: Set<ValueID> = []
    var events: [(order: Int, pass: Pass)] = []
    var pending = [map.target]
    func order(_ value: ValueID) -> Int { 2 * (map.maker(value) ?? -1) }
    var (images, wholes): (Set<ValueID>, Set<ValueID>) = ([], [])
    if map.kind(map.target) == .whole { wholes.insert(map.target) }
    while let value = pending.popLast() {
      guard value != map.input, seen.insert(value).inserted else { continue }
      if let node = map.maker(value), case .normalization = map.rules[node] {
        events.append(
          (
            2 * node - 1,
            Pass(
              purpose: .moments(node: node), targets: [map.graph.nodes[node].inputs[0]],
              stores: false)
          ))
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
    for value in images {
      events.append((order(value), Pass(purpose: .images, targets: [value], stores: true)))
    }
    for value in wholes {
      events.append((order(value), Pass(purpose: .wholes, targets: [value], stores: true)))
    }
    events.append((.max, Pass(purpose: .result, targets: [map.target], stores: false)))
    events.sort { $0.order < $1.order }
    return events.reduce(into: []) { passes, event in
      guard let last = passes.last, let joined = join(last, event.pass, map) else {
        return passes.append(event.pass)
      }
      passes[passes.count - 1] = joined
    }
  }

  /// Two passes as one, where both store values of one size.
  private static func join(_ a: Pass, _ b: Pass, _ map: TileMap) -> Pass? {
    switch (a.purpose, b.purpose) {
    case (.images, .images):
      let (x, y) = (map.shape(a.targets[0]), map.shape(b.targets[0]))
      guard x[1] == y[1], x[2] == y[2] else { return nil }
      return Pass(purpose: .images, targets: a.targets + b.targets, stores: true)
    default: return nil
    }
  }

  /// The stored values that some passes, or those before them, read.
  private func needed(by passes: ArraySlice<Pass>, stored: Set<ValueID>) -> Set<ValueID> {
    var (seen, needed): (Set<ValueID>, Set<ValueID>) = ([], [])
    var pending = passes.flatMap(\.targets)
    // What is computed as a whole is computed from images, whatever lies between.
    for pass in passes {
      if case .wholes = pass.purpose { pending += map.reads(of: pass.targets) }
    }
    while let value = pending.popLast() {
      guard seen.insert(value).inserted else { continue }
      if stored.contains(value) {
        needed.insert(value)
      } else {
        pending += map.sources(value)
      }
    }
    return needed
  }

  // MARK: What is stored

  private mutating func drop(unlessNeededBy passes: ArraySlice<Pass>) -> [ValueID] {
    let needed = needed(by: passes, stored: stored)
    let dropped = stored.subtracting(needed)
    stored = needed
    optional.formIntersection(needed)
    return Array(dropped)
  }

  private var storedBytes: Int { stored.reduce(0) { $0 + map.bytes($1) } }

  /// Decides what a pass stores, and makes room for what it must.
  private mutating func store<B: Backend>(
    _ pass: inout Pass, on backend: B
  ) throws(TilingShortage) {
    pass.isStored = pass.targets.allSatisfy { stored.contains($0) || $0 == map.input }
    if pass.stores { optional.subtract(pass.targets) }
    if pass.isStored { return }
    if pass.stores { pass.targets.removeAll(where: stored.contains) }
    let targets = pass.targets
    let bytes = targets.reduce(0) { $0 + map.bytes($1) }
    switch pass.purpose {
    case .moments:
      if storedBytes + bytes > room, !makeRoom(for: targets[0], &pass) { return }
      pass.stores = true
      optional.formUnion(targets)
    case .images, .wholes:
      var arena = 0
      if case .wholes = pass.purpose {
        arena = map.plan(of: targets, on: backend).plan.arenaWords * MemoryLayout<Float>.stride
      }
      let needed = bytes + arena
      while storedBytes + needed > memory, let largest = largestOptional {
        forget(largest, &pass)
      }
      guard storedBytes + needed <= memory else {
        throw TilingShortage(bytes: storedBytes + needed, layer: map.layer(targets[0]))
      }
    case .result: return
    }
    stored.formUnion(targets)
  }

  /// Lets values go that save less than another one, by its bytes, would; nil where that is not enough.
  private mutating func makeRoom(for value: ValueID, _ pass: inout Pass) -> Bool {
    let worth = worth(of: value)
    let lesser = optional.filter { self.worth(of: $0) < worth }
      .sorted { self.worth(of: $0) < self.worth(of: $1) }
    guard storedBytes + map.bytes(value) - lesser.reduce(0, { $0 + map.bytes($1) }) <= room else {
      return false
    }
    for candidate in lesser where storedBytes + map.bytes(value) > room {
      forget(candidate, &pass)
    }
    return true
  }

  /// What computing a value again from the others costs, by its bytes.
  private func worth(of value: ValueID) -> Double {
    let recipe = TileRecipe(TileRegion(all: map.shape(value)), of: [value], in: map) {
      $0 != value && stored.contains($0)
    }
    return recipe.cost / Double(map.bytes(value))
  }

  private var largestOptional: ValueID? {
    optional.max { (map.bytes($0), $0.index) < (map.bytes($1), $1.index) }
  }

  private mutating func forget(_ value: ValueID, _ pass: inout Pass) {
    stored.remove(value)
    optional.remove(value)
    pass.dropped.append(value)
  }

  // MARK: How large tiles are

  /// The sides of the tiles that cost least for what they yield, among those that fit.
  private func tile<B: Backend>(
    of pass: Pass, on backend: B
  ) throws(TilingShortage) -> (sides: (rows: Int, columns: Int), cost: Double) {
    let shape = map.shape(pass.targets[0])
    let left = memory - storedBytes
    var candidates: [(rows: Int, columns: Int, cost: Double, recipe: TileRecipe)] = []
    for rows in Self.sides where rows < 2 * shape[1] || rows == Self.sides[0] {
      for columns in Self.sides where columns < 2 * shape[2] || columns == Self.sides[0] {
        let tile = TileRegion(
          Self.places(rows, of: shape[1])[0], Self.places(columns, of: shape[2])[0])
        let recipe = recipe(tile, pass)
        candidates.append((rows, columns, cost(of: pass, recipe, rows, columns), recipe))
      }
    }
    candidates.sort { ($0.cost, $0.rows) < ($1.cost, $1.rows) }
    var least = Int.max
    for candidate in candidates {
      let rest = bandBytes(pass, rows: candidate.rows) + stagingBytes(candidate.recipe)
      guard candidate.recipe.leastBytes * lanes + rest <= left || candidate.rows == Self.sides[0]
      else { continue }
      func need(_ recipe: TileRecipe) -> Int {
        let plan = recipe.plan(on: backend)
        return (plan.arenaWords * lanes + plan.sharedWords) * MemoryLayout<Float>.stride + rest
      }
      let usual = need(candidate.recipe)
      least = min(least, usual)
      guard usual <= left else { continue }
      // Tiles at the edges may be laid out worse, small as they are.
      let places = (
        Self.places(candidate.rows, of: shape[1]), Self.places(candidate.columns, of: shape[2])
      )
      let fits = places.0.allSatisfy { rows in
        places.1.allSatisfy { need(recipe(TileRegion(rows, $0), pass)) <= left }
      }
      if fits { return ((candidate.rows, candidate.columns), candidate.cost) }
    }
    throw TilingShortage(bytes: storedBytes + least, layer: nil)
  }

  /// What a pass costs with tiles of these sides: that of all tiles, and of lanes that wait for others.
  private func cost(
    of pass: Pass, _ recipe: TileRecipe, _ rows: Int, _ columns: Int
  ) -> Double {
    let shape = map.shape(pass.targets[0])
    let down = (shape[1] + rows - 1) / rows
    let across = (shape[2] + columns - 1) / columns
    let atOnce = bandBytes(pass, rows: rows) > 0 ? across : down * across
    let turns = (atOnce + lanes - 1) / lanes
    let share = Double(shape[1] * shape[2]) / Double(recipe.tile.count)
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
    guard case .moments = pass.purpose, !pass.stores else { return 0 }
    let shape = map.shape(pass.targets[0])
    return min(rows, shape[1]) * shape[2] * shape[3] * MemoryLayout<Float>.stride
  }

  /// A pass's recipe of a tile; what it stores itself is not there yet.
  private func recipe(_ tile: TileRegion, _ pass: Pass) -> TileRecipe {
    TileRecipe(tile, of: pass.targets, in: map) { [stored] in
      stored.contains($0) && !pass.targets.contains($0)
    }
  }

  /// Tiles of an axis of which each is at another place: in the middle, where most lies around it, first, last.
  private static func places(_ side: Int, of extent: Int) -> [Range<Int>] {
    let last = (extent - 1) / side
    let others = Set([0, last]).subtracting([last / 2]).sorted()
    return ([last / 2] + others).map { $0 * side..<min(extent, ($0 + 1) * side) }
  }
}
