import Diagnostics
import Foundation
import Testing

@Suite("Saturation of levels")
struct LevelSaturationTests {
  @Test("the share of latents beyond .98 of the bound, as the bound itself says")
  func definition() {
    var random = SeededNumbers(12)
    let levels = [2, 3, 4, 5, 8]
    for bound in LevelSaturation.Bound.allCases {
      var saturation = LevelSaturation(levels: levels, bound: bound)
      let latents = random.normals(5 * 400).map { Float(3 * $0) }
      saturation.add(Array(latents.prefix(500)))
      saturation.add(Array(latents.dropFirst(500)))
      let expected = levels.indices.map { channel in
        let L = Double(levels[channel])
        let half = (L - 1) * (bound == .tanhWide ? 1.001 : 0.999) / 2
        let even = bound == .tanhWide ? atanh(0.5 / half) : tan(0.5 / half)
        let shift = levels[channel] % 2 == 0 ? even : 0
        let beyond = stride(from: channel, to: latents.count, by: 5).count { place in
          let z = Double(latents[place])
          switch bound {
          case .tanh, .tanhWide: return tanh(z + shift).magnitude > 0.98
          case .sigmoid: return (2 / (1 + exp(-z)) - 1).magnitude > 0.98
          case .ifsq: return (2 / (1 + exp(-1.6 * z)) - 1).magnitude > 0.98
          }
        }
        return Double(beyond) / 400
      }
      #expect(saturation.tokens == 400 && saturation.shares == expected)
      #expect(expected.allSatisfy { $0 > 0.05 && $0 < 0.95 })
    }
  }

  @Test("nothing yet, and at the limit")
  func edges() {
    var saturation = LevelSaturation(levels: [5], bound: .tanh)
    #expect(saturation.shares == [0])
    saturation.add([2.29, -2.29, 2.3, -2.3])
    #expect(saturation.shares == [0.5])
    saturation.add([.infinity, .nan])
    #expect(isClose(saturation.shares, [0.5]))
  }
}
