import Autodiff
import Foundation

/// The slow, obvious twins of the operations: their definitions, in double precision.
public enum Reference {
  /// Convolution by its definition.
  public static func convolution(
    _ x: DoubleTensor, _ filter: DoubleTensor, bias: DoubleTensor?, _ rule: Convolution
  ) -> DoubleTensor {
    let padding = rule.padding
    let height = (x.shape[1] + padding.top + padding.bottom - filter.shape[0]) / rule.stride + 1
    let width = (x.shape[2] + padding.left + padding.right - filter.shape[1]) / rule.stride + 1
    var y = DoubleTensor(zeros: [x.shape[0], height, width, filter.shape[3]])
    for n in 0..<x.shape[0] {
      for i in 0..<height {
        for j in 0..<width {
          for o in 0..<filter.shape[3] {
            var sum = bias?.values[o] ?? 0
            for a in 0..<filter.shape[0] {
              for b in 0..<filter.shape[1] {
                for c in 0..<filter.shape[2] {
                  sum +=
                    x[n, i * rule.stride + a - padding.top, j * rule.stride + b - padding.left, c]
                    * filter[a, b, c, o]
                }
              }
            }
            y[n, i, j, o] = sum
          }
        }
      }
    }
    return y
  }

  /// Group normalization by its definition.
  public static func groupNormalization(
    _ x: DoubleTensor, scale: DoubleTensor, shift: DoubleTensor, groups: Int, epsilon: Double,
    silu: Bool
  ) -> DoubleTensor {
    let (batch, channels) = (x.shape[0], x.shape.channels)
    let pixels = x.shape.rows / batch
    let size = channels / groups
    var y = x
    for n in 0..<batch {
      for group in 0..<groups {
        let places = (0..<pixels).flatMap { pixel in
          (0..<size).map { (n * pixels + pixel) * channels + group * size + $0 }
        }
        let mean = places.reduce(0) { $0 + x.values[$1] } / Double(places.count)
        let variance =
          places.reduce(0) { $0 + pow(x.values[$1] - mean, 2) } / Double(places.count)
        for place in places {
          let channel = place % channels
          let t =
            (x.values[place] - mean) / sqrt(variance + epsilon) * scale.values[channel]
            + shift.values[channel]
          y.values[place] = silu ? t / (1 + exp(-t)) : t
        }
      }
    }
    return y
  }

  /// Matrix products by their definition.
  public static func matrixProduct(
    _ a: DoubleTensor, _ b: DoubleTensor, transposingFirst: Bool, transposingSecond: Bool
  ) -> DoubleTensor {
    let (rows, inner) =
      transposingFirst ? (a.shape[2], a.shape[1]) : (a.shape[1], a.shape[2])
    let columns = transposingSecond ? b.shape[1] : b.shape[2]
    var y = DoubleTensor(zeros: [a.shape[0], rows, columns])
    for n in 0..<a.shape[0] {
      for i in 0..<rows {
        for j in 0..<columns {
          for k in 0..<inner {
            y[n, i, j] +=
              (transposingFirst ? a[n, k, i] : a[n, i, k])
              * (transposingSecond ? b[n, j, k] : b[n, k, j])
          }
        }
      }
    }
    return y
  }

  /// Nearest upsampling by its definition.
  public static func upsampling(_ x: DoubleTensor, factor: Int) -> DoubleTensor {
    var y = DoubleTensor(
      zeros: [x.shape[0], x.shape[1] * factor, x.shape[2] * factor, x.shape[3]])
    for n in 0..<y.shape[0] {
      for i in 0..<y.shape[1] {
        for j in 0..<y.shape[2] {
          for c in 0..<y.shape[3] { y[n, i, j, c] = x[n, i / factor, j / factor, c] }
        }
      }
    }
    return y
  }

  /// The softmax of each row.
  public static func softmax(_ x: DoubleTensor, scale: Double) -> DoubleTensor {
    x.mapRows { row in
      let exponentials = row.map { exp(scale * $0) }
      return exponentials.map { $0 / exponentials.reduce(0, +) }
    }
  }

  /// The index of the nearest row of a codebook, the lowest where several are equally near.
  public static func nearestCodes(_ z: DoubleTensor, _ codebook: DoubleTensor) -> [Int] {
    let d = codebook.shape[1]
    return (0..<z.shape.rows).map { row in
      let distances = (0..<codebook.shape[0]).map { code in
        (0..<d).reduce(0.0) { $0 + pow(z.values[row * d + $1] - codebook.values[code * d + $1], 2) }
      }
      return distances.firstIndex(of: distances.min()!)!
    }
  }

  /// The rows of a table at indices.
  public static func gather(_ table: DoubleTensor, _ indices: [Int], _ shape: Shape)
    -> DoubleTensor
  {
    let d = table.shape[1]
    return DoubleTensor(shape, indices.flatMap { table.values[($0 * d)..<($0 * d + d)] })
  }

  /// The rotation that takes one vector's direction to another's, scaled, applied to a third.
  ///
  ///     lambda (x - 2 r (r . x) + 2 q' (z' . x))
  public static func rotate(
    _ x: [Double], from z: [Double], to q: [Double], unitScale: Bool = false
  ) -> [Double] {
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    func unit(_ a: [Double]) -> [Double] { a.map { $0 / sqrt(dot(a, a)) } }
    let (zUnit, qUnit) = (unit(z), unit(q))
    let r = unit(zip(zUnit, qUnit).map { $0 + $1 })
    let lambda = unitScale ? 1 : sqrt(dot(q, q) / dot(z, z))
    return x.indices.map {
      lambda * (x[$0] - 2 * r[$0] * dot(r, x) + 2 * qUnit[$0] * dot(zUnit, x))
    }
  }

  /// A level bound by its definition.
  public static func levelBound(
    _ z: DoubleTensor, levels: [Int32], _ form: LevelBound.Form
  ) -> DoubleTensor {
    z.mapRows { row in
      zip(row, levels).map { z, count in
        let levels = Double(count)
        if form == .sigmoid { return (levels - 1) / (1 + exp(-z)) }
        if form == .ifsq { return (levels - 1) / 2 * (2 / (1 + exp(-1.6 * z)) - 1 + 1) }
        let isWide = form == .tanhWide
        let half = (levels - 1) * (isWide ? 1 + 1e-3 : 1 - 1e-3) / 2
        let offset = count % 2 == 0 ? 0.5 : 0
        let shift = isWide ? Foundation.atanh(offset / half) : tan(offset / half)
        return Foundation.tanh(z + shift) * half - offset + Double(count / 2)
      }
    }
  }
}
