import Diagnostics
import Foundation
import Testing

@Suite("Local and global cosines")
struct DirectionCosinesTests {
  typealias Sums = DirectionCosines.Sums

  static func sums(_ u: [Double], _ g: [Double]) -> Sums {
    Sums(updateSquared: dot(u, u), gradientSquared: dot(g, g), product: dot(u, g))
  }

  static func cosines(_ u: [[Double]], _ g: [[Double]]) -> DirectionCosines {
    DirectionCosines(groups: zip(u, g).map { sums($0, $1) })
  }

  static func areClose(_ x: [Double?], _ y: [Double]) -> Bool {
    x.count == y.count && zip(x, y).allSatisfy { isClose($0, $1) }
  }

  @Test("COS-1: two perfect locals, an imperfect global")
  func example() {
    let cosines = Self.cosines([[1], [1]], [[1], [2]])
    #expect(Self.areClose(cosines.locals, [1, 1]))
    #expect(isClose(cosines.global, 0.948683298051) && isClose(cosines.kappa, 0.948683298051))
    #expect(isClose(cosines.localMean, 1))
  }

  @Test("COS-2: three nearly perfect groups, profiles that do not match")
  func profiles() {
    let cosines = Self.cosines(
      [[1, 2], [0.1, -0.2, 0.3], [4]], [[0.5, 1.5], [3, -5, 6], [0.2]])
    #expect(Self.areClose(cosines.locals, [0.989949493661, 0.99025867575, 1]))
    #expect(isClose(cosines.kappa, 0.190655092379) && isClose(cosines.localMean, 0.991156065189))
    #expect(isClose(cosines.global, 0.188968951171))
    #expect(
      isClose(
        cosines.updateShares.map { $0.squareRoot() },
        [0.486331623935, 0.0813788458771, 0.869976456581]))
    #expect(
      isClose(
        cosines.gradientShares.map { $0.squareRoot() },
        [0.185644133064, 0.982336416892, 0.0234823317892]))
    #expect(isClose(cosines.decreaseShares, [3.5 / 7.4, 3.1 / 7.4, 0.8 / 7.4]))
    #expect(isClose(cosines.predictedDecrease, 7.4))
    let reversals = CosineReversals(cosines)
    #expect(reversals.names == ["S2"] && isClose(reversals.margin, 0.989949493661 - 0.188968951171))
  }

  @Test("COS-3: all locals are .9, the global is below .1")
  func simpson() {
    let cosines = Self.cosines(
      [[0.05, 0], [1, 0]], [[0.9, 0.435889894354], [0.045, 0.0217944947177]])
    #expect(Self.areClose(cosines.locals, [0.9, 0.9]))
    #expect(isClose(cosines.global, 0.0897755610973) && isClose(cosines.kappa, 0.0997506234414))
    #expect(isClose(cosines.localMean, 0.9))
    #expect(CosineReversals(cosines, threshold: 0.5).names == ["S1", "S2"])
    #expect(CosineReversals(cosines).isBelowAllLocals)
    #expect(!CosineReversals(cosines, threshold: 0.08).isBelowAllLocals)
    #expect(!CosineReversals(cosines, threshold: 0.91).isBelowAllLocals)
  }

  @Test("COS-4: the global lies above the largest local, and below 0")
  func negative() {
    let cosines = Self.cosines(
      [[1, 0], [0.1, 0]], [[-0.05, 0.0866025403784], [-0.5, 0.866025403784]])
    #expect(Self.areClose(cosines.locals, [-0.5, -0.5]))
    #expect(isClose(cosines.global, -0.0990099009901) && isClose(cosines.kappa, 0.19801980198))
    #expect(isClose(cosines.localMean, -0.5) && CosineReversals(cosines).names.isEmpty)
  }

  @Test("COS-5: the update by sign, coordinate by coordinate")
  func sign() {
    let g = [0.5, -0.1, 0.02, 1.2, -0.7, 0]
    let cosines = Self.cosines(g.map { [$0 == 0 ? 0 : $0 > 0 ? 1 : -1] }, g.map { [$0] })
    #expect(Self.areClose(Array(cosines.locals.prefix(5)), [1, 1, 1, 1, 1]))
    #expect(cosines.locals[5] == nil && cosines.zeroGroups == 1)
    #expect(isClose(cosines.global, 0.761471797743))
    // ... and towards sqrt(2 / pi) for many normal coordinates.
    var random = SeededNumbers(5)
    let many = random.normals(200_000)
    let sums = Self.sums(many.map { $0 > 0 ? 1 : -1 }, many)
    #expect(isClose(sums.cosine, 0.797884560803, 2e-3))
  }

  @Test("COS-7: the noise that a cosine of successive gradients implies")
  func noise() throws {
    let cosine = try #require(Self.sums([1, 2, -1, 0.5], [0.8, 1, 0.5, -0.2]).cosine)
    #expect(isClose(cosine, 0.633437860659))
    var successive = SuccessiveGradients(window: 2)
    #expect(successive.noiseRatio == nil)
    successive.record(cosine)
    #expect(isClose(successive.noiseRatio, 0.578686816983))
    successive.record(-cosine)
    #expect(successive.noiseRatio == nil && successive.mean == 0)
    successive.record(.nan)
    for _ in 0..<2 { successive.record(0.5) }
    #expect(successive.noiseRatio == 1 && successive.last == 0.5)
  }

  @Test("simulated noise is found again")
  func simulatedNoise() throws {
    var random = SeededNumbers(7)
    let mean = random.normals(400)
    let signal = dot(mean, mean)
    // Variance per coordinate for N = 9.
    let deviation = (9 * signal / 400).squareRoot()
    var successive = SuccessiveGradients(window: 300)
    var last: [Double] = []
    for _ in 0..<300 {
      let next = plus(mean, random.normals(400), times: deviation)
      if !last.isEmpty { successive.record(try #require(Self.sums(last, next).cosine)) }
      last = next
    }
    #expect((try #require(successive.noiseRatio) - 9).magnitude < 1.2)
  }

  @Test("a window continues bit for bit")
  func successiveState() throws {
    var random = SeededNumbers(70)
    var whole = SuccessiveGradients(window: 5)
    for _ in 0..<20 {
      var parts = try #require(SuccessiveGradients(window: 5, state: whole.state))
      let cosine = random.normal()
      whole.record(cosine)
      parts.record(cosine)
      #expect(whole == parts && whole.mean?.bitPattern == parts.mean?.bitPattern)
    }
    #expect(SuccessiveGradients(window: 4, state: whole.state) == nil)
  }

  @Test("over 20000 cases: kappa times mean is the cosine, which lies where it must; modules nest")
  func random() throws {
    var random = SeededNumbers(50)
    var reversed = 0
    for _ in 0..<20_000 {
      let count = Int.random(in: 1...6, using: &random)
      let groups = (0..<count).map { _ in
        let d = Int.random(in: 1...4, using: &random)
        let (a, b) = (exp(3 * random.normal()), exp(3 * random.normal()))
        return Self.sums(random.normals(d).map { a * $0 }, random.normals(d).map { b * $0 })
      }
      let modules = (0..<count).map { _ in ["a", "b", "c"].randomElement(using: &random)! }
      let nested = NestedCosines(tensors: groups, modules: modules)
      let locals = nested.tensors.locals.compactMap { $0 }
      let global = try #require(nested.tensors.global)
      #expect(global >= min(0, locals.min()!) - 1e-12 && global <= max(0, locals.max()!) + 1e-12)
      for cosines in [nested.tensors, nested.modules] {
        let kappa = try #require(cosines.kappa)
        #expect(kappa > 0 && kappa <= 1)
        #expect((kappa * cosines.localMean! - global).magnitude < 1e-12)
        #expect((cosines.updateShares.reduce(0, +) - 1).magnitude < 1e-12)
        #expect((cosines.gradientShares.reduce(0, +) - 1).magnitude < 1e-12)
      }
      #expect(zip(nested.modules.locals, nested.within).allSatisfy { $0 == $1.global })
      if CosineReversals(nested.tensors).isOpposite { reversed += 1 }
    }
    #expect(reversed > 100)
  }

  @Test("modules keep the order in which they come, and their own kappa")
  func modules() {
    let groups = [[1.0], [2.0], [3.0]].map { Self.sums($0, [1]) }
    let nested = NestedCosines(tensors: groups, modules: ["encoder", "decoder", "encoder"])
    #expect(nested.names == ["encoder", "decoder"])
    #expect(nested.within.map(\.groups.count) == [2, 1])
    #expect(isClose(nested.within[0].updateShares, [0.1, 0.9]))
    #expect(isClose(nested.within[0].kappa, 4 / 20.0.squareRoot()) && nested.within[1].kappa == 1)
  }

  @Test("zero norms have no cosine and disturb none")
  func zeros() {
    let cosines = Self.cosines([[0, 0], [1, 1], [1, 0]], [[1, 2], [0, 0], [1, 1]])
    #expect(cosines.locals[0] == nil && cosines.locals[1] == nil && cosines.zeroGroups == 2)
    #expect(isClose(cosines.kappa! * cosines.localMean!, cosines.global!))
    #expect(isClose(CosineReversals(cosines).margin, 0.5.squareRoot() - cosines.global!))
    let none = Self.cosines([[0], [1]], [[1], [0]])
    #expect(none.localMean == nil && none.kappa == 0 && none.global == 0)
    for empty in [DirectionCosines(groups: []), Self.cosines([[0]], [[0]])] {
      #expect(empty.global == nil && empty.kappa == nil && empty.localMean == nil)
      #expect(empty.decreaseShares.allSatisfy { $0 == 0 })
      #expect(CosineReversals(empty).names.isEmpty && CosineReversals(empty).margin == nil)
    }
  }
}
