import Datasets
import Testing

@Suite struct BatchOrderTests {
  @Test(arguments: [(1, 1), (7, 3), (10, 4), (3, 8)])
  func everyEpochShowsEveryImageOnce(count: Int, batchSize: Int) {
    let order = BatchOrder(count: count, batchSize: batchSize, seed: 1)
    for epoch in 0..<5 {
      let images = (0..<count).map { order.image(ofSample: epoch * count + $0) }
      #expect(images.sorted() == Array(0..<count))
      #expect(images == order.order(ofEpoch: epoch))
    }
  }

  @Test func epochsAndSeedsDiffer() {
    let order = BatchOrder(count: 50, batchSize: 4, seed: 1)
    let other = BatchOrder(count: 50, batchSize: 4, seed: 2)
    #expect(order.order(ofEpoch: 0) != order.order(ofEpoch: 1))
    #expect(order.order(ofEpoch: 0) != other.order(ofEpoch: 0))
  }

  /// Asked in any order, also far apart, the answers are those of a straight walk.
  @Test func samplesDoNotDependOnWhatWasAskedBefore() {
    let walk = BatchOrder(count: 9, batchSize: 2, seed: 5)
    let straight = (0..<90).map { walk.image(ofSample: $0) }
    let jump = BatchOrder(count: 9, batchSize: 2, seed: 5)
    for sample in [89, 0, 45, 44, 46, 8, 9, 80, 1] {
      #expect(jump.image(ofSample: sample) == straight[sample])
    }
  }

  @Test func positionsAndSamplesAgree() {
    let order = BatchOrder(count: 7, batchSize: 3, seed: 1)
    #expect(order.samples(ofStep: 0) == 0..<3)
    #expect(order.samples(ofStep: 4) == 12..<15)
    #expect(order.position(ofStep: 0) == .init(epoch: 0, index: 0))
    #expect(order.position(ofStep: 4) == .init(epoch: 1, index: 5))
    for step in 0..<20 {
      #expect(order.sample(at: order.position(ofStep: step)) == step * 3)
    }
  }
}
