import Kernels
import Testing

/// The code that is taken where scores are computed twice.
struct LeastScoreTests {
  private func code(_ scores: [(Int, Float)]) -> Int {
    var least = LeastScore()
    for (code, score) in scores { least.add(code, score) }
    return least.code
  }

  @Test func theLeastWinsAndTheLowestOfSeveral() {
    #expect(code([(4, 2), (1, 1), (9, 3)]) == 1)
    #expect(code([(7, 1), (3, 1), (5, 1)]) == 3)
  }

  /// Whatever the scores are, one of the codes is taken.
  @Test func aCodeIsAlwaysTaken() {
    #expect(code([(6, .nan)]) == 6)
    #expect(code([(6, .nan), (2, 5)]) == 2)
    #expect(code([(2, 5), (6, .nan)]) == 2)
    #expect(code([(8, .infinity)]) == 8)
    #expect(code([]) == -1)
  }
}
