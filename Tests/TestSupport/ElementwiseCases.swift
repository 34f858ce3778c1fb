import Autodiff
import Foundation

extension OperationCases {
  /// The primitive functions of formulas, and what is made of them.
  static let elementwise: [OperationCase] = unary + binary + compositions

  private static let unary: [OperationCase] = Formula.Unary.allCases.map { function in
    let (twin, isPositive, hasGradient) = twin(of: function)
    return OperationCase(
      "formula \(function)",
      [
        .numbers(
          [3, 7], "unary", amplitude: isPositive ? 2 : 4, offset: isPositive ? 2.01 : 0,
          isDifferentiated: hasGradient)
      ],
      build: { .elementwise("\(function)", $0[0]) { .unary(function, $0[0]) } },
      reference: { $0[0].map(twin) })
  }

  /// A primitive function, whether it takes positive numbers alone, and whether it has a gradient.
  private static func twin(
    of function: Formula.Unary
  ) -> (function: @Sendable (Double) -> Double, isPositive: Bool, hasGradient: Bool) {
    @Sendable func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    switch function {
    case .exponential: return ({ exp($0) }, false, true)
    case .logarithm: return ({ log($0) }, true, true)
    case .squareRoot: return ({ sqrt($0) }, true, true)
    case .magnitude: return ({ abs($0) }, false, true)
    case .sign: return ({ $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }, false, true)
    case .relu: return ({ max($0, 0) }, false, true)
    case .silu: return ({ $0 * logistic($0) }, false, true)
    case .siluSlope:
      return ({ logistic($0) * (1 + $0 * (1 - logistic($0))) }, false, false)
    case .tanh: return ({ Foundation.tanh($0) }, false, true)
    case .tanhSlope: return ({ 1 - pow(Foundation.tanh($0), 2) }, false, false)
    case .sigmoid: return ({ logistic($0) }, false, true)
    case .sigmoidSlope: return ({ logistic($0) * (1 - logistic($0)) }, false, false)
    case .errorFunction: return ({ erf($0) }, false, true)
    case .sine: return ({ sin($0) }, false, true)
    case .cosine: return ({ cos($0) }, false, true)
    }
  }

  private static let binary: [OperationCase] = Formula.Binary.allCases.map { function in
    let twin = twin(of: function)
    return OperationCase(
      "formula \(function)",
      [.numbers([5, 5], "a", amplitude: 1.4, offset: 1.5), .numbers([5, 5], "b", offset: 1.2)],
      build: { .elementwise("\(function)", $0[0], $0[1]) { .binary(function, $0[0], $0[1]) } },
      reference: { $0[0].zip($0[1], twin) })
  }

  private static func twin(of function: Formula.Binary) -> @Sendable (Double, Double) -> Double {
    switch function {
    case .sum: return { $0 + $1 }
    case .difference: return { $0 - $1 }
    case .product: return { $0 * $1 }
    case .quotient: return { $0 / $1 }
    case .power: return { pow($0, $1) }
    case .maximum: return { max($0, $1) }
    case .minimum: return { min($0, $1) }
    case .isGreater: return { $0 > $1 ? 1 : 0 }
    case .isEqual: return { $0 == $1 ? 1 : 0 }
    }
  }

  private static let compositions: [OperationCase] = [
    pointwise("exp", exp) { exp($0) },
    pointwise("log", isPositive: true, log) { log($0) },
    pointwise("square root", isPositive: true, squareRoot) { sqrt($0) },
    pointwise("magnitude", magnitude) { abs($0) },
    pointwise("relu", relu) { max($0, 0) },
    pointwise("leaky relu", { leakyReLU($0, slope: 0.2) }) {
      $0 > 0 ? $0 : Double(Float(0.2)) * $0
    },
    pointwise("silu", silu) { $0 / (1 + exp(-$0)) },
    pointwise("gelu", gelu) { $0 * (1 + erf($0 / sqrt(2))) / 2 },
    pointwise("sine", sine) { sin($0) },
    pointwise("tanh", { Autodiff.tanh($0) }) { Foundation.tanh($0) },
    pointwise("sigmoid", sigmoid) { 1 / (1 + exp(-$0)) },
    pointwise("shift", { $0 + 1.5 - 0.25 }) { $0 + 1.25 },
    pointwise("division by a constant", { $0 / 3 }) { $0 / 3 },
    pointwise("reciprocal", isPositive: true, { 2 / $0 }) { 2 / $0 },
    pointwise("cube", { $0.power(3) }) { $0 * $0 * $0 },
    pointwise("inverse root", isPositive: true, { $0.power(-0.5) }) { 1 / sqrt($0) },
    pointwise(
      "softplus, a formula of its own", { .elementwise("softplus", $0) { log(1 + exp($0[0])) } }
    ) { log(1 + exp($0)) },
    pointwise("an argument by itself", { .elementwise("identity", $0) { $0[0] } }) { $0 },
    OperationCase(
      "a formula over several blocks, of three arguments",
      [.numbers([700], "a"), .numbers([700], "b"), .numbers([700], "c", offset: 2)],
      build: {
        .elementwise("mixture", $0[0], $0[1], $0[2]) {
          ($0[0] * $0[1] + exp($0[0])) / $0[2] - 0.5 * tanh($0[0] * $0[1])
        }
      },
      reference: { x in
        DoubleTensor(
          [700],
          (0..<700).map { i in
            let (a, b, c) = (x[0].values[i], x[1].values[i], x[2].values[i])
            return (a * b + exp(a)) / c - 0.5 * Foundation.tanh(a * b)
          })
      }),
    OperationCase(
      "powers of tensors, and of zero",
      [.values([4], [0.5, 2, 1.5, 3]), .values([4], [2, -1.5, 0.25, 0])],
      build: { $0[0].power($0[1]) }, reference: { $0[0].zip($0[1], pow) }),
    OperationCase(
      "larger and smaller", [.numbers([9], "a"), .numbers([9], "b")],
      build: { maximum($0[0], $0[1]) * 2 + minimum($0[0], $0[1]) },
      reference: { $0[0].zip($0[1]) { 2 * max($0, $1) + min($0, $1) } }),
    OperationCase(
      "comparison and choice", [.numbers([11], "a"), .numbers([11], "b")],
      build: {
        $0[0].isGreater(than: $0[1]).choosing($0[0] * $0[0], else: $0[1])
          + $0[0].isEqual(to: $0[0])
      },
      reference: { $0[0].zip($0[1]) { ($0 > $1 ? $0 * $0 : $1) + 1 } }),
    OperationCase(
      "quotient", [.numbers([3, 5], "a"), .numbers([3, 5], "b", offset: 2)],
      build: { $0[0] / $0[1] }, reference: { $0[0].zip($0[1], /) }),
  ]

  private static func pointwise(
    _ name: String, isPositive: Bool = false,
    _ build: @escaping @Sendable (Tensor) -> Tensor,
    _ function: @escaping @Sendable (Double) -> Double
  ) -> OperationCase {
    OperationCase(
      name, [.numbers([3, 7], amplitude: isPositive ? 1.5 : 4, offset: isPositive ? 1.7 : 0)],
      build: { build($0[0]) }, reference: { $0[0].map(function) })
  }
}
