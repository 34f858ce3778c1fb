/// Orders of axes: PyTorch's images are `[N, C, H, W]`, the engine's `[N, H, W, C]`.
public enum TensorLayout {
  /// Numbers under extents, moved so that axis `i` of the result is axis `order[i]` of the source.
  public static func permute(_ numbers: [Float], _ extents: [Int], _ order: [Int]) -> [Float] {
    var strides = [Int](repeating: 1, count: extents.count)
    for axis in stride(from: extents.count - 2, through: 0, by: -1) {
      strides[axis] = strides[axis + 1] * extents[axis + 1]
    }
    var result: [Float] = []
    result.reserveCapacity(numbers.count)
    func walk(_ axis: Int, _ offset: Int) {
      if axis == order.count {
        result.append(numbers[offset])
        return
      }
      for index in 0..<extents[order[axis]] {
        walk(axis + 1, offset + index * strides[order[axis]])
      }
    }
    walk(0, 0)
    return result
  }

  /// Images `[N, C, H, W]` as `[N, H, W, C]`.
  public static func channelsLast(_ numbers: [Float], _ extents: [Int]) -> [Float] {
    permute(numbers, extents, [0, 2, 3, 1])
  }

  /// Images `[N, H, W, C]` as `[N, C, H, W]`; the extents given are those of the result.
  public static func channelsFirst(_ numbers: [Float], _ extents: [Int]) -> [Float] {
    permute(numbers, [extents[0], extents[2], extents[3], extents[1]], [0, 3, 1, 2])
  }
}

/// The largest absolute difference of two rows of numbers; infinite where one is not a number.
public func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).reduce(0) { worst, pair in
    let difference = abs(pair.0 - pair.1)
    return difference.isNaN ? .infinity : max(worst, difference)
  }
}
