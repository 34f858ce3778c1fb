import Forms
import Kernels
import Testing

/// What several threads compute together is, bit for bit, what one computes by itself.
@Suite struct ShareTests {
  /// Runs all shares of all phases, one after the other, each with scratch memory of its own.
  private func runShares(
    _ count: Int, phases: Int, workspace words: Int,
    _ body: (
      WorkShare, _ own: UnsafeMutablePointer<Float>, _ first: UnsafeMutablePointer<Float>
    ) -> Void
  ) {
    let workspaces = (0..<count).map { _ in
      GuardedFloats([Float](repeating: .nan, count: words))
    }
    for phase in 0..<phases {
      for index in (0..<count).reversed() {
        body(
          WorkShare(index: index, count: count, phase: phase), workspaces[index].start,
          workspaces[0].start)
      }
    }
    #expect(workspaces.allSatisfy { $0.damage == 0 })
  }

  static let geometries = [
    geometry(1, 64, 48, 16, 80, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(2, 37, 41, 19, 33, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(1, 4, 3, 130, 64, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(1, 20, 22, 96, 200, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(1, 33, 31, 24, 70, kernel: (1, 1)),
    geometry(1, 31, 29, 64, 64, kernel: (1, 1)),
    geometry(1, 64, 64, 6, 20, kernel: (3, 3), stride: 2, padding: (0, 1, 0, 1)),
  ]

  @Test(arguments: geometries, [2, 3, 8])
  func convolutions(_ g: ConvolutionGeometry, _ count: Int) {
    let data = ConvolutionData(g)
    for bias in [data.bias, nil] {
      var whole = [Float](repeating: .nan, count: g.outputCount)
      var workspace = [Float](repeating: .nan, count: g.workspace)
      convolve(
        g, image: data.image, filter: data.filter, bias: bias, into: &whole, workspace: &workspace)
      let shared = GuardedFloats([Float](repeating: .nan, count: g.outputCount))
      runShares(count, phases: g.phases, workspace: g.workspace) { share, own, first in
        convolve(
          g, image: data.image, filter: data.filter, bias: bias, into: shared.start,
          workspace: own, share: share, shared: first)
      }
      #expect(shared.content == whole && shared.damage == 0)
    }
  }

  @Test(arguments: geometries, [1, 2, 3])
  func convolutionsWithAPreparedFilter(_ g: ConvolutionGeometry, _ count: Int) {
    let data = ConvolutionData(g)
    let prepared = GuardedFloats([Float](repeating: .nan, count: g.preparedWords))
    prepareFilter(g, data.filter, into: prepared.start)
    for bias in [data.bias, nil] {
      var plain = [Float](repeating: .nan, count: g.outputCount)
      var workspace = [Float](repeating: .nan, count: g.workspace)
      convolve(
        g, image: data.image, filter: data.filter, bias: bias, into: &plain, workspace: &workspace)
      let found = GuardedFloats([Float](repeating: .nan, count: g.outputCount))
      runShares(count, phases: 1, workspace: g.workspace) { share, own, _ in
        convolve(
          g, image: data.image, preparedFilter: prepared.start, bias: bias, into: found.start,
          workspace: own, share: share)
      }
      #expect(found.content == plain && found.damage == 0 && prepared.damage == 0)
    }
  }

  @Test(arguments: [(1, 1024, 32), (3, 50, 24), (2, 7, 64), (1, 4099, 6)], [2, 5, 40])
  func groupNormalizations(_ size: (batch: Int, pixels: Int, channels: Int), _ count: Int) {
    let g = GroupNormalizationGeometry(
      batch: size.batch, pixels: size.pixels, channels: size.channels, groups: 2, epsilon: 1e-6,
      activation: .silu)
    let numbers = size.batch * size.pixels * size.channels
    let (x, scale, shift) = (
      noise(numbers, seed: 1), noise(size.channels, seed: 2), noise(size.channels, seed: 3)
    )
    var (y, mean, reciprocal) = (
      x, [Float](repeating: .nan, count: 2 * size.batch),
      [Float](repeating: .nan, count: 2 * size.batch)
    )
    var workspace = [Float](repeating: .nan, count: g.workspace)
    groupNormalize(
      g, x: x, scale: scale, shift: shift, into: &y, mean: &mean,
      reciprocalDeviation: &reciprocal, workspace: &workspace)
    // In place, as a plan may have it.
    let (shared, means, reciprocals) = (
      GuardedFloats(x), GuardedFloats(mean.map { _ in .nan }),
      GuardedFloats(mean.map { _ in .nan })
    )
    runShares(count, phases: g.phases, workspace: g.workspace) { share, own, first in
      groupNormalize(
        g, x: shared.start, scale: scale, shift: shift, into: shared.start, mean: means.start,
        reciprocalDeviation: reciprocals.start, workspace: own, share: share, shared: first)
    }
    #expect(shared.content == y && shared.damage == 0)
    #expect(means.content == mean && reciprocals.content == reciprocal)
  }

  @Test(arguments: [(1, 1, 300), (2, 3, 40), (1, 4, 64)], [2, 3, 16])
  func attention(_ size: (batch: Int, heads: Int, places: Int), _ count: Int) {
    for isCausal in [false, true] {
      let g = AttentionGeometry(
        batch: size.batch, queries: size.places, keys: size.places, channels: size.heads * 20,
        heads: size.heads, isCausal: isCausal)
      let numbers = g.batch * g.queries * g.channels
      let (q, k, v) = (noise(numbers, seed: 1), noise(numbers, seed: 2), noise(numbers, seed: 3))
      var whole = [Float](repeating: .nan, count: numbers)
      var logSums = [Float](repeating: .nan, count: g.batch * g.queries * g.heads)
      var workspace = [Float](repeating: .nan, count: g.workspace)
      attend(
        g, query: q, key: k, value: v, into: &whole, logSums: &logSums, workspace: &workspace)
      let (y, sums) = (
        GuardedFloats(whole.map { _ in .nan }), GuardedFloats(logSums.map { _ in .nan })
      )
      runShares(count, phases: 1, workspace: g.workspace) { share, own, _ in
        attend(
          g, query: q, key: k, value: v, into: y.start, logSums: sums.start, workspace: own,
          share: share)
      }
      #expect(y.content == whole && sums.content == logSums && y.damage + sums.damage == 0)
    }
  }

  @Test func sharesAreTheWhole() {
    for total in [0, 1, 5, 16, 17, 100] {
      for unit in [1, 2, 16] {
        for count in 1...9 {
          let ranges = (0..<count).map {
            WorkShare(index: $0, count: count, phase: 0).range(of: total, unit: unit)
          }
          #expect(ranges.flatMap { Array($0) } == Array(0..<total))
          #expect(ranges.allSatisfy { $0.isEmpty || $0.lowerBound % unit == 0 })
        }
      }
    }
  }
}
