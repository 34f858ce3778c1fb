import Evaluation
import LowRank

/// The sizes of a convolution's kernel, or of a linear map, and how far it moves.
public struct LayerShape: Sendable, Equatable {
  /// Output and input channels.
  public let outputs, inputs: Int
  /// Rows and columns of the window; 1 and 1 of a linear map.
  public let height, width: Int
  /// Pixels that the window moves between results.
  public let stride: Int

  /// The sizes of a layer.
  public init(outputs: Int, inputs: Int, height: Int = 1, width: Int = 1, stride: Int = 1) {
    (self.outputs, self.inputs, self.stride) = (outputs, inputs, stride)
    (self.height, self.width) = (height, width)
  }

  /// Places of the window.
  public var window: Int { height * width }
  /// The number of weights, which is also that of multiply-adds for each pixel of the result.
  public var count: Int { outputs * inputs * window }
  /// The sizes in words: "128x64, 3x3".
  public var words: String {
    "\(outputs)x\(inputs)" + (window > 1 ? ", \(height)x\(width)" : "")
  }
}

/// The singular values of a layer's weight, and what a product of two layers could save.
///
/// A kernel `[O, I, kh, kw]`, T = kh kw, is a matrix in two ways. A product of rank r is two
/// convolutions:
///
///     by output  [O, T I]   kh x kw from I to r channels, then 1x1 from r to O
///     by input   [I, T O]   1x1 from I to r channels, then kh x kw from r to O
///
/// The narrower matrix is the layer's own: by output where O <= I, else by input. Its rank is at
/// most k, and its singular values are `sigma_1 >= ... >= sigma_k`. In a layer of 1x1 both are one.
///
/// They are roots of the eigenvalues of the narrower Gram matrix, with an error of about
/// `1e-8 sigma_1`, finer than the rounding of weights. LAPACK is not used: OpenBLAS can
/// wait forever where memory is limited, and every run computes this at its evaluations.
public struct LayerSpectrum: Sendable, Equatable {
  /// How a kernel becomes a matrix.
  public enum Unfolding: String, Sendable, CaseIterable {
    /// A row for each output channel.
    case byOutput = "output"
    /// A row for each input channel.
    case byInput = "input"
  }

  /// The layer's path in the network, without `.weight`.
  public let name: String
  /// Its sizes.
  public let shape: LayerShape
  /// The unfolding of ``values``: the narrower one.
  public let unfolding: Unfolding
  /// The singular values, largest first.
  public let values: [Double]
  /// Those of the other unfolding; empty where they were not asked for, or are the same.
  public let otherValues: [Double]
  /// The stable rank, `sum of sigma_i^2 / sigma_1^2`; 0 of zeros.
  public let stableRank: Double
  /// `exp(H(p))`, H the entropy, with `p_i = sigma_i / sum of sigma`; 0 of zeros.
  public let entropyRank: Double

  /// The singular values of a weight.
  ///
  /// - Parameters:
  ///   - weights: `[O, I, kh, kw]`, as a checkpoint has them.
  ///   - bothUnfoldings: whether to find those of the wider matrix too.
  /// - Returns: nil where a weight is not finite, or there is none.
  /// - Precondition: there are as many weights as the shape says.
  public init?(_ name: String, _ shape: LayerShape, weights: [Float], bothUnfoldings: Bool) {
    precondition(weights.count == shape.count, "\(name): a weight of \(shape.words)")
    let unfolding = Self.narrower(shape)
    guard !weights.isEmpty, weights.allSatisfy(\.isFinite) else { return nil }
    let own = Self.singularValues(weights, shape, unfolding)
    guard let rank = try? LowRank.EffectiveRank(singularValues: own) else { return nil }
    let others =
      bothUnfoldings && shape.window > 1
      ? Self.singularValues(weights, shape, unfolding == .byOutput ? .byInput : .byOutput) : []
    self.init(
      name, shape, unfolding, values: own, otherValues: others, stableRank: rank.stable,
      entropyRank: rank.entropy)
  }

  private init(
    _ name: String, _ shape: LayerShape, _ unfolding: Unfolding, values: [Double],
    otherValues: [Double], stableRank: Double, entropyRank: Double
  ) {
    (self.name, self.shape, self.unfolding) = (name, shape, unfolding)
    (self.values, self.otherValues) = (values, otherValues)
    (self.stableRank, self.entropyRank) = (stableRank, entropyRank)
  }

  private static func narrower(_ shape: LayerShape) -> Unfolding {
    shape.outputs <= shape.inputs ? .byOutput : .byInput
  }

  /// The singular values of an unfolding, largest first.
  private static func singularValues(
    _ weights: [Float], _ shape: LayerShape, _ unfolding: Unfolding
  ) -> [Double] {
    var elements: [Double]
    let rows: Int
    switch unfolding {
    case .byOutput:
      elements = weights.map(Double.init)
      rows = shape.outputs
    case .byInput:
      // The order of columns does not matter.
      elements = []
      elements.reserveCapacity(weights.count)
      for input in 0..<shape.inputs {
        for output in 0..<shape.outputs {
          let start = (output * shape.inputs + input) * shape.window
          for weight in weights[start..<start + shape.window] { elements.append(Double(weight)) }
        }
      }
      rows = shape.inputs
    }
    // The smaller of the two Gram matrices.
    var columns = weights.count / rows
    if rows > columns {
      let wide = elements
      elements = (0..<wide.count).map { wide[$0 % rows * columns + $0 / rows] }
      columns = rows
    }
    return VectorSet(dimension: columns, values: elements).gramMatrix(threads: 1).eigenvalues
      .map { max(0, $0).squareRoot() }
  }

  // MARK: Ranks

  /// The largest rank of such a layer: k, of the narrower unfolding.
  public var fullRank: Int { values.count }

  /// The singular values over the largest; empty of zeros.
  public var shares: [Double] {
    guard let largest = values.first, largest > 0 else { return [] }
    return values.map { $0 / largest }
  }

  /// The least rank that keeps a share of the energy: the least r with
  /// `sum over i <= r of sigma_i^2 >= share * sum of sigma_i^2`; 0 of zeros.
  public func rank(keeping share: Double) -> Int { Self.rank(values, keeping: share) }

  private static func rank(_ values: [Double], keeping share: Double) -> Int {
    guard let largest = values.first, largest > 0 else { return 0 }
    let sums = values.reduce(into: [0.0]) { $0.append($0.last! + ($1 / largest) * ($1 / largest)) }
    return sums.firstIndex { $0 >= share * sums.last! } ?? values.count
  }

  // MARK: Two factors

  /// Two layers in place of one.
  public struct Factors: Sendable, Equatable {
    /// Channels between the two, r.
    public let rank: Int
    /// The unfolding whose product they are.
    public let unfolding: Unfolding
    /// The window of the first of the two: "3x3" by output, "1x1" by input.
    public let first: String
    /// Multiply-adds of the two over those of the layer.
    ///
    ///     by output  r (T I + O) / (T I O)
    ///     by input   r (s^2 I + T O) / (T I O)   s the stride: the 1x1 sees all pixels
    public let multiplyAdds: Double
    /// Their weights.
    public let weights: Int

    /// Whether the two have fewer multiply-adds than the one.
    public var pay: Bool { multiplyAdds < 1 }
  }

  /// The two factors that keep a share of the energy, in the order with fewer multiply-adds, where
  /// the singular values of both are known; at least one channel is between them.
  public func factors(keeping share: Double) -> Factors {
    let (window, inputs, outputs) = (shape.window, shape.inputs, shape.outputs)
    let candidates = Unfolding.allCases.compactMap { candidate -> Factors? in
      let values = candidate == unfolding || window == 1 ? values : otherValues
      guard !values.isEmpty, window > 1 || candidate == .byOutput else { return nil }
      let rank = max(1, Self.rank(values, keeping: share))
      let isFirst = candidate == .byInput
      let (wide, narrow) = isFirst ? (outputs, inputs) : (inputs, outputs)
      let pixels = isFirst ? shape.stride * shape.stride : 1
      return Factors(
        rank: rank, unfolding: candidate,
        first: isFirst ? "1x1" : "\(shape.height)x\(shape.width)",
        multiplyAdds: Double(rank * (window * wide + pixels * narrow)) / Double(shape.count),
        weights: rank * (window * wide + narrow))
    }
    return candidates.min { $0.multiplyAdds < $1.multiplyAdds }!
  }
}
