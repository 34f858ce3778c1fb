import Autodiff
import Foundation
import Layers

/// A small diffusion model of vectors, each with a condition of its own.
///
///     y = silu(time(waves(log sigma / 4)) + condition(z))
///     h = input(x);  h = h + gate(y) mlp(normalized(h) by modulation(y)) for each block
///     F = output(normalized(h) by final_modulation(y))
///
/// The network F is preconditioned so that its input, its target and its weight are of one size at all
/// noise levels, for data of standard deviation s = 1/2:
///
///     D(x, sigma) = s^2 x / (sigma^2 + s^2) + sigma s / sqrt(sigma^2 + s^2) F(x / sqrt(sigma^2 + s^2))
///     dx/dsigma = (x - D(x, sigma)) / sigma = sigma x / (sigma^2 + s^2) - s / sqrt(sigma^2 + s^2) F
///
/// Sources: Li et al., "Autoregressive image generation without vector quantization", 2024 (the network);
/// Karras et al., "Elucidating the design space of diffusion-based generative models", 2022.
struct DiffusionHead {
  /// The standard deviation of the data.
  static let dataDeviation: Float = 0.5
  /// The frequencies by which the network sees a noise level: 1/4 to 32 in 32 steps.
  private static let frequencies: [Float] = (0..<32).map { Float(pow(2, Double($0) * 7 / 31 - 2)) }

  private let configuration: DiffusionHeadConfiguration
  private let timeIn, timeOut, conditionMap, input: Linear
  private let blocks: [Block]
  private let finalModulation, output: Linear

  private struct Block {
    let modulation, gate, mlpIn, mlpOut: Linear
  }

  /// Declares a head's parameters.
  ///
  /// - Parameters:
  ///   - numbers: numbers of a vector.
  ///   - known: channels of what the transformer knows.
  init(_ configuration: DiffusionHeadConfiguration, numbers: Int, known: Int, in scope: Scope) {
    self.configuration = configuration
    let width = configuration.width
    func zeros(_ inputs: Int, _ outputs: Int, _ scope: Scope) -> Linear {
      Linear(inputs, outputs, start: .constant(0), in: scope)
    }
    timeIn = Linear(2 * Self.frequencies.count, width, in: scope["time"]["0"])
    timeOut = Linear(width, width, in: scope["time"]["1"])
    conditionMap = Linear(known, width, in: scope["condition"])
    input = Linear(numbers, width, in: scope["input"])
    blocks = (0..<configuration.layers).map { index in
      let scope = scope["blocks"][String(index)]
      // Zeros, so that each block begins as the identity.
      return Block(
        modulation: zeros(width, 2 * width, scope["modulation"]),
        gate: zeros(width, width, scope["gate"]),
        mlpIn: Linear(width, width, in: scope["mlp"]["0"]),
        mlpOut: Linear(width, width, in: scope["mlp"]["1"]))
    }
    finalModulation = zeros(width, 2 * width, scope["final_modulation"])
    output = zeros(width, numbers, scope["output"])
  }

  /// What the head sees of what the transformer knows: `[R, W]` to `[R, width]`.
  func condition(_ known: Tensor, isFew: Bool = false) -> Tensor {
    isFew ? conditionMap.applied(toFewRows: known) : conditionMap(known)
  }

  /// What the network sees of noise levels, given their logarithms: `[R]` to `[R, width]`.
  func embedding(ofLogLevels logLevels: Tensor, isFew: Bool = false) -> Tensor {
    let waves = (logLevels * 0.25).waves(Self.frequencies)
    return isFew
      ? timeOut.applied(toFewRows: silu(timeIn.applied(toFewRows: waves)))
      : timeOut(silu(timeIn(waves)))
  }

  /// The network F of inputs `[R, d]`, embedded noise levels and conditions, both `[R, width]`.
  private func network(_ x: Tensor, _ time: Tensor, _ condition: Tensor, isFew: Bool) -> Tensor {
    func apply(_ map: Linear, _ x: Tensor) -> Tensor {
      isFew ? map.applied(toFewRows: x) : map(x)
    }
    let y = silu(time + condition)
    var h = apply(input, x)
    for block in blocks {
      let normal = h.normalized(by: apply(block.modulation, y))
      let change = apply(block.mlpOut, silu(apply(block.mlpIn, normal)))
      h = .elementwise("gated sum", h, apply(block.gate, y), change) { $0[0] + $0[1] * $0[2] }
    }
    return apply(output, h.normalized(by: apply(finalModulation, y)))
  }

  /// The mean squared error of F, a scalar.
  ///
  ///     x noised = x + sigma n       target = (sigma x - s^2 n) / (s sqrt(sigma^2 + s^2))
  ///
  /// - Parameters:
  ///   - known: what the transformer knows of each vector, `[R, W]`.
  ///   - x: the vectors `[R, d]`.
  ///   - noise: normal numbers `[R, levels, d]`.
  ///   - levelNoise: normal numbers, from which noise levels are made, `[R, levels]`.
  func loss(known: Tensor, _ x: Tensor, noise: Tensor, levelNoise: Tensor) -> Tensor {
    let (rows, levels, numbers) = (x.shape[0], configuration.levels, x.shape[1])
    let all = rows * levels
    func perLevel(_ x: Tensor) -> Tensor {
      levels == 1 ? x : x.repeated(levels, at: 1).reshaped([all, x.shape[1]])
    }
    let (mean, deviation) = (
      Float(configuration.noiseMean), Float(configuration.noiseDeviation)
    )
    let logLevels = levelNoise.reshaped([all]) * deviation + mean
    let (x, n) = (perLevel(x), noise.reshaped([all, numbers]))
    let (level, share) = preconditioning(logLevels, numbers)
    let square = Formula.constant(Self.dataDeviation * Self.dataDeviation)
    let s = Formula.constant(Self.dataDeviation)
    let noised = Tensor.elementwise("noised", x, n, level, share) {
      ($0[0] + $0[2] * $0[1]) * $0[3]
    }
    let target = Tensor.elementwise("target", x, n, level, share) {
      ($0[2] * $0[0] - square * $0[1]) * $0[3] / s
    }
    let time = embedding(ofLogLevels: logLevels)
    let found = network(noised, time, perLevel(condition(known)), isFew: false)
    return meanSquaredError(found, target)
  }

  /// The velocity dx/dsigma at states `[R, d]`, where the logarithms of noise levels are `[R]`.
  ///
  /// - Parameters:
  ///   - given: what ``embedding(ofLogLevels:isFew:)`` makes of the noise levels, where it is known.
  ///   - condition: what ``condition(_:isFew:)`` makes of what the transformer knows.
  ///   - isFew: whether rows are few; then there is no gradient.
  func velocity(
    _ x: Tensor, _ logLevels: Tensor, embedding given: Tensor? = nil, condition: Tensor,
    isFew: Bool = false
  ) -> Tensor {
    let time = given ?? embedding(ofLogLevels: logLevels, isFew: isFew)
    let (level, share) = preconditioning(logLevels, x.shape[1])
    let s = Formula.constant(Self.dataDeviation)
    let scaled = Tensor.elementwise("scaled", x, share) { $0[0] * $0[1] }
    let f = network(scaled, time, condition, isFew: isFew)
    return .elementwise("velocity", x, f, level, share) {
      $0[2] * $0[0] * $0[3] * $0[3] - s * $0[1] * $0[3]
    }
  }

  /// The noise levels sigma and 1 / sqrt(sigma^2 + s^2) of rows of so many numbers.
  private func preconditioning(_ logLevels: Tensor, _ numbers: Int) -> (
    level: Tensor, share: Tensor
  ) {
    let square = Formula.constant(Self.dataDeviation * Self.dataDeviation)
    let level = exp(logLevels)
    let share = Tensor.elementwise("preconditioning", level) {
      Formula.constant(1) / squareRoot($0[0] * $0[0] + square)
    }
    return (level.repeated(numbers, at: 1), share.repeated(numbers, at: 1))
  }
}
