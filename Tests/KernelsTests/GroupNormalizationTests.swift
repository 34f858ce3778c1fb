import Foundation
import Kernels
import Testing

@Suite struct GroupNormalizationTests {
  static func geometry(
    _ batch: Int, _ pixels: Int, _ channels: Int, _ groups: Int, _ activation: FusedActivation
  ) -> GroupNormalizationGeometry {
    GroupNormalizationGeometry(
      batch: batch, pixels: pixels, channels: channels, groups: groups, epsilon: 1e-6,
      activation: activation)
  }

  static let cases = [FusedActivation.none, .silu].flatMap { activation in
    [
      (2, 5, 6, 3), (1, 3, 4, 4), (2, 7, 24, 4), (1, 3, 32, 32), (1, 4, 33, 11), (3, 9, 1, 1),
      (2, 4, 16, 1), (0, 4, 8, 2), (1, 300, 8, 2), (1, 40, 1, 1), (1, 37, 15, 3), (2, 21, 17, 17),
      (1, 5, 31, 1), (1, 1, 33, 3), (1, 9, 64, 32),
    ].map { geometry($0.0, $0.1, $0.2, $0.3, activation) }
  }

  /// The definition, in Double.
  static func twin(
    _ g: GroupNormalizationGeometry, _ x: [Double], _ scale: [Double], _ shift: [Double]
  ) -> (y: [Double], mean: [Double], reciprocal: [Double]) {
    var y = x
    var (means, reciprocals) = ([Double](), [Double]())
    let depth = g.channels / g.groups
    for n in 0..<g.batch {
      for group in 0..<g.groups {
        let members = (0..<g.pixels).flatMap { p in
          (0..<depth).map { (n * g.pixels + p) * g.channels + group * depth + $0 }
        }
        let mean = members.reduce(0) { $0 + x[$1] } / Double(members.count)
        let variance = members.reduce(0) { $0 + pow(x[$1] - mean, 2) } / Double(members.count)
        let reciprocal = 1 / (variance + Double(g.epsilon)).squareRoot()
        means.append(mean)
        reciprocals.append(reciprocal)
        for i in members {
          let c = i % g.channels
          let v = (x[i] - mean) * reciprocal * scale[c] + shift[c]
          y[i] = g.activation == .silu ? v / (1 + exp(-v)) : v
        }
      }
    }
    return (y, means, reciprocals)
  }

  struct Numbers {
    var x, scale, shift, gradient: [Float]

    init(_ g: GroupNormalizationGeometry, about mean: Float = 0.5) {
      x = noise(g.batch * g.pixels * g.channels, seed: 1).map { 2 * $0 + mean }
      scale = noise(g.channels, seed: 2).map { $0 + 1.5 }
      shift = noise(g.channels, seed: 3)
      gradient = noise(x.count, seed: 4)
    }
  }

  @Test(arguments: cases) func output(_ g: GroupNormalizationGeometry) {
    let n = Numbers(g)
    let expected = Self.twin(g, n.x.exact, n.scale.exact, n.shift.exact)
    var y = [Float](repeating: .nan, count: n.x.count)
    var mean = [Float](repeating: .nan, count: g.batch * g.groups)
    var reciprocal = mean
    var workspace = [Float](repeating: .nan, count: g.workspace)
    groupNormalize(
      g, x: n.x, scale: n.scale, shift: n.shift, into: &y, mean: &mean,
      reciprocalDeviation: &reciprocal, workspace: &workspace)
    #expect(distance(mean, expected.mean) < 1e-6)
    #expect(distance(reciprocal, expected.reciprocal) < 1e-6)
    #expect(distance(y, expected.y) < 5e-6)

    var inPlace = n.x
    inPlace.withUnsafeMutableBufferPointer { x in
      guard let x = x.baseAddress else { return }
      groupNormalize(
        g, x: x, scale: n.scale, shift: n.shift, into: x, mean: &mean,
        reciprocalDeviation: &reciprocal, workspace: &workspace)
    }
    #expect(inPlace == y)
  }

  @Test(arguments: cases) func gradients(_ g: GroupNormalizationGeometry) {
    let n = Numbers(g)
    let weights = n.gradient.exact
    func loss(_ x: [Double], _ scale: [Double], _ shift: [Double]) -> Double {
      dot(Self.twin(g, x, scale, shift).y, weights)
    }
    let (x, scale, shift) = (n.x.exact, n.scale.exact, n.shift.exact)
    var mean = [Float](repeating: 0, count: g.batch * g.groups)
    var reciprocal = mean
    var y = n.x
    var workspace = [Float](repeating: .nan, count: g.workspace)
    groupNormalize(
      g, x: n.x, scale: n.scale, shift: n.shift, into: &y, mean: &mean,
      reciprocalDeviation: &reciprocal, workspace: &workspace)
    var byX = [Float](repeating: .nan, count: x.count)
    var byScale = [Float](repeating: .nan, count: g.channels)
    var byShift = byScale
    for turn in [1.0, 2.0] {
      groupNormalizeGradient(
        g, outputGradient: n.gradient, x: n.x, scale: n.scale, shift: n.shift, mean: mean,
        reciprocalDeviation: reciprocal, into: &byX, scaleGradient: &byScale,
        shiftGradient: &byShift, accumulate: turn == 2, workspace: &workspace)
      #expect(distance(byX, slopes(at: x) { loss($0, scale, shift) }) < 1e-5)
      #expect(distance(byScale, slopes(at: scale) { turn * loss(x, $0, shift) }) < 1e-5)
      #expect(distance(byShift, slopes(at: shift) { turn * loss(x, scale, $0) }) < 1e-5)
    }

    var inPlace = n.gradient
    inPlace.withUnsafeMutableBufferPointer { d in
      guard let d = d.baseAddress else { return }
      groupNormalizeGradient(
        g, outputGradient: d, x: n.x, scale: n.scale, shift: n.shift, mean: mean,
        reciprocalDeviation: reciprocal, into: d, scaleGradient: &byScale,
        shiftGradient: &byShift, accumulate: false, workspace: &workspace)
    }
    #expect(inPlace == byX)
  }

  struct Result: Equatable {
    var y: [Float]
    var mean: [Float]
    var reciprocal: [Float]

    init(_ g: GroupNormalizationGeometry, _ n: Numbers) {
      y = [Float](repeating: .nan, count: n.x.count)
      mean = [Float](repeating: .nan, count: g.batch * g.groups)
      reciprocal = mean
      var workspace = [Float](repeating: .nan, count: g.workspace)
      groupNormalize(
        g, x: n.x, scale: n.scale, shift: n.shift, into: &y, mean: &mean,
        reciprocalDeviation: &reciprocal, workspace: &workspace)
    }
  }

  @Test(arguments: cases) func againIsTheSame(_ g: GroupNormalizationGeometry) {
    let n = Numbers(g)
    let first = Result(g, n)
    // What lies behind the end must stay as it is, in the workspace too.
    var y = n.x + [77]
    var workspace = [Float](repeating: .nan, count: g.workspace) + [77]
    y.withUnsafeMutableBufferPointer { y in
      guard let y = y.baseAddress else { return }
      groupNormalizeAgain(
        g, x: y, scale: n.scale, shift: n.shift, mean: first.mean,
        reciprocalDeviation: first.reciprocal, into: y, workspace: &workspace)
    }
    #expect(y == first.y + [77] && workspace[g.workspace] == 77)
  }

  /// The gradient by x, and the other two behind it.
  func gradients(
    _ g: GroupNormalizationGeometry, _ n: Numbers, addend: [Float]?, inPlace: Bool = false
  ) -> [Float] {
    let first = Result(g, n)
    var byX = inPlace ? n.gradient : [Float](repeating: .nan, count: n.x.count)
    byX.append(77)
    var (byScale, byShift) = ([Float](repeating: 0, count: g.channels), n.shift)
    var workspace = [Float](repeating: .nan, count: g.workspace) + [77]
    byX.withUnsafeMutableBufferPointer { byX in
      n.gradient.withUnsafeBufferPointer { gradient in
        guard let y = byX.baseAddress, let gradient = gradient.baseAddress else { return }
        func run(_ addend: UnsafePointer<Float>?) {
          groupNormalizeGradient(
            g, outputGradient: inPlace ? UnsafePointer(y) : gradient, x: n.x, scale: n.scale,
            shift: n.shift, mean: first.mean, reciprocalDeviation: first.reciprocal,
            addend: addend, into: y, scaleGradient: &byScale, shiftGradient: &byShift,
            accumulate: false, workspace: &workspace)
        }
        if addend == n.gradient {
          run(gradient)
        } else if let addend {
          run(addend)
        } else {
          run(nil)
        }
      }
    }
    #expect(byX.removeLast() == 77 && workspace[g.workspace] == 77)
    return byX + byScale + byShift
  }

  @Test(arguments: cases) func anAddendIsAdded(_ g: GroupNormalizationGeometry) {
    let n = Numbers(g)
    let plain = gradients(g, n, addend: nil)
    #expect(gradients(g, n, addend: nil, inPlace: true) == plain)
    for addend in [noise(n.x.count, seed: 5), n.gradient] where !addend.isEmpty {
      let expected = zip(plain, addend).map { $0 + $1 } + plain[n.x.count...]
      #expect(gradients(g, n, addend: addend) == expected)
      if addend != n.gradient {
        #expect(gradients(g, n, addend: addend, inPlace: true) == expected)
      }
    }
  }

  /// Many pixels, of which a few at the start, the corner of an image, are like no other.
  @Test(arguments: [1, 3, 8, 48], [Float(0), 1000]) func anOddCornerCostsNothing(
    channels: Int, mean: Float
  ) {
    let g = Self.geometry(1, 4099, channels, 1, .silu)
    var n = Numbers(g, about: mean)
    for i in 0..<(3 * channels) { n.x[i] += 300 }
    let expected = Self.twin(g, n.x.exact, n.scale.exact, n.shift.exact)
    let found = Result(g, n)
    #expect(distance(found.mean, expected.mean) < 1e-6)
    #expect(distance(found.reciprocal, expected.reciprocal) < 1e-6)
    #expect(distance(found.y, expected.y) < 5e-6)
  }

  @Test func aLargeMeanCostsTheVarianceNothing() {
    let g = Self.geometry(1, 64, 32, 8, .none)
    let n = Numbers(g, about: 10_000)
    var y = n.x
    var mean = [Float](repeating: 0, count: 8)
    var reciprocal = mean
    var workspace = [Float](repeating: .nan, count: g.workspace)
    groupNormalize(
      g, x: n.x, scale: n.scale, shift: n.shift, into: &y, mean: &mean,
      reciprocalDeviation: &reciprocal, workspace: &workspace)
    let expected = Self.twin(g, n.x.exact, n.scale.exact, n.shift.exact)
    #expect(distance(reciprocal, expected.reciprocal) < 1e-6)
    #expect(distance(mean, expected.mean) < 1e-7)
  }

  @Test func aConstantGroupIsItsShift() {
    let g = Self.geometry(1, 5, 8, 2, .none)
    let x = [Float](repeating: 1e6 + 1, count: 40)
    var y = x
    var mean: [Float] = [0, 0]
    var reciprocal = mean
    let shift = noise(8, seed: 9)
    var workspace = [Float](repeating: .nan, count: g.workspace)
    groupNormalize(
      g, x: x, scale: [Float](repeating: 2, count: 8), shift: shift, into: &y, mean: &mean,
      reciprocalDeviation: &reciprocal, workspace: &workspace)
    #expect(y == (0..<40).map { shift[$0 % 8] })
    #expect(distance(reciprocal, [1000, 1000]) < 1e-6)
  }
}
