import Autodiff
import Execution

/// Finds the nearest of many points for each of many vectors, on the device of a run.
final class NearestSearch<B: Backend> {
  /// Vectors in a replay.
  private static var portion: Int { 512 }
  /// Multiply-adds between two looks at whether the search is to end.
  private static var mostBetweenLooks: Int { 1 << 33 }

  private let vectors: [Float]
  private let dimension: Int
  private let parameters: ParameterMemory<B>
  private let session: Session<B>

  /// Plans a search among a number of points for vectors `[n, d]`.
  init(
    _ points: Int, for vectors: [Float], dimension: Int, on backend: B, lanes: Int, pool: LanePool
  ) {
    self.vectors = vectors
    self.dimension = dimension
    let graph = Graph()
    let table = Scope(graph).parameter(
      "points", [points, dimension], .constant(0), isTrained: false)
    let found = graph.input("vectors", [Self.portion, dimension]).nearestCodes(in: table)
    parameters = ParameterMemory(ParameterLayout(graph.parameters), on: backend)
    let plan = Plan(graph, outputs: ["found": found], on: backend)
    session = Session(plan, parameters: parameters, lanes: lanes, pool: pool)
  }

  /// The point nearest to each vector, ties to the lowest.
  ///
  /// - Parameters:
  ///   - points: `[K, d]`.
  ///   - beforeEach: called before each part of the work; may throw to end it.
  func nearest(in points: [Float], beforeEach: () throws -> Void) rethrows -> [Int32] {
    parameters.write(points, toParameter: 0)
    let (count, portion, words) = (
      vectors.count / dimension, Self.portion, Self.portion * dimension
    )
    let items = (count + portion - 1) / portion
    let found = FoundPoints(count: items * portion)
    let each = max(session.lanes, Self.mostBetweenLooks / (portion * max(1, points.count)))
    defer {
      session.feed = { _ in }
      session.collect = { _ in }
    }
    for first in stride(from: 0, to: items, by: each) {
      try beforeEach()
      search(first..<min(first + each, items), words: words, into: found)
    }
    return Array(found.places[..<count])
  }

  /// Searches for the vectors of some portions.
  private func search(_ items: Range<Int>, words: Int, into found: FoundPoints) {
    let portion = Self.portion
    session.feed = { [vectors] replay in
      // The last portion is filled up with zeros.
      let start = (items.lowerBound + replay.item) * words
      let piece = Array(vectors[start..<min(start + words, vectors.count)])
      replay.write("vectors", piece + Array(repeating: 0, count: words - piece.count))
    }
    session.collect = { replay in
      let item = items.lowerBound + replay.item
      replay.read("found", intoWords: found.places.baseAddress! + item * portion)
    }
    session.runUnordered(items: items.count)
  }
}

/// Points that lanes write side by side, each at its own places.
private final class FoundPoints: @unchecked Sendable {
  // Unchecked: no two lanes write one place, and nobody reads before all are done.
  let places: UnsafeMutableBufferPointer<Int32>

  init(count: Int) {
    places = .allocate(capacity: count)
    places.initialize(repeating: 0)
  }

  deinit { places.deallocate() }
}
