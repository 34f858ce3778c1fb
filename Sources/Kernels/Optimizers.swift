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
  let adam = Adam(
    learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
    correction1: correction1, correction2: correction2)
  for i in vectors(count) {
    let g = gradients[i] * gradientScale
    parameters[i] = adam.step(parameters[i] * keep, g, &firstMoment[i], &secondMoment[i])
  }
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
  let adam = Adam(
    learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
    correction1: correction1, correction2: correction2)
  for i in vectors(count) {
    let p = parameters[i]
    let g = multiplyAdd(p, decay, gradients[i] * gradientScale)
    parameters[i] = adam.step(p, g, &firstMoment[i], &secondMoment[i])
  }
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
  for i in vectors(count) {
    let p = parameters[i]
    let g = multiplyAdd(p, decay, gradients[i] * gradientScale)
    let v = multiplyAdd(velocity[i], momentum, g)
    velocity[i] = v
    parameters[i] = multiplyAdd(nesterov ? multiplyAdd(v, momentum, g) : v, -learningRate, p)
  }
}

/// The update that Adam and AdamW share.
private struct Adam {
  let step: Float
  let spread: Float
  let beta1: Float
  let beta2: Float
  let epsilon: Float

  init(
    learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, correction1: Float,
    correction2: Float
  ) {
    step = learningRate / correction1
    spread = 1 / correction2
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
  }

  /// The new parameters, of old ones and their gradient; updates the moments.
  @inline(__always)
  func step(
    _ parameters: SIMD16<Float>, _ gradient: SIMD16<Float>, _ firstMoment: inout SIMD16<Float>,
    _ secondMoment: inout SIMD16<Float>
  ) -> SIMD16<Float> {
    let m = multiplyAdd(gradient, 1 - beta1, firstMoment * beta1)
    let v = multiplyAdd(gradient * (1 - beta2), gradient, secondMoment * beta2)
    firstMoment = m
    secondMoment = v
    return parameters - m * step / (squareRoot(v * spread) + epsilon)
  }
}

// MARK: - Averages of iterates

/// Moves an average towards x: average += share (x - average), in about twice the digits of a float.
///
/// The average is `average[i] + rest[i]`: what a float cannot hold of the sum goes to `rest`, by
/// Knuth's exact sum of two numbers. Without it a mean of 100,000 iterates would stop moving where
/// iterates differ by less than half a percent. With `share` 1 it becomes x itself.
public func moveAverage(
  count: Int, towards x: UnsafePointer<Float>, share: Float,
  average: UnsafeMutablePointer<Float>, rest: UnsafeMutablePointer<Float>
) {
  if share == 1 {
    average.update(from: x, count: count)
    return fill(count: count, with: 0, into: rest)
  }
  for i in vectors(count) { move(&average[i], &rest[i], towards: x[i], share) }
}

/// Moves an average towards x, and then towards y: bit by bit what two moves do, in one pass over memory.
public func moveAverage(
  count: Int, towards x: UnsafePointer<Float>, share: Float, then y: UnsafePointer<Float>,
  share shareOfY: Float, average: UnsafeMutablePointer<Float>, rest: UnsafeMutablePointer<Float>
) {
  if share == 1 || shareOfY == 1 {
    moveAverage(count: count, towards: x, share: share, average: average, rest: rest)
    return moveAverage(count: count, towards: y, share: shareOfY, average: average, rest: rest)
  }
  for i in vectors(count) {
    var (high, low) = (average[i], rest[i])
    move(&high, &low, towards: x[i], share)
    move(&high, &low, towards: y[i], shareOfY)
    (average[i], rest[i]) = (high, low)
  }
}

/// Interpolates a double-float average towards new values: `average += share * (x - average)`.
@inline(__always)
private func move(
  _ high: inout SIMD16<Float>, _ low: inout SIMD16<Float>, towards x: SIMD16<Float>, _ share: Float
) {
  let change = low + ((x - high) - low) * share
  let sum = high + change
  let taken = sum - high
  low = (high - (sum - taken)) + (change - taken)
  high = sum
}

/// The sum of a[i] b[i], in Double.
public func innerProduct(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  dotProduct(count, a, b)
}

/// The sum of (a[i] - b[i])^2, the difference taken in Double too.
public func squaredDistance(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  var total = SIMD16<Double>.zero
  for i in vectors(count) {
    let difference = doubles(a[i]) - doubles(b[i])
    total += difference * difference
  }
  return sum(total)
}

/// Each takes the other's numbers.
public func exchange(
  count: Int, _ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { (a[i], b[i]) = (b[i], a[i]) }
}
