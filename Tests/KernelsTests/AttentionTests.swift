import Kernels
import Testing

/// Attention beside its definition in `SequenceCases`: batches, memory, extremes.
struct AttentionTests {
  private func numbers(_ count: Int, _ seed: Int) -> [Float] {
    (0..<count).map { Float(($0 &* 7919 &+ seed &* 104_729) % 2003) / 1001 - 1 }
  }

  private func attend(
    _ g: AttentionGeometry, _ q: [Float], _ k: [Float], _ v: [Float]
  ) -> (y: [Float], logSums: [Float]) {
    var y = [Float](repeating: .nan, count: q.count)
    var logSums = [Float](repeating: .nan, count: g.batch * g.queries * g.heads)
    var workspace = [Float](repeating: .nan, count: g.workspace)
    Kernels.attend(
      g, query: q, key: k, value: v, into: &y, logSums: &logSums, workspace: &workspace)
    return (y, logSums)
  }

  /// A sequence has the same bits alone and in a batch, in every build, and a query the same whatever
  /// comes behind it.
  @Test(arguments: [true, false], [(1, 4), (2, 40), (4, 16)])
  func sequencesDoNotDependOnThoseBesideThem(isCausal: Bool, _ size: (heads: Int, head: Int)) {
    let (batch, places, channels) = (3, 75, size.heads * size.head)
    var g = AttentionGeometry(
      batch: batch, queries: places, keys: places, channels: channels, heads: size.heads,
      isCausal: isCausal)
    let count = places * channels
    let (q, k, v) = (
      numbers(batch * count, 1), numbers(batch * count, 2), numbers(batch * count, 3)
    )
    let all = attend(g, q, k, v)
    g.batch = 1
    for n in 0..<batch {
      let own = n * count..<(n + 1) * count
      #expect(attend(g, Array(q[own]), Array(k[own]), Array(v[own])).y == Array(all.y[own]))
    }
    guard isCausal else { return }
    for shorter in [1, 33, 64, 65] {
      (g.queries, g.keys) = (shorter, shorter)
      let own = 0..<shorter * channels
      #expect(attend(g, Array(q[own]), Array(k[own]), Array(v[own])).y == Array(all.y[own]))
    }
  }

  /// Scratch memory grows with the places, not with their square.
  @Test func memoryIsLinearInThePlaces() {
    func words(_ places: Int) -> (Int, Int) {
      let g = AttentionGeometry(
        batch: 8, queries: places, keys: places, channels: 256, heads: 4, isCausal: true)
      return (g.workspace, g.gradientWorkspace)
    }
    #expect(words(4096).0 < 17 * words(256).0 && words(4096).1 <= 16 * words(256).1)
    #expect(words(4096).1 < 4096 * 4096 / 4)
  }

  /// Scores that differ by far more than Float's exponents reach leave the largest alone.
  @Test func largeScoresAreSafe() {
    let places = 130
    let g = AttentionGeometry(
      batch: 1, queries: places, keys: places, channels: 2, heads: 1, isCausal: false)
    let q = [Float](repeating: 1e4, count: places * 2)
    var k = [Float](repeating: -1e4, count: places * 2)
    k[2 * 99] = 1e4
    k[2 * 99 + 1] = 1e4
    let v = (0..<places * 2).map { Float($0) }
    let (y, logSums) = attend(g, q, k, v)
    for row in 0..<places { #expect(y[2 * row] == 198 && y[2 * row + 1] == 199) }
    #expect(logSums.allSatisfy { $0.isFinite })
  }

  /// A number that is none shows in what sees it, and nowhere else.
  @Test func aNaNIsNotHidden() {
    let places = 70
    let g = AttentionGeometry(
      batch: 1, queries: places, keys: places, channels: 3, heads: 1, isCausal: true)
    var k = numbers(places * 3, 2)
    k[3 * 66] = .nan
    let y = attend(g, numbers(places * 3, 1), k, numbers(places * 3, 3)).y
    #expect(y[..<(3 * 66)].allSatisfy { $0.isFinite } && y[(3 * 66)...].allSatisfy { $0.isNaN })
  }
}
