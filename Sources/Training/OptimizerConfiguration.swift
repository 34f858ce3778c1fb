import Configuration

/// The rule that turns gradients into updates.
public enum OptimizerConfiguration: Sendable, Equatable {
  /// Adam with weight decay apart from the gradient (Loshchilov & Hutter, 1711.05101).
  case adamw(AdamWConfiguration)
  /// Adam without weight decay (Kingma & Ba, 1412.6980).
  case adam(AdamConfiguration)
  /// Stochastic gradient descent with momentum.
  case sgd(SGDConfiguration)

  /// Step size at the peak of the schedule.
  public var learningRate: Double {
    switch self {
    case .adamw(let configuration): configuration.learningRate
    case .adam(let configuration): configuration.learningRate
    case .sgd(let configuration): configuration.learningRate
    }
  }
}

/// Adam with decay apart from the gradient: `w -= rate * (m / (sqrt(v) + epsilon) + decay * w)`.
public struct AdamWConfiguration: Sendable, Equatable {
  /// Step size at the peak of the schedule.
  public var learningRate: Double
  /// Decay of the average of gradients.
  public var beta1: Double
  /// Decay of the average of squared gradients.
  public var beta2: Double
  /// Added to the root of the averaged squares.
  public var epsilon: Double
  /// Share of a weight, times the step size, taken off at each step.
  public var weightDecay: Double

  /// Describes AdamW.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.99,
    epsilon: Double = 1e-8, weightDecay: Double = 1e-4
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }
}

/// Adam without weight decay: `w -= rate * m / (sqrt(v) + epsilon)`.
public struct AdamConfiguration: Sendable, Equatable {
  /// Step size at the peak of the schedule.
  public var learningRate: Double
  /// Decay of the average of gradients.
  public var beta1: Double
  /// Decay of the average of squared gradients.
  public var beta2: Double
  /// Added to the root of the averaged squares.
  public var epsilon: Double

  /// Describes Adam.
  public init(
    learningRate: Double = 1e-3, beta1: Double = 0.9, beta2: Double = 0.99, epsilon: Double = 1e-8
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
  }
}

/// Gradient descent with momentum: `g += decay * w; u = momentum * u + g; w -= rate * u`.
public struct SGDConfiguration: Sendable, Equatable {
  /// Step size at the peak of the schedule.
  public var learningRate: Double
  /// Share of the previous update kept in the next; 0 keeps none.
  public var momentum: Double
  /// Whether the step is `g + momentum * u`, which looks one update ahead, rather than `u`.
  public var nesterov: Bool
  /// Share of a weight added to its gradient.
  public var weightDecay: Double

  /// Describes gradient descent.
  public init(
    learningRate: Double = 1e-2, momentum: Double = 0.9, nesterov: Bool = false,
    weightDecay: Double = 0
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.nesterov = nesterov
    self.weightDecay = weightDecay
  }
}
