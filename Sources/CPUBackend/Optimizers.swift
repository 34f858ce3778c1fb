import Execution
import Kernels

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
