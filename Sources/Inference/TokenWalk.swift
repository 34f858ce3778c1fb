import Autodiff
import Execution
import Priors

/// Goes through the places of many sequences at once with a prior: what is expected of each id, given those
/// before it.
///
/// Keys and values of the places before are cached. Rows of a batch are computed as if each were alone, so
/// that what a sequence gets does not depend on those beside it, nor on lanes or threads.
final class TokenWalk<B: Backend> {
  /// What the tokens are.
  let space: TokenSpace
  /// Sequences that are gone through at once.
  var sequences: Int { lanes * rows }

  private let rows: Int
  private let lanes: Int
  private let idsPerPlace: Int
  private let trunk: Session<B>
  private let heads: [Session<B>]
  private let codes: Int
  private let width: Int

  // Of all lanes, one behind the other.
  private let entries, before: UnsafeMutablePointer<Int32>
  private let known, weights: UnsafeMutablePointer<Float>
  private let position: UnsafeMutablePointer<Int32>
  /// The logits of all sequences, `[sequences, codes]`.
  let logits: UnsafeMutablePointer<Float>

  /// The most rows that a lane computes at a time: as many as small products are made for.
  static var mostRows: Int { 16 }

  /// Plans the steps.
  ///
  /// - Parameter sequences: how many are wanted at once, at most `mostRows` a lane.
  init(
    _ configuration: PriorConfiguration, _ space: TokenSpace, parameters: ParameterMemory<B>,
    sequences: Int, lanes: Int, pool: LanePool
  ) {
    self.space = space
    let lanes = max(1, min(lanes, sequences))
    let rows = min(Self.mostRows, (sequences + lanes - 1) / lanes)
    (self.lanes, self.rows, codes) = (lanes, rows, space.codes)
    width = configuration.transformer.width
    let width = width

    let graph = Graph()
    let prior = Prior(configuration, space, in: Scope(graph))
    let per = prior.idsPerPlace
    idsPerPlace = per
    let next = prior.next(
      entries: graph.input("entries", [rows, per], type: .index),
      weights: graph.input("weights", [rows, 1, per]),
      position: graph.input("position", [1], type: .index))
    trunk = Session(
      Plan(graph, outputs: ["known": next], on: parameters.backend), parameters: parameters,
      lanes: lanes, pool: pool)
    heads = (0..<space.depth).map { level in
      let graph = Graph()
      let prior = Prior(configuration, space, in: Scope(graph))
      let logits = prior.logits(
        graph.input("known", [rows, width]),
        before: per > 1 && level > 0 ? graph.input("before", [rows, level], type: .index) : nil,
        level: level)
      return Session(
        Plan(graph, outputs: ["logits": logits], on: parameters.backend), parameters: parameters,
        lanes: lanes, pool: pool)
    }
    let all = lanes * rows
    entries = .allocate(capacity: all * per)
    before = .allocate(capacity: all * per)
    weights = .allocate(capacity: all * per)
    known = .allocate(capacity: all * width)
    logits = .allocate(capacity: all * space.codes)
    position = .allocate(capacity: 1)
    before.initialize(repeating: 0, count: all * per)
    connect()
  }

  deinit {
    for buffer in [entries, before, position] { buffer.deallocate() }
    for buffer in [known, weights, logits] { buffer.deallocate() }
  }

  /// What lanes read and write, once and for all.
  private func connect() {
    let (rows, per, width, codes) = (rows, idsPerPlace, width, codes)
    let (entries, weights, known, before) = (entries, weights, known, before)
    let (logits, position) = (logits, position)
    trunk.feed = { replay in
      let first = replay.item * rows
      replay.write("entries", entries + first * per)
      replay.write("weights", weights + first * per)
      replay.write("position", position)
    }
    trunk.collect = { replay in
      replay.read("known", intoWords: known + replay.item * rows * width)
    }
    for (level, head) in heads.enumerated() {
      head.feed = { replay in
        let first = replay.item * rows
        replay.write("known", known + first * width)
        replay.write("before", before + first * level)
      }
      head.collect = { replay in
        replay.read("logits", intoWords: logits + replay.item * rows * codes)
      }
    }
  }

  /// Begins sequences, each with the entry of its class.
  func begin(_ classes: (_ sequence: Int) -> Int32) {
    position.pointee = -1
    for sequence in 0..<sequences {
      for level in 0..<idsPerPlace {
        entries[sequence * idsPerPlace + level] = classes(sequence)
        weights[sequence * idsPerPlace + level] = level == 0 ? 1 : 0
      }
    }
  }

  /// Computes the logits of the next id of all sequences.
  ///
  /// - Parameter index: the id's place in the sequence, from 0; they are asked for in order.
  func expect(_ index: Int) {
    let level = index % space.depth
    if idsPerPlace == 1 || level == 0 {
      position.pointee += 1
      trunk.run(items: lanes)
    }
    if idsPerPlace > 1 {
      // The entries so far, packed row by row.
      for sequence in 0..<sequences {
        for earlier in 0..<level {
          before[sequence * level + earlier] = entries[sequence * idsPerPlace + earlier]
        }
      }
    }
    heads[level].run(items: lanes)
  }

  /// Notes the id that a sequence has at a place.
  func note(_ id: Int32, _ sequence: Int, at index: Int) {
    let level = index % space.depth
    let place = sequence * idsPerPlace + (idsPerPlace > 1 ? level : 0)
    entries[place] = space.entry(ofID: id, depth: level)
    weights[place] = 1
  }
}
