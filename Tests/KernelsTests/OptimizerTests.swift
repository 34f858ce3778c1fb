import Foundation
import Kernels
import Testing

@Suite struct OptimizerTests {
  struct Adam {
    var lr = 0.01
    var b1 = 0.9
    var b2 = 0.99
    var epsilon = 1e-8
    var decay = 0.1
    var gradientScale = 0.5
  }

  /// Ten steps in Double; the gradient at step t is a different noise.
  func twin(_ o: Adam, decoupled: Bool, _ start: [Float]) -> [Double] {
    var p = start.exact
    var (m, v) = ([Double](repeating: 0, count: p.count), [Double](repeating: 0, count: p.count))
    for t in 1...10 {
      let gradients = noise(p.count, seed: UInt64(t))
      for i in p.indices {
        let g = Double(gradients[i]) * o.gradientScale + (decoupled ? 0 : o.decay * p[i])
        m[i] = o.b1 * m[i] + (1 - o.b1) * g
        v[i] = o.b2 * v[i] + (1 - o.b2) * g * g
        if decoupled { p[i] -= o.lr * o.decay * p[i] }
        let (mean, square) = (m[i] / (1 - pow(o.b1, Double(t))), v[i] / (1 - pow(o.b2, Double(t))))
        p[i] -= o.lr * mean / (square.squareRoot() + o.epsilon)
      }
    }
    return p
  }

  @Test(arguments: lengths, [false, true]) func adamForTenSteps(n: Int, decoupled: Bool) {
    let o = Adam()
    let start = noise(n, seed: 99)
    var p = start
    var m = [Float](repeating: 0, count: n)
    var v = m
    for t in 1...10 {
      let step = decoupled ? adamW : adam
      step(
        n, &p, noise(n, seed: UInt64(t)), &m, &v, Float(o.lr), Float(o.b1), Float(o.b2),
        Float(o.epsilon), Float(o.decay), Float(o.gradientScale),
        Float(1 - pow(o.b1, Double(t))), Float(1 - pow(o.b2, Double(t))))
    }
    #expect(distance(p, twin(o, decoupled: decoupled, start)) < 2e-6)
  }

  @Test func aGradientOfZeroMovesNothing() {
    var p: [Float] = [1, 2, 3]
    var m: [Float] = [0, 0, 0]
    var v = m
    adamW(
      count: 3, parameters: &p, gradients: [0, 0, 0], firstMoment: &m, secondMoment: &v,
      learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, gradientScale: 1,
      correction1: 0.1, correction2: 0.001)
    #expect(p == [1, 2, 3] && m == [0, 0, 0] && v == [0, 0, 0])
  }

  /// The first step of Adam is the learning rate times the sign, whatever the size of the gradient.
  @Test func gradientsOfEverySize() {
    let sizes: [Float] = [1e-15, 1e-10, 1e-5, 1e-3, 1, 1e3, 1e8, 1e15]
    var p = [Float](repeating: 0, count: 8)
    var m = p
    var v = p
    adam(
      count: 8, parameters: &p, gradients: sizes, firstMoment: &m, secondMoment: &v,
      learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-20, decay: 0, gradientScale: 1,
      correction1: 0.1, correction2: 0.001)
    #expect(distance(p, sizes.map { _ in -0.1 }) < 1e-6)
  }

  @Test func aNaNReachesTheParameters() {
    var (p, m, v): ([Float], [Float], [Float]) = ([1, 1], [0, 0], [0, 0])
    adamW(
      count: 2, parameters: &p, gradients: [.nan, 0], firstMoment: &m, secondMoment: &v,
      learningRate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, gradientScale: 1,
      correction1: 0.1, correction2: 0.001)
    #expect(p[0].isNaN && p[1] == 1)
  }

  @Test(arguments: lengths, [false, true]) func momentumForTenSteps(n: Int, nesterov: Bool) {
    let start = noise(n, seed: 98)
    var p = start
    var velocity = [Float](repeating: 0, count: n)
    var expected = start.exact
    var v = [Double](repeating: 0, count: n)
    for t in 1...10 {
      let gradients = noise(n, seed: UInt64(t))
      for i in 0..<n {
        let g = 0.5 * Double(gradients[i]) + 0.1 * expected[i]
        v[i] = 0.9 * v[i] + g
        expected[i] -= 0.01 * (nesterov ? g + 0.9 * v[i] : v[i])
      }
      momentumSGD(
        count: n, parameters: &p, gradients: gradients, velocity: &velocity, learningRate: 0.01,
        momentum: 0.9, nesterov: nesterov, decay: 0.1, gradientScale: 0.5)
    }
    #expect(distance(p, expected) < 1e-6)
    #expect(distance(velocity, v) < 1e-6)
  }
}
