import Autodiff
import Foundation

extension OperationCases {
  /// What models of sequences are made of: normalization of rows, classification, causal weights.
  static let sequences: [OperationCase] = rowNormalizations + classification + causal

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
}
