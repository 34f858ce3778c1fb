import Evaluation
import Testing

@Suite struct DepthUsageTests {
  @Test func tokensOfOneIndexAreCountedAsEver() {
    var usage = DepthUsage(codes: 4, depth: 1)
    usage.add([0, 3, 3])
    var plain = CodebookUsage(codes: 4)
    plain.add([0, 3, 3])
    #expect(usage.depths == [plain] && usage.pooled == plain && usage.joined == plain)
  }

  /// A depth that stays on one code is seen, where the pooled counts hide it.
  @Test func eachDepthIsCountedByItself() {
    var usage = DepthUsage(codes: 4, depth: 2)
    usage.add([0, 2, 1, 2])
    usage.add([3, 2])
    #expect(usage.depths.map(\.counts) == [[1, 1, 0, 1], [0, 0, 3, 0]])
    #expect(usage.pooled.counts == [1, 1, 3, 1] && usage.pooled.usage == 1)
    #expect(usage.joined.counts == [1, 1, 0, 1, 0, 0, 3, 0] && usage.joined.used == 4)
  }
}
