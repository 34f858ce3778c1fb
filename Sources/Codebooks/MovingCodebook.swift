/// How much each code is used of late, and the codebook that follows the vectors by it.
///
///     N_k <- a N_k + (1 - a) n_k          n_k   vectors of the batch whose code is k
///     m_k <- a m_k + (1 - a) s_k          s_k   their sum
///     e_k =  m_k / ((N_k + eps) / (n + K eps) n),  n = sum of N    (Laplace smoothing)
///
/// On one vector a step it is gradient descent on `|e - z|^2` with the rate (1 - a) / 2. Sums are in
/// double precision and in the order of the vectors. Source: van den Oord et al., "Neural Discrete
/// Representation Learning", 1711.00937, appendix A.1.
public struct MovingCodebook: Sendable, Equatable {
  /// Numbers in a code, d.
  public let dimension: Int
  /// The share a of the averages that a step leaves.
  public let decay: Double
  /// Smoothing: added to the uses of every code.
  public let epsilon: Double
  /// Whether codes follow the vectors; else uses alone are kept, and codes learn elsewhere.
  public let movesCodes: Bool
  /// The smoothed uses N, `[K]`, in vectors a batch.
  public private(set) var uses: [Double]
  /// The smoothed sums m, `[K, d]`; empty where codes do not move.
  public private(set) var sums: [Double]

  /// The number of codes, K.
  public var count: Int { uses.count }

  /// Begins with a codebook `[K, d]` whose codes have all been used alike.
  ///
  /// - Parameter uses: the N_k of each code, above 0; m_k is that many times the code.
  public init(
    _ codebook: [Float], dimension: Int, uses: Double, decay: Double, epsilon: Double,
    movesCodes: Bool
  ) {
    precondition(dimension > 0 && codebook.count % dimension == 0, "whole codes of \(dimension)")
    precondition(uses > 0 && decay >= 0 && decay < 1 && epsilon > 0, "averages that can be formed")
    self.dimension = dimension
    self.decay = decay
    self.epsilon = epsilon
    self.movesCodes = movesCodes
    self.uses = Array(repeating: uses, count: codebook.count / dimension)
    sums = movesCodes ? codebook.map { Double($0) * uses } : []
  }

  /// Takes in a batch.
  ///
  /// - Parameters:
  ///   - vectors: `[tokens, d]`.
  ///   - codes: the code of each vector; a negative one is of a vector that has none.
  public mutating func add(_ vectors: [Float], codes: [Int32]) {
    precondition(vectors.count == codes.count * dimension, "one code a vector")
    let (decay, gain, dimension) = (decay, 1 - decay, dimension)
    var counts = [Double](repeating: 0, count: count)
    for code in codes where code >= 0 { counts[Int(code)] += 1 }
    for code in uses.indices { uses[code] = decay * uses[code] + gain * counts[code] }
    guard movesCodes else { return }
    sums.withUnsafeMutableBufferPointer { sums in
      for place in sums.indices { sums[place] *= decay }
      for (token, code) in codes.enumerated() where code >= 0 {
        let (row, vector) = (Int(code) * dimension, token * dimension)
        for channel in 0..<dimension {
          sums[row + channel] += gain * Double(vectors[vector + channel])
        }
      }
    }
  }

  /// The codebook `[K, d]`.
  public var codebook: [Float] {
    precondition(movesCodes, "codes that learn elsewhere are not known here")
    let total = uses.reduce(0, +)
    let scale = (total + Double(count) * epsilon) / total
    return [Float](unsafeUninitializedCapacity: sums.count) { codebook, initialized in
      for code in uses.indices {
        let factor = scale / (uses[code] + epsilon)
        for place in code * dimension..<(code + 1) * dimension {
          codebook[place] = Float(sums[place] * factor)
        }
      }
      initialized = sums.count
    }
  }

  /// Puts a vector in the place of a code, as if it had been used so often.
  ///
  /// Both averages start over: with the old ones the code would go back where it was.
  public mutating func replace(_ code: Int, by vector: some Sequence<Float>, uses: Double) {
    self.uses[code] = uses
    guard movesCodes else { return }
    for (channel, number) in vector.enumerated() {
      sums[code * dimension + channel] = Double(number) * uses
    }
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs: uses, then sums.
  public var state: [Double] { uses + sums }

  /// Takes the numbers of a checkpoint, if they are those of a codebook of this size.
  public mutating func restore(_ state: [Double]) -> Bool {
    guard state.count == uses.count + sums.count, state.allSatisfy(\.isFinite),
      state.prefix(count).allSatisfy({ $0 >= 0 }), state.prefix(count).contains(where: { $0 > 0 })
    else { return false }
    uses = Array(state.prefix(count))
    sums = Array(state.dropFirst(count))
    return true
  }
}
