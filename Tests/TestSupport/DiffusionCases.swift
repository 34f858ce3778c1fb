import Autodiff
import Foundation

extension OperationCases {
  /// What diffusion models are made of: noise, normalization by a condition, waves.
  static let diffusion: [OperationCase] = noise + adaptive + waves

  private static let noise: [OperationCase] = [[1, 1], [3, 17], [2, 4, 5], [4, 64]].map {
    (shape: Shape) in
    let keys = (0..<shape[0]).map { Float($0 * 7919 - 5) }
    return OperationCase(
      "normal noise of \(shape)", [.indices([shape[0]], keys)],
      build: { $0[0].graph.normalNoise(shape, site: 3, keys: $0[0]) },
      reference: { _ in
        let elements = shape.count / shape[0]
        return DoubleTensor(
          shape,
          (0..<shape.count).map { index in
            let seed = scrambled(
              UInt32(bitPattern: Int32(keys[index / elements])) &+ 3 &* 0x9e37_79b9)
            let other = scrambled(seed ^ 0x85eb_ca6b)
            let hash = scrambled(scrambled(UInt32(index % elements) ^ seed) &+ other)
            return normalQuantile((Double(hash >> 9) + 0.5) / 8_388_608)
          })
      })
  }

  /// z with (1 + erf(z / sqrt 2)) / 2 = u, by halving.
  private static func normalQuantile(_ u: Double) -> Double {
    var (low, high) = (-7.0, 7.0)
    for _ in 0..<80 {
      let middle = (low + high) / 2
      if erfc(-middle / sqrt(2)) / 2 < u { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  private static let adaptive: [OperationCase] = [
    ([2, 3, 5], 0), ([3, 1], 0), ([4, 17], 0), ([3], 0), ([2, 32], 40),
  ].map { (shape: Shape, offset: Float) in
    let condition = Shape(shape.dimensions.dropLast() + [2 * shape.channels])
    return OperationCase(
      "adaptive normalization of \(shape) about \(offset)",
      [.numbers(shape, offset: offset), .numbers(condition, "condition")],
      tolerance: offset == 0 ? 2e-5 : 2e-4,
      build: { $0[0].normalized(by: $0[1], epsilon: 1e-2) },
      reference: { inputs in
        let columns = shape.channels
        let values = (0..<shape.rows).flatMap { row -> [Double] in
          let x = inputs[0].values[row * columns..<(row + 1) * columns]
          let condition = Array(inputs[1].values[2 * row * columns..<2 * (row + 1) * columns])
          let mean = x.reduce(0, +) / Double(columns)
          let variance = x.reduce(0) { $0 + pow($1 - mean, 2) } / Double(columns)
          return x.enumerated().map { c, x in
            (x - mean) / sqrt(variance + 1e-2) * (1 + condition[columns + c]) + condition[c]
          }
        }
        return DoubleTensor(shape, values)
      })
  }

  private static let waves: [OperationCase] = [1, 5, 16].map { count in
    let frequencies = (0..<count).map { pow(2, Float($0) / 4) }
    return OperationCase(
      "waves of \(count) frequencies", [.numbers([7], amplitude: 2)],
      build: { $0[0].waves(frequencies) },
      reference: { inputs in
        Reference.make([7, 2 * count]) { place in
          let angle = inputs[0].values[place[0]] * Double(frequencies[place[1] % count])
          return place[1] < count ? sin(angle) : cos(angle)
        }
      })
  }
}
