import Foundation
import Kernels
import Testing

/// The nonlinearities with a gradient in one pass.
enum Activation: CaseIterable {
  case relu, silu, tanh, sigmoid
}

private func activate(
  _ a: Activation, count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  switch a {
  case .relu: relu(count: count, x, into: y)
  case .silu: silu(count: count, x, into: y)
  case .tanh: tanh(count: count, x, into: y)
  case .sigmoid: sigmoid(count: count, x, into: y)
  }
}

private func activateGradient(
  _ a: Activation, count: Int, outputGradient g: UnsafePointer<Float>, x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  switch a {
  case .relu: reluGradient(count: count, outputGradient: g, x: x, into: y)
  case .silu: siluGradient(count: count, outputGradient: g, x: x, into: y)
  case .tanh: tanhGradient(count: count, outputGradient: g, x: x, into: y)
  case .sigmoid: sigmoidGradient(count: count, outputGradient: g, x: x, into: y)
  }
}

@Suite struct ActivationTests {
  static func twin(_ a: Activation, _ x: Double) -> Double {
    switch a {
    case .relu: max(x, 0)
    case .silu: x / (1 + exp(-x))
    case .tanh: tanh(x)
    case .sigmoid: 1 / (1 + exp(-x))
    }
  }

  static func twinSlope(_ a: Activation, _ x: Double) -> Double {
    let s = 1 / (1 + exp(-x))
    return switch a {
    case .relu: x > 0 ? 1 : 0
    case .silu: s + x * s / (1 + exp(x))
    case .tanh: 1 / (cosh(x) * cosh(x))
    case .sigmoid: s / (1 + exp(x))
    }
  }

  /// The largest error in units of the last place of the exact value.
  static func units(_ found: [Float], _ exact: [Double]) -> Double {
    zip(found, exact).reduce(0) { worst, pair in
      let (found, exact) = pair
      if Float(exact) == found { return worst }
      let error = abs(Double(found) - exact) / Double(Float(exact).ulp)
      return error.isNaN ? .infinity : max(worst, error)
    }
  }

  @Test func exponentialIsWithinTwoUnitsOverTheWholeRange() {
    let x = (0...200_000).map { -105 + Float($0) * (195.0 / 200_000) } + noise(5000, seed: 1)
    var y = x
    exponential(count: x.count, x, into: &y)
    #expect(Self.units(y, x.map { exp(Double($0)) }) <= 2)
  }

  @Test func exponentialAtTheEdges() {
    let x: [Float] = [
      0, -0.0, .infinity, -.infinity, .nan, 88.72283, 88.72284, 1e30, -1e30, -103.97208,
      -103.97209, .leastNonzeroMagnitude, -87.5, 1, .greatestFiniteMagnitude,
    ]
    var y = x
    exponential(count: x.count, x, into: &y)
    #expect(y[4].isNaN)
    for i in x.indices where i != 4 {
      let exact = Float(exp(Double(x[i])))
      #expect(y[i] == exact || abs(y[i] - exact) <= 2 * exact.ulp, "e^\(x[i])")
    }
    #expect(y[2] == .infinity && y[3] == 0 && y[6] == .infinity && y[10] == 0 && y[5] < .infinity)
  }

  @Test(arguments: Activation.allCases) func values(_ a: Activation) {
    let x = (0...20_000).map { -30 + Float($0) * 0.003 } + noise(1000, seed: 2, size: 1e-3)
    var y = x
    activate(a, count: x.count, x, into: &y)
    #expect(Self.units(y, x.map { Self.twin(a, Double($0)) }) <= 5)
  }

  @Test func silusOfEverySizeAreWithinFourUnits() {
    // Down to where e^-x leaves the range of Float; beyond, results count as zero.
    let x = (0...200_000).map { -88.3 + Float($0) * (190.0 / 200_000) }
    var y = x
    activate(.silu, count: x.count, x, into: &y)
    #expect(Self.units(y, x.map { Self.twin(.silu, Double($0)) }) <= 4)
    let far: [Float] = [-88.4, -89, -100, -1e4]
    y = far
    activate(.silu, count: 4, far, into: &y)
    #expect(y.allSatisfy { abs($0) < 5e-37 })
  }

  @Test(arguments: Activation.allCases) func gradients(_ a: Activation) {
    let x = (0...20_000).map { -30 + Float($0) * 0.003 } + [0]
    let g = noise(x.count, seed: 3)
    var y = x
    activateGradient(a, count: x.count, outputGradient: g, x: x, into: &y)
    #expect(distance(y, zip(g, x).map { Double($0) * Self.twinSlope(a, Double($1)) }) < 1e-6)
    #expect(y.allSatisfy { $0.isFinite })
  }

  @Test(arguments: [Activation.silu, .tanh, .sigmoid])
  func slopesAreThoseOfTheValues(_ a: Activation) {
    let x = noise(50, seed: 4, size: 5).exact
    let found = slopes(at: x) { $0.reduce(0) { $0 + Self.twin(a, $1) } }
    #expect(zip(found, x).allSatisfy { abs($0 - Self.twinSlope(a, $1)) < 1e-8 })
  }

  @Test func limitsAndNaN() {
    let x: [Float] = [.infinity, -.infinity, .nan, 1e30, -1e30]
    func result(_ a: Activation) -> [Float] {
      var y = x
      activate(a, count: 5, x, into: &y)
      return y
    }
    #expect(distance(result(.relu), [.infinity, 0, .nan, 1.0000000150474662e30, 0]) < 1e-6)
    #expect(distance(result(.tanh), [1, -1, .nan, 1, -1]) == 0)
    #expect(distance(result(.sigmoid), [1, 0, .nan, 1, 0]) == 0)
    #expect(distance(result(.silu), [.infinity, .nan, .nan, 1.0000000150474662e30, 0]) < 1e-6)
  }

  @Test(arguments: Activation.allCases, lengths) func everyLengthAndInPlace(_ a: Activation, n: Int)
  {
    let x = noise(n + 3, seed: 5, size: 4)
    let g = noise(n + 3, seed: 6)
    var y = x
    var byX = g
    y.withUnsafeMutableBufferPointer {
      activate(a, count: n, $0.baseAddress!, into: $0.baseAddress!)
    }
    byX.withUnsafeMutableBufferPointer {
      activateGradient(a, count: n, outputGradient: $0.baseAddress!, x: x, into: $0.baseAddress!)
    }
    let (values, slopes) = (
      x.map { Self.twin(a, Double($0)) },
      zip(g, x).map { Double($0) * Self.twinSlope(a, Double($1)) }
    )
    // What lies behind the end stays as it was.
    #expect(distance(y, Array(values[..<n]) + x[n...].map(Double.init)) < 1e-6)
    #expect(distance(byX, Array(slopes[..<n]) + g[n...].map(Double.init)) < 1e-6)
  }
}
