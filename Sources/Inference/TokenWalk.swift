import Autodiff
import Execution
import Priors

/// Goes through the places of a few sequences at once with a prior: what is expected of each id, given those
/// before it.
///
/// Keys and values of the places before are cached. Rows of a batch are computed as if each were alone, so
/// that what a sequence gets does not depend on those beside it. A walk belongs to one thread; several read
/// the same arranged weights.
package final class TokenWalk<B: Backend> {
  /// Sequences that are gone through at once.
  package let rows: Int
  /// What the tokens are.
  package let space: TokenSpace

  private let idsPerPlace: Int
  private let trunk: Session<B>
  private let heads: [Session<B>]

  private let entries, before, position: UnsafeMutablePointer<Int32>
  private let known, weights: UnsafeMutablePointer<Float>
  /// The logits of all sequences, `[rows, codes]`.
  package let logits: UnsafeMutablePointer<Float>

  /// Plans the steps.
  ///
  /// - Parameter other: a walk through as many sequences with the same weights.
  package init(
    _ configuration: PriorConfiguration, _ space: TokenSpace, parameters: ParameterMemory<B>,
    rows: Int, besides other: TokenWalk<B>? = nil
  ) {
    (self.rows, self.space) = (rows, space)
    let width = configuration.transformer.width
    let alone = LanePool(threads: 1)
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
      lanes: 1, pool: alone, sharing: other?.trunk)
    heads = (0..<space.depth).map { level in
      let graph = Graph()
      let prior = Prior(configuration, space, in: Scope(graph))
      let logits = prior.logits(
        graph.input("known", [rows, width]),
        before: per > 1 && level > 0 ? graph.input("before", [rows, level], type: .index) : nil,
        level: level)
      return Session(
        Plan(graph, outputs: ["logits": logits], on: parameters.backend), parameters: parameters,
        lanes: 1, pool: alone, sharing: other?.heads[level])
    }
    entries = .allocate(capacity: rows * per)
    before = .allocate(capacity: rows * per)
    weights = .allocate(capacity: rows * per)
    known = .allocate(capacity: rows * width)
    logits = .allocate(capacity: rows * space.codes)
    position = .allocate(capacity: 1)
    before.initialize(repeating: 0, count: rows * per)
    connect()
  }

  deinit {
    for buffer in [entries, before, position] { buffer.deallocate() }
    for buffer in [known, weights, logits] { buffer.deallocate() }
  }

  /// What the steps read and write, once and for all.
  private func connect() {
    let (entries, weights, known, before) = (entries, weights, known, before)
    let (logits, position) = (logits, position)
    trunk.feed = { replay in
      replay.write("entries", entries)
      replay.write("weights", weights)
      replay.write("position", position)
    }
    trunk.collect = { $0.read("known", intoWords: known) }
    for head in heads {
      head.feed = { replay in
        replay.write("known", known)
        replay.write("before", before)
      }
      head.collect = { $0.read("logits", intoWords: logits) }
    }
  }

  /// Arranges the weights, which the first step would do.
  func prepare() {
    trunk.prepare()
    for head in heads { head.prepare() }
  }

  /// Begins sequences, each with the entry of its class.
  package func begin(_ classes: (_ row: Int) -> Int32) {
    position.pointee = -1
    for row in 0..<rows {
      for level in 0..<idsPerPlace {
        entries[row * idsPerPlace + level] = classes(row)
        weights[row * idsPerPlace + level] = level == 0 ? 1 : 0
      }
    }
  }

  /// Computes the logits of the next id of all sequences.
  ///
  /// - Parameter index: the id's place in the sequence, from 0; they are asked for in order.
  package func expect(_ index: Int) {
    let level = index % space.depth
    if idsPerPlace == 1 || level == 0 {
      position.pointee += 1
      trunk.run(items: 1)
    }
    if idsPerPlace > 1 {
      // The entries so far, packed row by row.
      for row in 0..<rows {
        for earlier in 0..<level {
          before[row * level + earlier] = entries[row * idsPerPlace + earlier]
        }
      }
    }
    heads[level].run(items: 1)
  }

  /// Notes the id that a sequence has at a place.
  package func note(_ id: Int32, _ row: Int, at index: Int) {
    let level = index % space.depth
    let place = row * idsPerPlace + (idsPerPlace > 1 ? level : 0)
    entries[place] = space.entry(ofID: id, depth: level)
    weights[place] = 1
  }
}
