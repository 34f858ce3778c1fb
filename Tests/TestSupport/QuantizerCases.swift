import Autodiff
import Foundation

extension OperationCases {
  /// The operations of the bottlenecks.
  static let quantizers: [OperationCase] = vector + finiteScalar + binary

  private static let z = OperationCase.Input.numbers([2, 3, 3], "z", amplitude: 2)
  private static let codes = OperationCase.Input.numbers([2, 3, 3], "codes", amplitude: 2)
  private static let indices: [Float] = [0, 4, 2, 2, 1, 4]

  private static let vector: [OperationCase] = [
    OperationCase(
      "row normalization", [z], build: { $0[0].rowNormalized() },
      reference: {
        $0[0].mapRows { row in
          let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
          return row.map { $0 / length }
        }
      }),
    OperationCase(
      "row normalization of rows without length",
      [.values([3, 2], [0, 0, 1e-8, 0, 3, 4], isDifferentiated: false)],
      build: { $0[0].rowNormalized() },
      reference: { _ in DoubleTensor([3, 2], [0, 0, 0, 0, 0.6, 0.8]) }),
    OperationCase(
      "squared norms", [.numbers([5, 3], isDifferentiated: false)],
      build: { $0[0].squaredNorms() },
      reference: { $0[0].mapRows { [$0.reduce(0) { $0 + $1 * $1 }] } }),
    OperationCase(
      "nearest code",
      [.numbers([4, 5, 3], "z", isDifferentiated: false), .numbers([11, 3], "book")],
      build: { $0[1].gathered(at: $0[0].nearestCodes(in: $0[1])) },
      reference: { inputs in
        let book = OperationCase.Input.numbers([11, 3], "book")
        let fixed = DoubleTensor([11, 3], book.values.map(Double.init))
        let indices = Reference.nearestCodes(inputs[0], fixed)
        return Reference.gather(inputs[1], indices, [4, 5, 3])
      }),
    OperationCase(
      "gather", [.numbers([5, 3]), .indices([2, 3], indices)],
      build: { $0[0].gathered(at: $0[1]) },
      reference: { Reference.gather($0[0], $0[1].values.map { Int($0) }, [2, 3, 3]) }),
    OperationCase(
      "code counts", [.indices([2, 3], indices)],
      build: { $0[0].codeCounts(of: 5) }, reference: { _ in DoubleTensor([5], [1, 1, 2, 0, 2]) }),
    OperationCase(
      "straight-through", [z, codes],
      build: { $0[0].straightThrough(to: $0[1]) }, reference: { $0[1] },
      surrogate: { DoubleTensor($0[0].shape, $0[0].values) }),
    rotation("rotation", .codeOverEncoding),
    rotation("rotation of unit scale", .unit),
    directedPass,
    OperationCase(
      "rotation fallbacks",
      [
        .values([4, 2], [1, 0, 0, 0, 1, 1, 2, 1], isDifferentiated: false),
        .values([4, 2], [-3, 0, 1, 1, 0, 0, 2, 1], isDifferentiated: false),
      ],
      build: { $0[0].rotationFallbacks(to: $0[1]) }, reference: { _ in DoubleTensor(3) }),
  ]

  /// The value is the code; the gradient is that of the constant scaled rotation applied to z.
  private static func rotation(_ name: String, _ scale: Rotation.Scale) -> OperationCase {
    let base = (z.values.map(Double.init), codes.values.map(Double.init))
    return OperationCase(
      name, [z, codes], build: { $0[0].rotated(to: $0[1], scale: scale) },
      reference: { $0[1] },
      surrogate: { moved in
        let rows = (0..<6).flatMap { row -> [Double] in
          let range = (row * 3)..<(row * 3 + 3)
          return Reference.rotate(
            Array(moved[0].values[range]), from: Array(base.0[range]), to: Array(base.1[range]),
            unitScale: scale == .unit)
        }
        return DoubleTensor(moved[0].shape, rows)
      })
  }

  /// The value is the code; the gradient is that of the vector, moved by the distance to the code in
  /// the direction that this has at first.
  private static let directedPass: OperationCase = {
    let base = (z.values.map(Double.init), codes.values.map(Double.init))
    return OperationCase(
      "directed pass", [z, codes], build: { $0[0].directed(to: $0[1]) }, reference: { $0[1] },
      surrogate: { moved in
        func way(_ z: ArraySlice<Double>, _ q: ArraySlice<Double>) -> (u: [Double], length: Double)
        {
          let d = zip(z, q).map { $1 - $0 }
          let length = d.reduce(0) { $0 + $1 * $1 }.squareRoot()
          return (d.map { $0 / length }, length)
        }
        let rows = (0..<6).flatMap { row -> [Double] in
          let range = (row * 3)..<(row * 3 + 3)
          let u = way(base.0[range], base.1[range]).u
          let length = way(moved[0].values[range], moved[1].values[range]).length
          return zip(moved[0].values[range], u).map { $0 + length * $1 }
        }
        return DoubleTensor(moved[0].shape, rows)
      })
  }()

  private static let binary: [OperationCase] = [
    OperationCase(
      "sign bits", [.values([5], [1, 0, -2, 1e-30, -1e-30], isDifferentiated: false)],
      build: { $0[0].signBits() }, reference: { $0[0].map { $0 > 0 ? 1 : 0 } }),
    OperationCase(
      "entropy of bits", [.numbers([2, 3, 4], "z", amplitude: 2)],
      build: { $0[0].entropyOfBits(scale: 1.5) },
      reference: { z in
        let entropies = z[0].map { value in
          let p = 1 / (1 + exp(-1.5 * value))
          return -p * log(p) - (1 - p) * log(1 - p)
        }
        return DoubleTensor(entropies.values.reduce(0, +) / 6)
      }),
    OperationCase(
      "entropy of mean bits, groups of 2 and 1", [.numbers([2, 3, 3], "z", amplitude: 2)],
      build: { $0[0].entropyOfMeanBits(scale: 1.5, group: 2) },
      reference: { z in
        let p = z[0].map { 1 / (1 + exp(-1.5 * $0)) }.values
        func entropy(_ shares: [Double]) -> Double {
          shares.reduce(0) { total, share in total - share / 6 * log(share / 6) }
        }
        var (pair, last) = ([0.0, 0, 0, 0], [0.0, 0])
        for row in 0..<6 {
          let (a, b, c) = (p[row * 3], p[row * 3 + 1], p[row * 3 + 2])
          for code in 0..<4 { pair[code] += (code & 1 == 1 ? a : 1 - a) * (code > 1 ? b : 1 - b) }
          last[0] += 1 - c
          last[1] += c
        }
        return DoubleTensor(entropy(pair) + entropy(last))
      }),
  ]

  private static let levels: [Int32] = [8, 5, 2, 7]

  private static let finiteScalar: [OperationCase] =
    LevelBound.Form.allCases.map { form in
      OperationCase(
        "level bound, \(form.rawValue)", [.numbers([3, 2, 4], "z", amplitude: 3)],
        build: { $0[0].bounded(toLevels: levels, form) },
        reference: { Reference.levelBound($0[0], levels: levels, form) })
    } + [
      OperationCase(
        "rounding", [.values([6], [0.4, 0.5, 1.5, 2.5, -0.5, -1.7])],
        build: { $0[0].rounded() }, reference: { $0[0].map { $0.rounded(.toNearestOrEven) } },
        surrogate: { $0[0] }),
      OperationCase(
        "digits to indices and back", [.indices([3, 2], [0, 559, 17, 301, 558, 80])],
        build: { $0[0].unpackedDigits(levels: levels) },
        reference: {
          let digits = $0[0].values.flatMap { index -> [Double] in
            let i = Int(index)
            return [i % 8, i / 8 % 5, i / 40 % 2, i / 80].map(Double.init)
          }
          return DoubleTensor([3, 2, 4], digits)
        }),
      OperationCase(
        "packing",
        [.values([2, 4], [7, 4, 1, 6, 1, 0, 1, 3], isDifferentiated: false)],
        build: {
          // Unpacked again, as the harness weighs floating-point outputs.
          $0[0].packedDigits(levels: levels).unpackedDigits(levels: levels)
        },
        reference: { $0[0] }),
    ]
}
