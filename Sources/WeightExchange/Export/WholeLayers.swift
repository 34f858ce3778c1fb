import Autodiff
import Safetensors

/// The tensors of a compressed model as those of the whole one: for programs that know no smaller layers.
///
///     a layer of two factors   their product, W[o, i] = sum over r of B[o, r] A[r, i]
///     a block of less width    zeros in place of the channels that it lacks
///
/// What the model computes stays the same but for rounding, and what it costs is that of the whole model again. The
/// channels that a block lacks are whole groups of its second normalization: zeros become zeros there, whose
/// silu is zero.
struct WholeLayers {
  /// The layers that are smaller.
  let reduced: ReducedLayers
  /// The compressed model's tensors.
  let file: SafetensorsFile

  /// Whether a tensor of the whole model is another one than that of the same name in the file.
  func isMade(_ parameter: Parameter) throws(SafetensorsError) -> Bool {
    guard reduced.ranks[Self.layer(of: parameter.name)] == nil else { return true }
    return try file.entry(parameter.name).shape != parameter.fileShape.dimensions
  }

  /// The elements of a tensor of the whole model, in the order of a checkpoint.
  func values(of parameter: Parameter) throws(SafetensorsError) -> [Float] {
    let (layer, whole) = (Self.layer(of: parameter.name), parameter.fileShape.dimensions)
    guard reduced.ranks[layer] != nil else {
      let shape = try file.entry(parameter.name).shape
      return Self.placed(try file.floats(parameter.name), shape, in: whole)
    }
    guard parameter.name.hasSuffix(".weight") else {
      let name = layer + ".1.bias"
      return Self.placed(try file.floats(name), try file.entry(name).shape, in: whole)
    }
    let (first, second) = (try factor(layer + ".0.weight"), try factor(layer + ".1.weight"))
    let (values, shape) = Self.product(second, first)
    return Self.placed(values, Array(shape.prefix(whole.count)), in: whole)
  }

  private static func layer(of name: String) -> String {
    String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)])
  }

  /// A factor, a linear one as a filter of 1x1.
  private func factor(_ name: String) throws(SafetensorsError) -> Factor {
    let shape = try file.entry(name).shape
    return Factor(
      values: try file.floats(name), shape: shape + Array(repeating: 1, count: 4 - shape.count))
  }

  /// A filter `[out, in, kh, kw]`.
  private struct Factor {
    let values: [Float]
    let shape: [Int]
  }

  /// The filter that two filters in turn are, of which one is of 1x1.
  private static func product(_ b: Factor, _ a: Factor) -> (values: [Float], shape: [Int]) {
    let (outputs, rank, inputs) = (b.shape[0], b.shape[1], a.shape[1])
    let (areaB, areaA) = (b.shape[2] * b.shape[3], a.shape[2] * a.shape[3])
    let area = max(areaA, areaB)
    var sums = [Double](repeating: 0, count: outputs * inputs * area)
    for output in 0..<outputs {
      for r in 0..<rank {
        for input in 0..<inputs {
          let start = (output * inputs + input) * area
          for place in 0..<area {
            let left = b.values[(output * rank + r) * areaB + (areaB == 1 ? 0 : place)]
            let right = a.values[(r * inputs + input) * areaA + (areaA == 1 ? 0 : place)]
            sums[start + place] += Double(left) * Double(right)
          }
        }
      }
    }
    let sides = areaB == 1 ? Array(a.shape[2...]) : Array(b.shape[2...])
    return (sums.map { Float($0) }, [outputs, inputs] + sides)
  }

  /// A tensor in the first places of a larger one, with zeros beside it.
  private static func placed(_ values: [Float], _ shape: [Int], in whole: [Int]) -> [Float] {
    if shape == whole { return values }
    var result = [Float](repeating: 0, count: whole.reduce(1, *))
    for index in values.indices {
      var (rest, place, stride) = (index, 0, 1)
      for axis in shape.indices.reversed() {
        place += rest % shape[axis] * stride
        rest /= shape[axis]
        stride *= whole[axis]
      }
      result[place] = values[index]
    }
    return result
  }
}
