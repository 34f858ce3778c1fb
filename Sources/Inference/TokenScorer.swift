import Autodiff
import Execution
import Priors

/// Tells what a prior thinks of given images, whole sequences at a time.
public final class TokenScorer<B: Backend> {
  private let space: TokenSpace
  private let places: [Int]
  private let session: Session<B>
  private let rows: Int

  /// Ids of a replay: as many rows as make products fast.
  private static var idsPerReplay: Int { 1024 }

  /// Plans the pass over some sequences.
  public init(
    _ configuration: PriorConfiguration, _ space: TokenSpace, parameters: ParameterMemory<B>,
    lanes: Int, pool: LanePool
  ) {
    self.space = space
    places = configuration.transformer.order.places(rows: space.rows, columns: space.columns)
    rows = max(1, Self.idsPerReplay / space.ids)
    let losses = Self.record(configuration, space, images: rows)
    session = Session(
      Plan(losses.graph, outputs: ["losses": losses], on: parameters.backend),
      parameters: parameters, lanes: lanes, pool: pool)
  }

  /// The record of the pass over the ids of some images: what each id costs.
  public static func record(
    _ configuration: PriorConfiguration, _ space: TokenSpace, images: Int
  ) -> Tensor {
    let graph = Graph()
    let ids: Shape = [images, space.tokens, space.depth]
    return Prior(configuration, space, in: Scope(graph)).losses(
      classes: graph.input("classes", [images], type: .index),
      entries: graph.input("entries", ids, type: .index),
      targets: graph.input("targets", ids, type: .index))
  }

  /// The negative log-likelihood of each image's ids in nats.
  ///
  /// - Parameters:
  ///   - images: ids `[rows, columns, depth]` of each.
  ///   - labels: the class of each; nil for none.
  ///   - progress: called with the images done so far.
  public func score(
    _ images: [[Int32]], labels: [Int?], progress: (_ done: Int) -> Void = { _ in }
  ) -> [Double] {
    let (rows, space, places) = (rows, space, places)
    var scores = [Double](repeating: 0, count: images.count)
    // A portion for each lane at a time, so that progress is told now and then.
    let portion = rows * session.lanes
    for start in stride(from: 0, to: images.count, by: portion) {
      let replays = (min(portion, images.count - start) + rows - 1) / rows
      session.feed = { replay in
        var classes = [Int32](repeating: space.entry(ofClass: nil), count: rows)
        var entries = [Int32](repeating: 0, count: rows * space.ids)
        var targets = entries
        for row in 0..<rows where start + replay.item * rows + row < images.count {
          let image = start + replay.item * rows + row
          classes[row] = space.entry(ofClass: labels[image])
          for index in 0..<space.ids {
            let id = images[image][places[index / space.depth] * space.depth + index % space.depth]
            targets[row * space.ids + index] = id
            entries[row * space.ids + index] = space.entry(ofID: id, depth: index % space.depth)
          }
        }
        replay.write("classes", classes)
        replay.write("entries", entries)
        replay.write("targets", targets)
      }
      scores.withUnsafeMutableBufferPointer { scores in
        // Replays write to images of their own.
        nonisolated(unsafe) let scores = scores
        session.collect = { replay in
          var losses = [Float](repeating: 0, count: rows * space.ids)
          replay.read("losses", intoWords: &losses)
          for row in 0..<rows where start + replay.item * rows + row < scores.count {
            let own = losses[row * space.ids..<(row + 1) * space.ids]
            scores[start + replay.item * rows + row] = own.reduce(0) { $0 + Double($1) }
          }
        }
        session.run(items: replays)
        session.collect = { _ in }
      }
      progress(min(start + portion, images.count))
    }
    session.feed = { _ in }
    return scores
  }
}
