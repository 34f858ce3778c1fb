import Autodiff
import Execution
import Synchronization
import TestSupport
import Testing

/// Threads that compute one replay together: the same bits as one thread by itself.
struct TeamTests {
  @Test(arguments: OperationCases.all, [2, 3, 5])
  func noOperationDependsOnItsShares(_ operation: OperationCase, _ threads: Int) {
    let (graph, _, output, _) = operation.record()
    let numbers = operation.numbers(outputCount: output.shape.count)
    func result(_ threads: Int) -> [Float]? {
      let run = GraphRun(graph, outputs: ["y": output], threads: threads)
      run.session.operationsPerThread = 0
      return run.run(inOrder: false) { _ in numbers }["y"]
    }
    #expect(result(threads) == result(1))
  }

  /// Operations that can be shared beside one that cannot, over a batch: every phase finds what the one
  /// before left, again and again.
  @Test(arguments: [2, 3, 4, 7]) func aChainIsThatOfOneThread(_ threads: Int) {
    func results(_ threads: Int, together: Bool) -> (used: Int, [[String: [Float]]]) {
      let graph = Graph()
      let image = graph.input("image", [3, 24, 20, 16])
      let filter = graph.input("filter", [3, 3, 16, 32])
      let scale = graph.input("scale", [32])
      let shift = graph.input("shift", [32])
      let filtered = image.convolved(
        with: filter, bias: nil, Convolution(padding: .init(top: 1, bottom: 1, left: 1, right: 1)))
      let normal = filtered.groupNormalized(
        groups: 8, scale: scale, shift: shift, epsilon: 1e-5, activation: .silu)
      let turned = normal.permuted([0, 2, 1, 3])
      let y = turned.permuted([0, 2, 1, 3]) + filtered
      let run = GraphRun(graph, outputs: ["y": y], lanes: threads, threads: threads)
      if together { run.session.operationsPerThread = 0 }
      let results = (0..<4).map { round in
        run.run(inOrder: false) { _ in
          [
            "image": HashedNumbers.values("image\(round)", count: image.shape.count),
            "filter": HashedNumbers.values("filter", count: filter.shape.count),
            "scale": HashedNumbers.values("scale", count: 32),
            "shift": HashedNumbers.values("shift", count: 32),
          ]
        }
      }
      return (run.session.threadsOfOneItem, results)
    }
    let (used, found) = results(threads, together: true)
    #expect(used == threads)
    #expect(found == results(1, together: false).1)
  }

  /// Of several items those that would leave most threads idle are shared: each is replayed once.
  @Test(arguments: [1, 2, 3, 4, 5, 7, 9], [1, 2, 4]) func everyItemIsReplayedOnce(
    _ items: Int, _ lanes: Int
  ) {
    let graph = Graph()
    let x = graph.input("x", [40])
    let run = GraphRun(graph, outputs: ["y": x * x], lanes: lanes, threads: 4)
    run.session.operationsPerThread = 0
    let seen = SeenItems(items)
    run.session.feed = { replay in
      let numbers = [Float](repeating: Float(replay.item + 1), count: 40)
      replay.write("x", numbers)
    }
    run.session.collect = { replay in
      var numbers = [Float](repeating: 0, count: 40)
      replay.read("y", intoWords: &numbers)
      seen.add(replay.item, numbers)
    }
    run.session.runUnordered(items: items)
    for item in 0..<items {
      let square = Float((item + 1) * (item + 1))
      #expect(seen[item] == [[Float](repeating: square, count: 40)])
    }
  }
}

/// What was read of each item.
private final class SeenItems: Sendable {
  private let numbers: Mutex<[[[Float]]]>

  init(_ count: Int) { numbers = Mutex(Array(repeating: [], count: count)) }

  func add(_ item: Int, _ found: [Float]) { numbers.withLock { $0[item].append(found) } }

  subscript(item: Int) -> [[Float]] { numbers.withLock { $0[item] } }
}
