import Randomness

/// A codebook of vectors that are sampled from a set.
public enum CodeSampling {
  /// Samples without replacement while there are vectors enough; further codes are samples moved by
  /// a hundredth of the vectors' spread, so that no two codes are equal.
  ///
  /// - Parameters:
  ///   - count: codes, K.
  ///   - vectors: `[n, d]`, at least one.
  /// - Returns: `[K, d]`.
  public static func sample(
    _ count: Int, of vectors: [Float], dimension: Int, random: inout Generator
  ) -> [Float] {
    let available = vectors.count / dimension
    precondition(available > 0, "there is a vector to sample")
    let order = random.permutation(of: available)
    let spread = deviation(vectors)
    var codebook: [Float] = []
    codebook.reserveCapacity(count * dimension)
    for code in 0..<count {
      let row = order[code % available]
      let isRepeated = code >= available
      for channel in 0..<dimension {
        let noise = isRepeated ? random.normal() * spread * 0.01 : 0
        codebook.append(vectors[row * dimension + channel] + noise)
      }
    }
    return codebook
  }

  /// The standard deviation of numbers.
  public static func deviation(_ numbers: [Float]) -> Float {
    let count = Double(numbers.count)
    let mean = numbers.reduce(0.0) { $0 + Double($1) } / count
    let variance = numbers.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
    return Float(variance.squareRoot())
  }
}
