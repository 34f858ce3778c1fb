import Autodiff
import Foundation

extension OperationCases {
  /// What models of sequences are made of: normalization of rows, classification, causal weights.
  static let sequences: [OperationCase] =
    rowNormalizations + classification + productClassification + causal + attention + rotations
    + gatedUnits + dropout + fewRows

  private static let rowNormalizations: [OperationCase] =
    [[2, 3, 5], [1, 1], [4, 17], [3]].flatMap { (shape: Shape) in
      let scale = OperationCase.Input.numbers([shape.channels], "scale", offset: 1)
      return [
        OperationCase(
          "root mean square normalization of \(shape)", [.numbers(shape), scale],
          build: { $0[0].rootMeanSquareNormalized(scale: $0[1], epsilon: 1e-3) },
          reference: { inputs in
            inputs[0].mapRows { row in
              let square = row.reduce(0) { $0 + $1 * $1 } / Double(row.count)
              return zip(row, inputs[1].values).map { $0 / sqrt(square + 1e-3) * $1 }
            }
          }),
        OperationCase(
          "layer normalization of \(shape)",
          [.numbers(shape), scale, .numbers([shape.channels], "shift")],
          build: { $0[0].layerNormalized(scale: $0[1], shift: $0[2], epsilon: 1e-2) },
          reference: { inputs in
            inputs[0].mapRows { row in
              let mean = row.reduce(0, +) / Double(row.count)
              let variance = row.reduce(0) { $0 + pow($1 - mean, 2) } / Double(row.count)
              return row.indices.map {
                (row[$0] - mean) / sqrt(variance + 1e-2) * inputs[1].values[$0]
                  + inputs[2].values[$0]
              }
            }
          }),
      ]
    }

  private static let classification: [OperationCase] = [
    crossEntropy([5, 7], [0, 6, 3, 3, 1]), crossEntropy([2, 2, 19], [18, 0, 16, 15]),
    crossEntropy([3, 1], [0, 0, 0]), crossEntropy([4, 33], [32, -1, 31, -1]),
  ]

  /// Cross-entropy; a negative target leaves its row out.
  private static func crossEntropy(_ shape: Shape, _ targets: [Float]) -> OperationCase {
    let rows = Shape(Array(shape.dimensions.dropLast()))
    return OperationCase(
      "cross-entropy of \(shape)",
      [.numbers(shape, "logits", amplitude: 5), .indices(rows, targets)],
      build: { Autodiff.crossEntropy($0[0], $0[1]) },
      reference: { inputs in
        let k = shape.channels
        let losses = targets.enumerated().map { row, target -> Double in
          guard target >= 0 else { return 0 }
          let logits = inputs[0].values[(row * k)..<((row + 1) * k)]
          return log(logits.reduce(0) { $0 + exp($1) }) - logits[row * k + Int(target)]
        }
        return DoubleTensor(rows, losses)
      })
  }

  private static let causal: [OperationCase] = [1, 5, 18].map { size in
    OperationCase(
      "causal softmax of \(size) places", [.numbers([2, size, size], amplitude: 3)],
      build: { $0[0].softmax(scale: 0.5, isCausal: true) },
      reference: { x in
        Reference.make(x[0].shape) { place in
          let (n, row, column) = (place[0], place[1], place[2])
          guard column <= row else { return 0 }
          let sum = (0...row).reduce(0) { $0 + exp(0.5 * x[0][n, row, $1]) }
          return exp(0.5 * x[0][n, row, column]) / sum
        }
      })
  }

  private static let productClassification: [OperationCase] = [
    productCrossEntropy(rows: [5], 7, 7, 0..<7, [0, 6, 3, 3, 1]),
    productCrossEntropy(rows: [2, 2], 19, 40, 3..<37, [33, 0, -1, 15]),
    productCrossEntropy(rows: [3], 1, 1, 0..<1, [0, 0, 0]),
    // More rows, and more classes, than a block has.
    productCrossEntropy(
      rows: [67], 2, 5, 1..<4, (0..<67).map { Float($0 % 3) - ($0 == 9 ? 1000 : 0) }),
    productCrossEntropy(rows: [2], 2, 275, 1..<274, [272, 5]),
  ]

  /// The cross-entropy of a product; the columns outside `classes` have no part in it.
  private static func productCrossEntropy(
    rows: Shape, _ inner: Int, _ width: Int, _ classes: Range<Int>, _ targets: [Float]
  ) -> OperationCase {
    OperationCase(
      "cross-entropy of a product of \(rows), \(inner) channels, \(width) columns",
      [
        .numbers(Shape(rows.dimensions + [inner]), "x"),
        .numbers([1, 1, inner, width], "weights", amplitude: 2), .indices(rows, targets),
      ],
      build: { Autodiff.crossEntropy(ofProduct: $0[0], $0[1], classes: classes, $0[2]) },
      reference: { inputs in
        let losses = targets.enumerated().map { row, target -> Double in
          guard target >= 0 else { return 0 }
          let logits = classes.map { column in
            (0..<inner).reduce(0) {
              $0 + inputs[0].values[row * inner + $1] * inputs[1].values[$1 * width + column]
            }
          }
          return log(logits.reduce(0) { $0 + exp($1) }) - logits[Int(target)]
        }
        return DoubleTensor(rows, losses)
      })
  }

  private static let attention: [OperationCase] =
    [
      (queries: 1, keys: 1, channels: 4, heads: 1, isCausal: true),
      (5, 5, 6, 3, true), (18, 18, 34, 2, true), (3, 7, 4, 2, false), (1, 70, 18, 1, false),
      // More places than a block has.
      (66, 66, 1, 1, true), (35, 35, 2, 1, false),
    ].map { (queries: Int, keys: Int, channels: Int, heads: Int, isCausal: Bool) in
      let batch = queries > 30 ? 1 : 2
      return OperationCase(
        "\(isCausal ? "causal " : "")attention of \(queries) to \(keys), \(channels) channels, "
          + "\(heads) heads",
        [
          .numbers([batch, queries, channels], "q", amplitude: 2),
          .numbers([batch, keys, channels], "k", amplitude: 2),
          .numbers([batch, keys, channels], "v"),
        ],
        build: {
          $0[0].attending(key: $0[1], value: $0[2], heads: heads, isCausal: isCausal)
        },
        reference: { inputs in
          let head = channels / heads
          return Reference.make([batch, queries, channels]) { place in
            let (n, i, c) = (place[0], place[1], place[2])
            let first = c / head * head
            let seen = 0..<(isCausal ? i + 1 : keys)
            let scores = seen.map { j in
              (first..<first + head).reduce(0) { $0 + inputs[0][n, i, $1] * inputs[1][n, j, $1] }
                / sqrt(Double(head))
            }
            let weights = scores.map { exp($0) }
            let mean = seen.reduce(0) { $0 + weights[$1] * inputs[2][n, $1, c] }
            return mean / weights.reduce(0, +)
          }
        })
    }

  private static let rotations: [OperationCase] = [
    rotation([2, 5, 12], RotaryTable(line: 9, head: 4, base: 100)) { place, pair in
      Double(place) * pow(100, -Double(pair) / 2)
    },
    rotation([3, 34], RotaryTable(line: 3, head: 34)) { place, pair in
      Double(place) * pow(10_000, -Double(pair) / 17)
    },
    rotation(
      [1, 4, 16], RotaryTable(plane: [(0, 0), (1, 2), (3, 1), (2, 5)], head: 8, base: 100),
      at: [3, 0, 2, 1]
    ) { place, pair in
      Double([[0, 0], [1, 2], [3, 1], [2, 5]][place][pair / 2]) * pow(100, -Double(pair % 2) / 2)
    },
  ]

  /// A rotation by angles of place and pair.
  private static func rotation(
    _ shape: Shape, _ table: RotaryTable, at places: [Float]? = nil,
    _ angle: @escaping @Sendable (Int, Int) -> Double
  ) -> OperationCase {
    OperationCase(
      "rotation of \(shape) in heads of \(table.head)",
      [.numbers(shape)] + (places.map { [.indices([$0.count], $0)] } ?? []),
      build: { $0[0].rotated(by: table, at: $0.count > 1 ? $0[1] : nil) },
      reference: { inputs in
        let (count, channels, half) = (shape[shape.rank - 2], shape.channels, table.head / 2)
        let x = inputs[0].values
        let rotated = x.indices.map { index -> Double in
          let row = index / channels % count
          let c = index % channels % table.head
          let a = angle(places.map { Int($0[row]) } ?? row, c % half)
          return c < half
            ? x[index] * cos(a) - x[index + half] * sin(a)
            : x[index] * cos(a) + x[index - half] * sin(a)
        }
        return DoubleTensor(shape, rotated)
      })
  }

  private static let fewRows: [OperationCase] = [
    (1, 1, 1), (3, 5, 19), (17, 20, 33), (9, 2, 64), (8, 34, 15),
  ].map { (rows: Int, inner: Int, columns: Int) in
    OperationCase(
      "\(rows) rows of \(inner) times packed weights of \(columns) columns",
      [
        .numbers([rows, inner], "x", isDifferentiated: false),
        .numbers([1, 1, inner, columns], "weights", isDifferentiated: false),
      ],
      build: { $0[0].fewRows(times: $0[1]) },
      reference: { inputs in
        Reference.make([rows, columns]) { place in
          (0..<inner).reduce(0) {
            $0 + inputs[0][place[0], $1] * inputs[1].values[$1 * columns + place[1]]
          }
        }
      })
  }

  private static let gatedUnits: [OperationCase] = [[1], [2, 3, 7], [33]].map { (shape: Shape) in
    OperationCase(
      "swiglu of \(shape)",
      [.numbers(shape, "gate", amplitude: 4), .numbers(shape, "value", amplitude: 2)],
      build: { swiGLU($0[0], $0[1]) },
      reference: { x in
        DoubleTensor(shape, zip(x[0].values, x[1].values).map { $0 / (1 + exp(-$0)) * $1 })
      })
  }

  private static let dropout: [OperationCase] = [
    ([3, 37], 0.25), ([2, 4, 5], 0), ([4, 1], 0.9), ([2, 100], 0.5),
  ].map {
    (shape: Shape, rate: Float) in
    OperationCase(
      "dropout of \(shape) at \(rate)",
      [.numbers(shape), .indices([shape[0]], (0..<shape[0]).map { Float($0 * 7 - 3) })],
      build: { $0[0].droppedOut(rate: rate, site: 5, keys: $0[1]) },
      reference: { inputs in
        let elements = shape.count / shape[0]
        return DoubleTensor(
          shape,
          inputs[0].values.enumerated().map { index, x in
            let key = UInt32(bitPattern: Int32(index / elements * 7 - 3))
            let seed = scrambled(key &+ 5 &* 0x9e37_79b9)
            // Two neighbouring blocks of 16 elements share the 32 bits of a hash.
            let (block, lane) = (index % elements / 32 * 32, UInt32(index % elements % 16))
            let hash = scrambled((UInt32(block) | lane) ^ seed)
            let bits = index % elements % 32 < 16 ? hash & 0xffff : hash >> 16
            return bits >= UInt32((Double(rate) * 65_536).rounded()) ? x / (1 - Double(rate)) : 0
          })
      })
  }

  /// The hash of masks and of noise.
  static func scrambled(_ x: UInt32) -> UInt32 {
    var x = x
    x ^= x >> 16
    x = x &* 0x7feb_352d
    x ^= x >> 15
    x = x &* 0x846c_a68b
    x ^= x >> 16
    return x
  }
}
