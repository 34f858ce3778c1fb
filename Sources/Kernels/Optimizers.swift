/// One step of AdamW over flat memory: decay of the parameters apart from the gradient.
///
/// g = gradientScale gradient; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
/// p -= learningRate decay p; p -= learningRate (m / correction1) / (sqrt(v / correction2) +
/// epsilon), with correction1 = 1 - beta1^t and correction2 = 1 - beta2^t at step t = 1, 2, ...
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv 1711.05101.
public func adamW(
  count: Int, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
  firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>,
  learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float,
  gradientScale: Float, correction1: Float, correction2: Float
) {
  let keep = Float(1 - Double(learningRate) * Double(decay))
  moments(
    count, parameters, gradients, firstMoment, secondMoment, learningRate: learningRate,
    beta1: beta1, beta2: beta2, epsilon: epsilon, correction1: correction1,
    correction2: correction2, gradient: { g, _ in g * gradientScale }, decayed: { $0 * keep })
}

/// One step of Adam over flat memory, with decay (L2) added to the gradient.
///
/// As `adamW`, but g = gradientScale gradient + decay p, and the parameters decay no other way.
/// Kingma and Ba, "Adam: A Method for Stochastic Optimization", arXiv 1412.6980.
public func adam(
  count: Int, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
  firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>,
  learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float,
  gradientScale: Float, correction1: Float, correction2: Float
) {
  moments(
    count, parameters, gradients, firstMoment, secondMoment, learningRate: learningRate,
    beta1: beta1, beta2: beta2, epsilon: epsilon, correction1: correction1,
    correction2: correction2, gradient: { g, p in g * gradientScale + p * decay },
    decayed: { $0 })
}

/// One step of gradient descent with momentum over flat memory, decay (L2) in the gradient.
///
/// g = gradientScale gradient + decay p; v = momentum v + g; p -= learningRate v, or with
/// `nesterov` p -= learningRate (g + momentum v). The velocity starts at zero.
public func momentumSGD(
  count: Int, parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
  velocity: UnsafeMutablePointer<Float>, learningRate: Float, momentum: Float, nesterov: Bool,
  decay: Float, gradientScale: Float
) {
  eachVector(count) { i, part in
    let p = load(parameters, i, part)
    let g = load(gradients, i, part) * gradientScale + p * decay
    let v = load(velocity, i, part) * momentum + g
    store(v, velocity, i, part)
    store(p - (nesterov ? g + v * momentum : v) * learningRate, parameters, i, part)
  }
}

/// y[i] = ((s0[i] + s1[i]) + s2[i]) + ..., over `lanes` sources in this order.
///
/// The order is fixed, so the sum does not depend on which lane came first. `y` may be one of the
/// sources; with no lanes it is zero.
public func sumLanes(
  count: Int, lanes: Int, _ sources: UnsafePointer<UnsafePointer<Float>>,
  into y: UnsafeMutablePointer<Float>
) {
  guard lanes > 0 else { return fill(count: count, with: 0, into: y) }
  eachVector(count) { i, part in
    var sum = load(sources[0], i, part)
    for lane in 1..<lanes { sum += load(sources[lane], i, part) }
    store(sum, y, i, part)
  }
}

/// The update that Adam and AdamW share.
@inline(__always)
private func moments(
  _ count: Int, _ parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>,
  _ firstMoment: UnsafeMutablePointer<Float>, _ secondMoment: UnsafeMutablePointer<Float>,
  learningRate: Float, beta1: Float, beta2: Float, epsilon: Float,
  correction1: Float, correction2: Float,
  gradient: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>,
  decayed: (SIMD8<Float>) -> SIMD8<Float>
) {
  let step = learningRate / correction1
  let spread = 1 / correction2
  eachVector(count) { i, part in
    let p = load(parameters, i, part)
    let g = gradient(load(gradients, i, part), p)
    let m = load(firstMoment, i, part) * beta1 + g * (1 - beta1)
    let v = load(secondMoment, i, part) * beta2 + g * g * (1 - beta2)
    store(m, firstMoment, i, part)
    store(v, secondMoment, i, part)
    store(decayed(p) - m * step / (root(v * spread) + epsilon), parameters, i, part)
  }
}

/// The square root of each lane, which must not be negative.
///
/// Newton's iteration on 1 / sqrt(v), started from halved exponent bits, and a last correction of
/// v / sqrt(v) itself: the standard library's square root of a vector takes one lane at a time.
@inline(__always)
private func root(_ v: SIMD8<Float>) -> SIMD8<Float> {
  var y = floats(0x5f37_59df &- (bits(v) &>> 1))
  let half = v * 0.5
  for _ in 0..<3 { y *= 1.5 - half * y * y }
  let s = v * y
  return s + 0.5 * y * (v - s * s)
}

/// Calls `body` with the start of each vector and how much of it is there, 8 but for the last.
@inline(__always)
private func eachVector(_ count: Int, _ body: (_ start: Int, _ part: Int) -> Void) {
  var i = 0
  while i &+ 8 <= count {
    body(i, 8)
    i &+= 8
  }
  if i < count { body(i, count &- i) }
}

@inline(__always)
private func store(
  _ v: SIMD8<Float>, _ y: UnsafeMutablePointer<Float>, _ i: Int, _ part: Int
) {
  if part == 8 { y.store(v, at: i) } else { y.store(v, at: i, count: part) }
}
