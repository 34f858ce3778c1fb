import Configuration
import Execution

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

extension OptimizerConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The optimizer."
  /// AdamW.
  public static let standard = OptimizerConfiguration.adamw(.standard)

  /// Declares the kinds, `adamw`, `adam` and `sgd`.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant(
      "type", &self,
      [
        ConfigurationVariant("adamw", Self.adamw) {
          if case .adamw(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("adam", Self.adam) {
          if case .adam(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("sgd", Self.sgd) { if case .sgd(let part) = $0 { part } else { nil } },
      ])
  }
}

extension AdamWConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Adam with decoupled weight decay."
  /// Learning rate 0.001, averages 0.9 and 0.99, decay 0.0001.
  public static let standard = AdamWConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    declareAdam(&fields, &learningRate, &beta1, &beta2, &epsilon)
    fields.number(
      "weightDecay", &weightDecay, in: .atLeast(0), isSingle: true,
      "Decoupled weight decay: this fraction of a weight, times the learning rate, is subtracted at each step."
    )
  }
}

extension AdamConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Adam without weight decay."
  /// Learning rate 0.001, averages 0.9 and 0.99.
  public static let standard = AdamConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    declareAdam(&fields, &learningRate, &beta1, &beta2, &epsilon)
  }
}

extension SGDConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Gradient descent with momentum."
  /// Learning rate 0.01, momentum 0.9.
  public static let standard = SGDConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    declareLearningRate(&fields, &learningRate)
    fields.number(
      "momentum", &momentum, in: .from(0, below: 1), isSingle: true,
      "Momentum: the fraction of the previous update kept in the next; 0 keeps none.")
    fields.flag("nesterov", &nesterov, "Whether to use Nesterov momentum.")
    fields.number(
      "weightDecay", &weightDecay, in: .atLeast(0), isSingle: true,
      "Weight decay: the fraction of a weight added to its gradient.")
    let momentum = momentum
    fields.check(
      "nesterov", with: ["momentum"], !nesterov || momentum > 0,
      expected: "false, as momentum is 0", remedy: "Set momentum above 0.")
  }
}

/// The field all optimizers share.
private func declareLearningRate(_ fields: inout ConfigurationFields, _ rate: inout Double) {
  fields.number(
    "learningRate", &rate, in: .above(0), isSingle: true,
    "Learning rate at the peak of the schedule.")
}

/// The fields Adam and AdamW share.
private func declareAdam(
  _ fields: inout ConfigurationFields, _ learningRate: inout Double, _ beta1: inout Double,
  _ beta2: inout Double, _ epsilon: inout Double
) {
  declareLearningRate(&fields, &learningRate)
  fields.number(
    "beta1", &beta1, in: .from(0, below: 1), isSingle: true,
    "Decay of the moving average of gradients.")
  fields.number(
    "beta2", &beta2, in: .from(0, below: 1), isSingle: true,
    "Decay of the moving average of squared gradients.")
  fields.number(
    "epsilon", &epsilon, in: .above(0), isSingle: true,
    "Added to the square root of the averaged squares."
  )
}

extension OptimizerConfiguration {
  /// The numbers of a step, counted from 1.
  package func rule(step: Int, learningRate: Double) -> UpdateRule {
    func moments(_ beta1: Double, _ beta2: Double, _ epsilon: Double, _ decay: Double)
      -> UpdateRule.Moments
    {
      UpdateRule.Moments(
        learningRate: Float(learningRate), beta1: Float(beta1), beta2: Float(beta2),
        epsilon: Float(epsilon), decay: Float(decay), step: step)
    }
    switch self {
    case .adamw(let c): return .adamW(moments(c.beta1, c.beta2, c.epsilon, c.weightDecay))
    case .adam(let c): return .adam(moments(c.beta1, c.beta2, c.epsilon, 0))
    case .sgd(let c):
      return .sgd(
        learningRate: Float(learningRate), momentum: Float(c.momentum), nesterov: c.nesterov,
        decay: Float(c.weightDecay))
    }
  }
}
