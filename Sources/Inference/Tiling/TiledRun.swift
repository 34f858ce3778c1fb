import Autodiff
import Execution

/// Computes a network over one image in tiles: bit by bit what a plan of the whole image computes.
///
/// Tiles of one pass that a plan serves are replayed by one session; all sessions share the lanes.
final class TiledRun<B: Backend> {
  /// Takes a row of a tile of the result: its place, and the numbers `[columns, C]`; called by the lanes.
  typealias Sink = (_ row: Int, _ columns: Range<Int>, _ numbers: UnsafePointer<Float>) -> Void

  private let map: TileMap
  private let schedule: TilingSchedule
  private let parameters: ParameterMemory<B>
  private let lanes: Int
  private let pool: LanePool
  private let source: any TileSource
  private let monitor: TilingMonitor
  private var stored: [ValueID: StoredValue] = [:]
  private var moments: [Int: (mean: [Float], reciprocalDeviation: [Float])] = [:]

  init(
    _ map: TileMap, _ schedule: TilingSchedule, parameters: ParameterMemory<B>, lanes: Int,
    pool: LanePool, source: any TileSource, monitor: TilingMonitor
  ) {
    (self.map, self.schedule, self.parameters) = (map, schedule, parameters)
    (self.lanes, self.pool, self.source, self.monitor) = (lanes, pool, source, monitor)
  }

  /// Makes all passes; the rows of the result go to the sink.
  ///
  /// - Throws: `CancellationError` where the monitor was told to stop.
  func run(into sink: @escaping Sink) throws {
    for pass in schedule.passes {
      keep(pass)
      switch pass.purpose {
      case .moments(let node): try findMoments(of: node, pass)
      case .images:
        try monitor.begin(tiles: tiles(of: pass).count)
        try store(pass)
      case .wholes: try computeWholes(pass.targets)
      case .result:
        let tiles = tiles(of: pass)
        try monitor.begin(tiles: tiles.count)
        if pass.isStored {
          give(pass.targets[0], to: sink)
        } else {
          try compute(pass, tiles, give: sink)
        }
      }
    }
  }

  /// Lets go what a pass and those behind it do not read.
  private func keep(_ pass: TilingSchedule.Pass) {
    for (value, whole) in stored {
      if let rows = pass.available[value] {
        if map.kind(value) == .grid { whole.keep(rows: rows) }
      } else {
        stored[value] = nil
      }
    }
  }

  // MARK: Passes

  private func findMoments(of node: Int, _ pass: TilingSchedule.Pass) throws {
    guard case .normalization(let normalization) = map.rules[node] else { return }
    let value = pass.targets[0]
    let shape = map.shape(value)
    let stream = parameters.backend.moments(of: normalization, image: shape)
    let isComputed = pass.storedRows < shape[1] && !pass.isStored
    let (width, channels) = (shape[2], shape[3])
    let samples = Samples(stream.sampledPixels, in: shape)
    let sampled = isComputed ? samples.tiles(from: pass.storedRows) : []
    try monitor.begin(tiles: tiles(of: pass).count + sampled.count)
    if pass.storedRows > 0 { try store(pass) }
    let kept = stored[value]
    if value == map.input {
      let scratch = StoredValue([channels])
      samples.fill(0..<shape[1]) { source.row($0, $1..<$1 + 1, scratch.numbers) }
    } else if let kept {
      samples.fill(0..<kept.rows) { UnsafePointer(kept.place($0, $1)) }
    }
    if !sampled.isEmpty {
      try compute(pass, sampled) { row, columns, numbers in
        samples.fill(row..<row + 1, columns) { numbers + ($1 - columns.lowerBound) * channels }
      }
    }
    stream.begin(samples: samples.numbers.numbers)
    if value == map.input {
      let scratch = StoredValue([width, channels])
      for row in 0..<shape[1] {
        stream.add(source.row(row, 0..<width, scratch.numbers), count: width)
      }
    } else {
      if let kept { stream.add(kept.numbers, count: kept.rows * width) }
      if isComputed { try addBands(of: value, pass, to: stream) }
    }
    var mean = [Float](repeating: 0, count: normalization.groups)
    var reciprocalDeviation = mean
    stream.end(mean: &mean, reciprocalDeviation: &reciprocalDeviation)
    moments[node] = (mean, reciprocalDeviation)
  }

  /// Adds the pixels that are not stored in order, a row of tiles at a time.
  private func addBands(
    of value: ValueID, _ pass: TilingSchedule.Pass, to stream: any StreamedMoments
  ) throws {
    let shape = map.shape(value)
    let band = StoredValue([1, min(pass.tile.rows, shape[1]), shape[2], shape[3]])
    let tiles = tiles(of: pass, below: pass.storedRows)
    let sessions = PassSessions(self, pass, tiles)
    for tiles in Self.bands(tiles) {
      let first = tiles[0].rows.lowerBound
      try sessions.compute(tiles) { row, columns, numbers in
        band.place(row - first, columns.lowerBound)
          .update(from: numbers, count: columns.count * shape[3])
      }
      stream.add(band.numbers, count: tiles[0].rows.count * shape[2])
    }
  }

  private func store(_ pass: TilingSchedule.Pass) throws {
    let values = pass.targets.map { target in
      let shape = map.shape(target)
      return StoredValue(shape, rows: min(pass.storedRows, shape[1]))
    }
    let tiles = tiles(of: pass, above: pass.storedRows)
    try PassSessions(self, pass, tiles).computeAll(tiles, into: values)
    for (target, value) in zip(pass.targets, values) { stored[target] = value }
  }

  private func computeWholes(_ targets: [ValueID]) throws {
    try monitor.begin(tiles: 1)
    let (plan, reads) = map.plan(of: targets, on: parameters.backend)
    let session = Session(plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let results = targets.map { StoredValue(map.shape($0)) }
    session.feed = { [map, stored, source] replay in
      for value in reads {
        let shape = map.shape(value)
        if let whole = stored[value] ?? source as? StoredValue {
          replay.write(TileRecipe.name(value), UnsafePointer(whole.numbers))
        } else {
          let copy = StoredValue(shape)
          for row in 0..<shape[1] {
            let place = copy.place(row, 0)
            let numbers = source.row(row, 0..<shape[2], place)
            if numbers != UnsafePointer(place) {
              place.update(from: numbers, count: shape[2] * shape[3])
            }
          }
          replay.write(TileRecipe.name(value), UnsafePointer(copy.numbers))
        }
      }
    }
    session.collect = { replay in
      for (target, result) in zip(targets, results) {
        replay.read(TileRecipe.name(target), intoWords: result.numbers)
      }
    }
    session.run(items: 1)
    monitor.finishTile()
    for (target, result) in zip(targets, results) { stored[target] = result }
  }

  private func give(_ value: ValueID, to sink: Sink) {
    let shape = map.shape(value)
    let scratch = StoredValue([shape[2], shape[3]])
    for row in 0..<shape[1] {
      let columns = 0..<shape[2]
      sink(
        row, columns,
        stored[value]?.row(row, columns, scratch.numbers)
          ?? source.row(row, columns, scratch.numbers))
    }
  }

  // MARK: Tiles

  private func compute(
    _ pass: TilingSchedule.Pass, _ tiles: [TileRegion], give: @escaping Sink
  ) throws {
    let sessions = PassSessions(self, pass, tiles)
    try sessions.compute(tiles, give: give)
  }

  /// A pass's tiles, row by row: all, or those of some rows, at whose ends a part ends.
  private func tiles(
    of pass: TilingSchedule.Pass, above end: Int = .max, below start: Int = 0
  ) -> [TileRegion] {
    guard pass.isTiled else { return [] }
    func cut(_ range: Range<Int>, _ side: Int) -> [Range<Int>] {
      stride(from: range.lowerBound, to: range.upperBound, by: side).map {
        $0..<min(range.upperBound, $0 + side)
      }
    }
    let width = map.shape(pass.targets[0])[2]
    return pass.parts.filter { $0.lowerBound >= start && $0.upperBound <= end }.flatMap { part in
      cut(part, pass.tile.rows).flatMap { rows in
        cut(0..<width, pass.tile.columns).map { TileRegion(rows, $0) }
      }
    }
  }

  /// Tiles row by row.
  private static func bands(_ tiles: [TileRegion]) -> [[TileRegion]] {
    tiles.reduce(into: []) { bands, tile in
      if let last = bands.last, last[0].rows == tile.rows {
        bands[bands.count - 1].append(tile)
      } else {
        bands.append([tile])
      }
    }
  }

  /// The sessions of a pass: one for all tiles that a plan serves.
  ///
  /// They share the largest one's arenas, as a lane replays one of them at a time.
  private struct PassSessions {
    private let run: TiledRun
    private var recipes: [TileRegion: TileRecipe] = [:]
    private var sessions: [[Int]: Session<B>] = [:]
    private let scratch: [StoredValue]

    init(_ run: TiledRun, _ pass: TilingSchedule.Pass, _ tiles: [TileRegion]) {
      self.run = run
      let targets = pass.targets
      var plans: [[Int]: Plan] = [:]
      var widest = 1
      for tile in tiles where recipes[tile] == nil {
        let recipe = TileRecipe(tile, of: targets, in: run.map, isStored: pass.isStored)
        recipes[tile] = recipe
        if plans[recipe.key] == nil { plans[recipe.key] = recipe.plan(on: run.parameters.backend) }
        for (value, region) in recipe.images {
          widest = max(widest, region.columns.count * run.map.shape(value)[3])
        }
        for target in targets {
          widest = max(widest, tile.columns.count * run.map.shape(target)[3])
        }
      }
      scratch = (0..<run.lanes).map { _ in StoredValue([widest]) }
      var lender: Session<B>?
      for (key, plan) in plans.sorted(by: { $0.value.arenaWords > $1.value.arenaWords }) {
        let session = Session(
          plan, parameters: run.parameters, lanes: run.lanes, pool: run.pool,
          borrowingFrom: lender)
        lender = lender ?? session
        sessions[key] = session
      }
    }

    /// Computes tiles of the only target, and gives their rows away.
    func compute(_ tiles: [TileRegion], give: @escaping Sink) throws {
      try replay(tiles) { [scratch] replay, tile in
        let row = scratch[replay.lane].numbers
        for index in 0..<tile.rows.count {
          replay.read(TileRecipe.name(target: 0), element: index, intoWords: row)
          give(tile.rows.lowerBound + index, tile.columns, UnsafePointer(row))
        }
      }
    }

    /// Computes tiles of all targets, each into its place.
    func computeAll(_ tiles: [TileRegion], into values: [StoredValue]) throws {
      try replay(tiles) { replay, tile in
        for (index, value) in values.enumerated() {
          for row in 0..<tile.rows.count {
            replay.read(
              TileRecipe.name(target: index), element: row,
              intoWords: value.place(tile.rows.lowerBound + row, tile.columns.lowerBound))
          }
        }
      }
    }

    private func replay(
      _ tiles: [TileRegion], collect: @escaping (Session<B>.Replay, TileRegion) -> Void
    ) throws {
      let monitor = run.monitor
      let recipes = tiles.map { self.recipes[$0]! }
      for session in sessions.values {
        session.feed = { [run, scratch] in
          run.feed(recipes[$0.item], $0, scratch[$0.lane].numbers)
        }
        session.collect = {
          collect($0, recipes[$0.item].tile)
          monitor.finishTile()
        }
      }
      Session.runUnordered(
        recipes.enumerated().map { (session: sessions[$1.key]!, item: $0) },
        isCancelled: { monitor.isStopped })
      for session in sessions.values {
        session.feed = { _ in }
        session.collect = { _ in }
      }
      try monitor.check()
    }
  }

  /// Writes what a tile is made of.
  private func feed(
    _ recipe: TileRecipe, _ replay: Session<B>.Replay, _ scratch: UnsafeMutablePointer<Float>
  ) {
    for (value, region) in recipe.images {
      let name = TileRecipe.name(value)
      let source: any TileSource = stored[value] ?? source
      for (index, row) in region.rows.enumerated() {
        replay.write(name, element: index, words: source.row(row, region.columns, scratch))
      }
    }
    for value in recipe.vectors {
      replay.write(TileRecipe.name(value), UnsafePointer(stored[value]!.numbers))
    }
    for node in recipe.normalizations {
      let names = TileRecipe.momentNames(node)
      moments[node]!.mean.withUnsafeBufferPointer { replay.write(names.mean, $0.baseAddress!) }
      moments[node]!.reciprocalDeviation.withUnsafeBufferPointer {
        replay.write(names.reciprocalDeviation, $0.baseAddress!)
      }
    }
  }
}
