import Execution
import Kernels

/// Passes over ranges of memories that are laid out as parameters are.
extension CPUBackend {
  /// Sums a range over several memories, in order, into the first.
  public func sum(_ memories: [HostMemory], range: Range<Int>) {
    let target = memories[0].floats(range)
    for memory in memories.dropFirst() {
      accumulate(count: range.count, memory.floats(range), into: target)
    }
  }

  /// The sum of the squares of a range, accumulated in double precision.
  public func sumOfSquares(_ memory: HostMemory, range: Range<Int>) -> Double {
    Kernels.sumOfSquares(count: range.count, memory.floats(range))
  }

  /// The sum of the products of a range of two memories, accumulated in double precision.
  public func innerProduct(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) -> Double {
    return Kernels.innerProduct(count: range.count, a.floats(range), b.floats(range))
  }

  /// The squared distance of a range of two memories, accumulated in double precision.
  public func squaredDistance(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) -> Double {
    return Kernels.squaredDistance(count: range.count, a.floats(range), b.floats(range))
  }

  /// Copies a range to the same place in another memory.
  public func copy(_ source: HostMemory, to target: HostMemory, range: Range<Int>) {
    target.floats(range).update(from: source.floats(range), count: range.count)
  }

  /// Exchanges a range of two memories, bit by bit.
  public func exchange(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) {
    Kernels.exchange(count: range.count, a.floats(range), b.floats(range))
  }

  /// Moves an average, kept as a sum of two parts, towards a range: by a share of the way.
  public func moveAverage(
    _ average: HostMemory, rest: HostMemory, after earlier: (target: HostMemory, share: Float)?,
    towards target: HostMemory, share: Float, range: Range<Int>
  ) {
    guard let earlier else {
      return Kernels.moveAverage(
        count: range.count, towards: target.floats(range), share: share,
        average: average.floats(range), rest: rest.floats(range))
    }
    Kernels.moveAverage(
      count: range.count, towards: earlier.target.floats(range), share: earlier.share,
      then: target.floats(range), share: share, average: average.floats(range),
      rest: rest.floats(range))
  }
}

extension CPUBackend {
  /// Moves a range of parameters by one step of an optimizer.
  public func update(
    _ rule: UpdateRule, range: Range<Int>, decays: Bool, gradientScale: Float,
    parameters: HostMemory, gradients: HostMemory, firstMoment: HostMemory,
    secondMoment: HostMemory
  ) {
    let (p, g) = (parameters.floats(range), gradients.floats(range))
    let (m, v) = (firstMoment.floats(range), secondMoment.floats(range))
    switch rule {
    case .adamW(let step):
      adamW(
        count: range.count, parameters: p, gradients: g, firstMoment: m, secondMoment: v,
        learningRate: step.learningRate, beta1: step.beta1, beta2: step.beta2,
        epsilon: step.epsilon, decay: decays ? step.decay : 0, gradientScale: gradientScale,
        correction1: step.correction1, correction2: step.correction2)
    case .adam(let step):
      adam(
        count: range.count, parameters: p, gradients: g, firstMoment: m, secondMoment: v,
        learningRate: step.learningRate, beta1: step.beta1, beta2: step.beta2,
        epsilon: step.epsilon, decay: decays ? step.decay : 0, gradientScale: gradientScale,
        correction1: step.correction1, correction2: step.correction2)
    case .sgd(let learningRate, let momentum, let nesterov, let decay):
      momentumSGD(
        count: range.count, parameters: p, gradients: g, velocity: m, learningRate: learningRate,
        momentum: momentum, nesterov: nesterov, decay: decays ? decay : 0,
        gradientScale: gradientScale)
    }
  }
}
