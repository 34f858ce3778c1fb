import Foundation
import Kernels
import Testing

/// Attention beside its definition, in batches, in little memory, at extremes.
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

  private func gradients(
    _ g: AttentionGeometry, _ dy: [Float], _ q: [Float], _ k: [Float], _ v: [Float]
  ) -> (q: [Float], k: [Float], v: [Float]) {
    let (y, logSums) = attend(g, q, k, v)
    var dq = [Float](repeating: .nan, count: q.count)
    var (dk, dv) = (
      [Float](repeating: .nan, count: k.count), [Float](repeating: .nan, count: v.count)
    )
    var workspace = [Float](repeating: .nan, count: g.gradientWorkspace)
    attendGradient(
      g, outputGradient: dy, query: q, key: k, value: v, y: y, logSums: logSums,
      queryGradient: &dq, keyGradient: &dk, valueGradient: &dv, workspace: &workspace)
    return (dq, dk, dv)
  }

  /// Result and gradients as they are defined, in double precision, each query over the keys it sees.
  private func twin(
    _ g: AttentionGeometry, _ dy: [Float], _ q: [Float], _ k: [Float], _ v: [Float]
  ) -> [[Double]] {
    let head = g.channels / g.heads
    let scale = 1 / Double(head).squareRoot()
    var (y, dq) = ([Double](repeating: 0, count: q.count), [Double](repeating: 0, count: q.count))
    var (dk, dv) = ([Double](repeating: 0, count: k.count), [Double](repeating: 0, count: k.count))
    func product(_ a: [Float], _ i: Int, _ b: [Float], _ j: Int) -> Double {
      (0..<head).reduce(0) { $0 + Double(a[i + $1]) * Double(b[j + $1]) }
    }
    for (n, h) in (0..<g.batch).flatMap({ n in (0..<g.heads).map { (n, $0 * head) } }) {
      for query in 0..<g.queries {
        let i = (n * g.queries + query) * g.channels + h
        let seen = (0..<(g.isCausal ? query + 1 : g.keys)).map {
          (n * g.keys + $0) * g.channels + h
        }
        let weights = seen.map { exp(scale * product(q, i, k, $0)) }
        let total = weights.reduce(0, +)
        let slopes = seen.map { product(dy, i, v, $0) }
        let mean = zip(weights, slopes).reduce(0) { $0 + $1.0 / total * $1.1 }
        for (index, j) in seen.enumerated() {
          let p = weights[index] / total
          let slope = scale * p * (slopes[index] - mean)
          for c in 0..<head {
            y[i + c] += p * Double(v[j + c])
            dq[i + c] += slope * Double(k[j + c])
            dk[j + c] += slope * Double(q[i + c])
            dv[j + c] += p * Double(dy[i + c])
          }
        }
      }
    }
    return [y, dq, dk, dv]
  }

  /// The definition holds at every length about which a group or a block of queries or keys ends, with
  /// heads of one panel of values and of two, whatever was in the scratch memory.
  @Test(
    arguments: [1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 79, 80, 81, 97, 130],
    [(heads: 2, head: 3, isCausal: true), (1, 70, true), (2, 3, false)])
  func everyLengthIsAsDefined(
    _ places: Int, _ size: (heads: Int, head: Int, isCausal: Bool)
  ) {
    let g = AttentionGeometry(
      batch: 2, queries: places, keys: size.isCausal ? places : places + 3,
      channels: size.heads * size.head, heads: size.heads, isCausal: size.isCausal)
    let (q, dy) = (
      numbers(g.batch * g.queries * g.channels, 1), numbers(g.batch * g.queries * g.channels, 4)
    )
    let (k, v) = (
      numbers(g.batch * g.keys * g.channels, 2), numbers(g.batch * g.keys * g.channels, 3)
    )
    let found = gradients(g, dy, q, k, v)
    let pairs = zip([attend(g, q, k, v).y, found.q, found.k, found.v], twin(g, dy, q, k, v))
    for (name, (found, expected)) in zip(["y", "dq", "dk", "dv"], pairs) {
      let worst = zip(found, expected).map { abs(Double($0) - $1) }.reduce(0) { $1 <= $0 ? $0 : $1 }
      #expect(worst < 5e-6, "\(name) of \(places) places")
    }
  }

  /// Sixteen queries leave out all keys behind them, and sixteen keys all queries before them: what is
  /// not read cannot spoil a sum, as zero times NaN would.
  @Test(arguments: [16, 32, 48, 64, 80])
  func causalGroupsReadNothingThatTheyDoNotSee(end: Int) {
    let (places, channels) = (90, 3)
    let g = AttentionGeometry(
      batch: 1, queries: places, keys: places, channels: channels, heads: 1, isCausal: true)
    let count = places * channels
    let (q, k, v, dy) = (numbers(count, 1), numbers(count, 2), numbers(count, 3), numbers(count, 4))
    let edge = end * channels
    var (late, early) = (v, dy)
    late[edge] = .nan
    early[edge - 1] = .nan
    #expect(attend(g, q, k, late).y[..<edge] == attend(g, q, k, v).y[..<edge])
    let plain = gradients(g, dy, q, k, v)
    #expect(gradients(g, dy, q, k, late).q[..<edge] == plain.q[..<edge])
    let spoilt = gradients(g, early, q, k, v)
    #expect(spoilt.k[edge...] == plain.k[edge...] && spoilt.v[edge...] == plain.v[edge...])
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
