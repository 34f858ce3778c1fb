import Diagnostics
import Foundation
import Testing

/// Ranks that were planted are found, by either unfolding, and priced.
@Suite("Layer spectra")
struct LayerSpectrumTests {
  /// A kernel `[O, I, kh, kw]` that is a product of rank r by one unfolding, and of full rank by the
  /// other.
  private static func kernel(
    _ shape: LayerShape, rank: Int, _ unfolding: LayerSpectrum.Unfolding, seed: Int = 1
  ) -> [Float] {
    var random = SeededNumbers(seed)
    let (outputs, inputs, window) = (shape.outputs, shape.inputs, shape.window)
    let rows = unfolding == .byOutput ? outputs : inputs
    let columns = shape.count / rows
    let (left, right) = (random.normals(rows * rank), random.normals(rank * columns))
    func element(_ row: Int, _ column: Int) -> Float {
      Float((0..<rank).reduce(0.0) { $0 + left[row * rank + $1] * right[$1 * columns + column] })
    }
    var weights: [Float] = []
    for output in 0..<outputs {
      for input in 0..<inputs {
        for place in 0..<window {
          weights.append(
            unfolding == .byOutput
              ? element(output, input * window + place)
              : element(input, output * window + place))
        }
      }
    }
    return weights
  }

  private static func spectrum(
    _ shape: LayerShape, _ weights: [Float], both: Bool = true
  ) throws -> LayerSpectrum {
    try #require(LayerSpectrum("layer", shape, weights: weights, bothUnfoldings: both))
  }

  @Test(
    "a product of rank r has rank r, and its two factors cost what the formula says",
    arguments: LayerSpectrum.Unfolding.allCases, [(24, 16), (16, 24), (16, 16)])
  func planted(_ unfolding: LayerSpectrum.Unfolding, _ channels: (Int, Int)) throws {
    let (outputs, inputs) = channels
    let shape = LayerShape(outputs: outputs, inputs: inputs, height: 3, width: 3)
    let layer = try Self.spectrum(shape, Self.kernel(shape, rank: 3, unfolding))
    #expect(layer.unfolding == (outputs <= inputs ? .byOutput : .byInput))
    #expect(layer.fullRank == 16 && layer.values == layer.values.sorted(by: >))
    #expect(layer.otherValues.count == max(outputs, inputs))
    let factors = layer.factors(keeping: 0.999999)
    #expect(factors.unfolding == unfolding && factors.rank == 3 && factors.pay)
    #expect(factors.first == (unfolding == .byOutput ? "3x3" : "1x1"))
    let cost =
      unfolding == .byOutput ? 3 * (9 * inputs + outputs) : 3 * (inputs + 9 * outputs)
    #expect(factors.weights == cost)
    #expect(factors.multiplyAdds == Double(cost) / Double(9 * inputs * outputs))
    if layer.unfolding == unfolding {
      #expect(layer.rank(keeping: 0.999999) == 3 && layer.shares[3] < 1e-6)
      #expect(layer.stableRank <= 3.0001 && layer.entropyRank <= 3.001)
    }
    // The energy of both is that of the kernel.
    let energy = Self.kernel(shape, rank: 3, unfolding).reduce(0) { $0 + Double($1) * Double($1) }
    for values in [layer.values, layer.otherValues] {
      #expect(abs(values.reduce(0) { $0 + $1 * $1 } / energy - 1) < 1e-6)
    }
  }

  @Test("equal singular values: every rank is the full one, and no factors pay")
  func orthogonal() throws {
    let shape = LayerShape(outputs: 8, inputs: 8)
    let layer = try Self.spectrum(shape, (0..<64).map { $0 % 9 == 0 ? -2 : 0 })
    #expect(layer.values.allSatisfy { abs($0 - 2) < 1e-12 })
    #expect(abs(layer.stableRank - 8) < 1e-12 && abs(layer.entropyRank - 8) < 1e-12)
    #expect(layer.rank(keeping: 0.99) == 8 && layer.rank(keeping: 0.95) == 8)
    #expect(layer.rank(keeping: 0.5) == 4)
    #expect(layer.factors(keeping: 0.95).multiplyAdds == 2)
  }

  @Test("a linear map has one unfolding; shares of its energy are those of its diagonal")
  func linear() throws {
    let shape = LayerShape(outputs: 3, inputs: 5)
    var weights = [Float](repeating: 0, count: 15)
    (weights[0], weights[6], weights[12]) = (1, 10, 2)
    let layer = try Self.spectrum(shape, weights)
    #expect(layer.values.map { ($0 * 1e9).rounded() / 1e9 } == [10, 2, 1])
    #expect(layer.otherValues.isEmpty && layer.shares[1] == layer.values[1] / layer.values[0])
    // 100, 4, 1 of 105: 95.2%, 99.05%.
    #expect(layer.rank(keeping: 0.95) == 1 && layer.rank(keeping: 0.99) == 2)
    #expect(layer.factors(keeping: 0.95).first == "1x1")
    #expect(layer.factors(keeping: 0.95).multiplyAdds == 8.0 / 15)
    #expect(shape.words == "3x5")
  }

  @Test("before a stride the 1x1 sees all pixels, so that the window may have to go first")
  func stride() throws {
    let shape = LayerShape(outputs: 16, inputs: 16, height: 3, width: 3, stride: 2)
    let layer = try Self.spectrum(shape, Self.kernel(shape, rank: 3, .byInput))
    let factors = layer.factors(keeping: 0.999999)
    #expect(factors.first == "1x1" && factors.weights == 3 * (16 + 144))
    #expect(factors.multiplyAdds == Double(3 * (4 * 16 + 144)) / 2304)
    #expect(shape.words == "16x16, 3x3")
  }

  @Test("layers of zeros and of one channel; weights that are not finite have no spectrum")
  func edges() throws {
    let shape = LayerShape(outputs: 4, inputs: 3, height: 3, width: 3)
    let zero = try Self.spectrum(shape, [Float](repeating: 0, count: shape.count))
    #expect(zero.shares.isEmpty && zero.rank(keeping: 0.99) == 0 && zero.fullRank == 3)
    #expect(zero.stableRank == 0 && zero.entropyRank == 0)
    #expect(zero.factors(keeping: 0.95).rank == 1)
    let tiny = try Self.spectrum(LayerShape(outputs: 1, inputs: 1), [-3])
    #expect(tiny.values == [3] && tiny.shares == [1] && tiny.rank(keeping: 0.99) == 1)
    #expect(tiny.stableRank == 1 && tiny.entropyRank == 1 && !tiny.factors(keeping: 0.95).pay)
    for bad in [Float.nan, .infinity] {
      var weights = [Float](repeating: 1, count: shape.count)
      weights[7] = bad
      #expect(LayerSpectrum("x", shape, weights: weights, bothUnfoldings: true) == nil)
    }
    // Tiny and huge numbers: no measure depends on the scale.
    let weights = Self.kernel(shape, rank: 2, .byInput)
    let ordinary = try Self.spectrum(shape, weights)
    for scale in [Float(0x1p-100), 0x1p90] {
      let scaled = try Self.spectrum(shape, weights.map { $0 * scale })
      #expect(abs(scaled.stableRank / ordinary.stableRank - 1) < 1e-9)
      #expect(scaled.rank(keeping: 0.99) == ordinary.rank(keeping: 0.99))
    }
  }

  @Test("one unfolding alone: factors are of that one")
  func oneUnfolding() throws {
    let shape = LayerShape(outputs: 8, inputs: 8, height: 3, width: 3)
    let weights = Self.kernel(shape, rank: 1, .byInput)
    let layer = try Self.spectrum(shape, weights, both: false)
    #expect(layer.otherValues.isEmpty && layer.factors(keeping: 0.99).unfolding == .byOutput)
    #expect(try Self.spectrum(shape, weights).factors(keeping: 0.99).unfolding == .byInput)
  }
}
