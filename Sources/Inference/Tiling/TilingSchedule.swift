import Autodiff
import Execution

/// An image that does not fit into its memory, tile by tile neither.
public struct TilingShortage: Error, Equatable, Sendable {
  /// The bytes that it needs.
  public let bytes: Int
  /// The layer that needs them, as it sees the whole image; nil where a tile or the results do.
  public let layer: String?
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

  private let map: TileMap
  private let memory: Int
  private let lanes: Int
  private var stored: Set<ValueID> = []
  /// Those of them that can be computed again.
  private var optional: Set<ValueID> = []

  /// The share of the memory that may be stored values that could be computed again; the rest is for tiles.
  private static var storedShare: Double { 0.75 }
  /// The sides of tiles that are tried: powers of two, and multiples of what Winograd's algorithm computes.
  private static var sides: [Int] { (4...12).map { 1 << $0 } }

  /// Finds passes that stay within some bytes.
  ///
  /// - Parameters:
  ///   - forced: the sides of all tiles, and no more stored than must be: for tests.
  init<B: Backend>(
    _ map: TileMap, memory: Int, lanes: Int, on backend: B,
    forced: (rows: Int, columns: Int)? = nil
  ) throws(TilingShortage) {
    (self.map, self.memory, self.lanes) = (map, memory, lanes)
    let tasks = Self.tasks(map)
    for (index, task) in tasks.enumerated() {
      var pass = task
      pass.dropped = drop(unlessNeededBy: tasks[index...])
      try store(&pass, remaining: tasks[index...], on: backend, stingy: forced != nil)
      if let forced {
        pass.tile = forced
      } else if pass.isTiled {
        pass.tile = try tile(of: pass, on: backend)
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
    _ pass: inout Pass, remaining: ArraySlice<Pass>, on backend: B, stingy: Bool
  ) throws(TilingShortage) {
    pass.isStored = pass.targets.allSatisfy { stored.contains($0) || $0 == map.input }
    if pass.stores { optional.subtract(pass.targets) }
    if pass.isStored { return }
    if pass.stores { pass.targets.removeAll(where: stored.contains) }
    let targets = pass.targets
    let bytes = targets.reduce(0) { $0 + map.bytes($1) }
    switch pass.purpose {
    case .moments:
      let room = Int(Double(memory) * Self.storedShare)
      if stingy { return }
      if storedBytes + bytes > room, !makeRoom(for: targets[0], within: room, &pass) { return }
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
  private mutating func makeRoom(for value: ValueID, within room: Int, _ pass: inout Pass) -> Bool {
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
  ) throws(TilingShortage) -> (rows: Int, columns: Int) {
    let shape = map.shape(pass.targets[0])
    let left = memory - storedBytes
    var candidates: [(rows: Int, columns: Int, price: Double, recipe: TileRecipe)] = []
    for rows in Self.sides where rows < 2 * shape[1] || rows == Self.sides[0] {
      for columns in Self.sides where columns < 2 * shape[2] || columns == Self.sides[0] {
        let middle = TileRegion(
          Self.middle(rows, of: shape[1]), Self.middle(columns, of: shape[2]))
        let recipe = recipe(middle, pass)
        candidates.append((rows, columns, recipe.cost / Double(middle.count), recipe))
      }
    }
    candidates.sort { ($0.price, $0.rows) < ($1.price, $1.rows) }
    var least = Int.max
    for candidate in candidates {
      let band = bandBytes(pass, rows: candidate.rows)
      let staging =
        lanes
        * candidate.recipe.images.reduce(0) { most, image in
          max(most, image.region.columns.count * map.shape(image.value)[3])
        } * MemoryLayout<Float>.stride
      let rest = band + staging
      guard candidate.recipe.leastBytes * lanes + rest <= left || candidate.rows == Self.sides[0]
      else { continue }
      let plan = candidate.recipe.plan(on: backend)
      let need =
        (plan.arenaWords * lanes + plan.sharedWords) * MemoryLayout<Float>.stride + rest
      least = min(least, need)
      guard need <= left else { continue }
      return (candidate.rows, candidate.columns)
    }
    throw TilingShortage(bytes: storedBytes + least, layer: nil)
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

  /// The part of an axis where a tile has most around it.
  private static func middle(_ side: Int, of extent: Int) -> Range<Int> {
    let start = (extent - 1) / side / 2 * side
    return start..<min(extent, start + side)
  }

}
