import Autodiff
import Foundation

/// Every operation, with its twin: the one list that values, gradients and coverage run from.
public enum OperationCases {
  /// All cases.
  public static let all: [OperationCase] =
    convolutions + normalizations + elementwise + arithmetic + axes + linear + losses + sequences
    + quantizers + diffusion

  static let convolutions: [OperationCase] = [
    convolution("3x3", [2, 5, 6, 3], [3, 3, 3, 4], .init(padding: .init(all: 1))),
    convolution("3x3, one pixel", [1, 1, 1, 2], [3, 3, 2, 2], .init(padding: .init(all: 1))),
    convolution(
      "3x3, stride 2, padded right and bottom", [2, 6, 4, 3], [3, 3, 3, 2],
      .init(stride: 2, padding: .init(bottom: 1, right: 1))),
    convolution(
      "3x3, stride 2, odd image", [1, 7, 5, 2], [3, 3, 2, 3],
      .init(stride: 2, padding: .init(bottom: 1, right: 1))),
    convolution("1x1", [2, 3, 4, 5], [1, 1, 5, 3], .init()),
    convolution("1x1, stride 2", [1, 5, 5, 2], [1, 1, 2, 2], .init(stride: 2)),
    convolution(
      "5x2, all paddings differ", [1, 6, 5, 2], [5, 2, 2, 3],
      .init(padding: .init(top: 3, bottom: 1, left: 0, right: 2))),
    convolution(
      "4x4, stride 3", [2, 7, 8, 1], [4, 4, 1, 2], .init(stride: 3, padding: .init(all: 1))),
    convolution(
      "without bias", [1, 4, 4, 2], [3, 3, 2, 2], .init(padding: .init(all: 1)), hasBias: false),
  ]

  private static func convolution(
    _ name: String, _ image: Shape, _ filter: Shape, _ rule: Convolution, hasBias: Bool = true
  ) -> OperationCase {
    let bias: [OperationCase.Input] = hasBias ? [.numbers([filter[3]], "bias")] : []
    return OperationCase(
      "convolution \(name)", [.numbers(image), .numbers(filter, "filter")] + bias,
      build: { $0[0].convolved(with: $0[1], bias: hasBias ? $0[2] : nil, rule) },
      reference: { Reference.convolution($0[0], $0[1], bias: hasBias ? $0[2] : nil, rule) })
  }

  static let normalizations: [OperationCase] = [
    normalizedAndConvolved, normalizedAndAdded,
    normalization([2, 3, 4, 6], groups: 3, silu: false),
    normalization([2, 3, 4, 6], groups: 3, silu: true),
    normalization([1, 5, 3, 32], groups: 32, silu: true),
    normalization([3, 2, 2, 4], groups: 1, silu: true, offset: 30),
  ]

  private static func normalization(
    _ image: Shape, groups: Int, silu: Bool, offset: Float = 0
  ) -> OperationCase {
    OperationCase(
      "group normalization \(image), \(groups) groups\(silu ? ", silu" : "")",
      [
        .numbers(image, offset: offset), .numbers([image.channels], "scale", offset: 1),
        .numbers([image.channels], "shift"),
      ],
      tolerance: offset == 0 ? 2e-5 : 2e-4,
      build: {
        $0[0].groupNormalized(
          groups: groups, scale: $0[1], shift: $0[2], epsilon: 1e-6,
          activation: silu ? .silu : .identity)
      },
      reference: {
        Reference.groupNormalization(
          $0[0], scale: $0[1], shift: $0[2], groups: groups, epsilon: 1e-6, silu: silu)
      })
  }

  /// A convolution whose filter gradient reads the normalized image again.
  private static let normalizedAndConvolved = OperationCase(
    "group normalization in front of a convolution",
    [
      .numbers([2, 3, 4, 6]), .numbers([6], "scale", offset: 1), .numbers([6], "shift"),
      .numbers([3, 3, 6, 2], "filter"), .numbers([2], "bias"),
    ],
    build: {
      $0[0].groupNormalized(
        groups: 3, scale: $0[1], shift: $0[2], epsilon: 1e-6, activation: .silu
      ).convolved(with: $0[3], bias: $0[4], .init(padding: .init(all: 1)))
    },
    reference: {
      let y = Reference.groupNormalization(
        $0[0], scale: $0[1], shift: $0[2], groups: 3, epsilon: 1e-6, silu: true)
      return Reference.convolution(y, $0[3], bias: $0[4], .init(padding: .init(all: 1)))
    })

  /// An image added to what became of it: one gradient is both the upstream one and the addend.
  private static let normalizedAndAdded = OperationCase(
    "group normalization, added to its image",
    [.numbers([2, 3, 4, 6]), .numbers([6], "scale", offset: 1), .numbers([6], "shift")],
    build: {
      $0[0].groupNormalized(
        groups: 3, scale: $0[1], shift: $0[2], epsilon: 1e-6, activation: .silu) + $0[0]
    },
    reference: {
      Reference.groupNormalization(
        $0[0], scale: $0[1], shift: $0[2], groups: 3, epsilon: 1e-6, silu: true
      ).zip($0[0], +)
    })

  static let arithmetic: [OperationCase] = [
    OperationCase(
      "sum of two", [.numbers([3, 5]), .numbers([3, 5], "b")],
      build: { $0[0] + $0[1] }, reference: { $0[0].zip($0[1], +) }),
    OperationCase(
      "difference", [.numbers([3, 5]), .numbers([3, 5], "b")],
      build: { $0[0] - $0[1] }, reference: { $0[0].zip($0[1], -) }),
    OperationCase(
      "product", [.numbers([3, 5]), .numbers([3, 5], "b")],
      build: { $0[0] * $0[1] }, reference: { $0[0].zip($0[1], *) }),
    OperationCase(
      "one tensor twice", [.numbers([9])],
      build: { $0[0] * $0[0] + $0[0] }, reference: { $0[0].map { $0 * $0 + $0 } }),
    OperationCase(
      "scaling", [.numbers([7])], build: { $0[0] * -1.5 },
      reference: { $0[0].map { $0 * -1.5 } }),
    OperationCase(
      "channel affine", [.numbers([4, 3])],
      build: { $0[0].channelAffine(scale: [2, -1, 0.5], offset: [0, 1, -3]) },
      reference: {
        $0[0].mapRows { [$0[0] * 2, 1 - $0[1], $0[2] * 0.5 - 3] }
      }),
    OperationCase(
      "channels from the middle", [.numbers([2, 3, 5])], build: { $0[0].channels(1..<4) },
      reference: { $0[0].mapRows { Array($0[1..<4]) } }),
    OperationCase(
      "channels side by side", [.numbers([2, 3, 2], "a"), .numbers([2, 3, 1], "b")],
      build: { .concatenatingChannels(of: [$0[1], $0[0], $0[1] * 2]) },
      reference: { inputs in
        let (a, b) = (inputs[0].values, inputs[1].values)
        var rows: [Double] = []
        for row in 0..<6 { rows += [b[row], a[2 * row], a[2 * row + 1], 2 * b[row]] }
        return DoubleTensor([2, 3, 4], rows)
      }),
    OperationCase(
      "stopped gradient", [.numbers([6])],
      build: { $0[0] * $0[0].stoppingGradient() }, reference: { $0[0].map { $0 * $0 } },
      surrogate: { moved in
        let fixed = HashedNumbers.values("x", count: 6)
        return DoubleTensor([6], zip(moved[0].values, fixed).map { $0 * Double($1) })
      }),
    OperationCase(
      "reshape", [.numbers([2, 6])],
      build: { ($0[0].reshaped([3, 4]) * $0[0].reshaped([3, 4])).reshaped([12]) },
      reference: { DoubleTensor([12], $0[0].values.map { $0 * $0 }) }),
  ]

  static let linear: [OperationCase] = products + rows

  private static let products: [OperationCase] =
    [(false, false), (true, false), (false, true), (true, true)].map { first, second in
      OperationCase(
        "matrix product\(first ? ", first transposed" : "")\(second ? ", second transposed" : "")",
        [
          .numbers(first ? [2, 5, 3] : [2, 3, 5], "a"),
          .numbers(second ? [2, 4, 5] : [2, 5, 4], "b"),
        ],
        build: {
          matrixProduct($0[0], $0[1], transposingFirst: first, transposingSecond: second)
        },
        reference: {
          Reference.matrixProduct(
            $0[0], $0[1], transposingFirst: first, transposingSecond: second)
        })
    }

  private static let rows: [OperationCase] = [
    OperationCase(
      "softmax", [.numbers([4, 6], amplitude: 3)], build: { $0[0].softmax(scale: 0.7) },
      reference: { Reference.softmax($0[0], scale: Double(Float(0.7))) }),
    OperationCase(
      "upsampling", [.numbers([2, 3, 2, 3])], build: { $0[0].upsampled(by: 2) },
      reference: { Reference.upsampling($0[0], factor: 2) }),
    OperationCase(
      "upsampling by 3", [.numbers([1, 1, 2, 5])], build: { $0[0].upsampled(by: 3) },
      reference: { Reference.upsampling($0[0], factor: 3) }),
    OperationCase(
      "sum", [.numbers([5, 4])], build: { $0[0].sum() },
      reference: { DoubleTensor($0[0].values.reduce(0, +)) }),
    OperationCase(
      "mean", [.numbers([5, 4])], build: { $0[0].mean() },
      reference: { DoubleTensor($0[0].values.reduce(0, +) / 20) }),
  ]

  static let losses: [OperationCase] = [
    OperationCase(
      "mean squared error", [.numbers([4, 7]), .numbers([4, 7], "b")],
      build: { meanSquaredError($0[0], $0[1]) },
      reference: {
        DoubleTensor($0[0].zip($0[1]) { ($0 - $1) * ($0 - $1) }.values.reduce(0, +) / 28)
      }),
    OperationCase(
      "mean absolute error", [.numbers([4, 7]), .numbers([4, 7], "b")],
      build: { meanAbsoluteError($0[0], $0[1]) },
      reference: { DoubleTensor($0[0].zip($0[1]) { abs($0 - $1) }.values.reduce(0, +) / 28) }),
  ]
}
