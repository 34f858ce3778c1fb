/// How tokens are drawn from what a prior expects.
public struct SamplingOptions: Sendable, Equatable {
  /// Logits are divided by it: below 1 the likely becomes likelier.
  public var temperature: Double
  /// The ids that may come: so many of the likeliest; 0 is all.
  public var topK: Int
  /// The ids that may come: the fewest that together are this likely; 1 is all.
  public var topP: Double
  /// How far logits are pushed from those without a class towards those with it: 1 is no push.
  ///
  ///     l = l_none + guidance (l_class - l_none)
  ///
  /// Source: Ho and Salimans, "Classifier-free diffusion guidance", 2022.
  public var guidance: Double
  /// The start of all random numbers.
  public var seed: UInt64

  /// How tokens are drawn.
  public init(
    temperature: Double = 1, topK: Int = 0, topP: Double = 1, guidance: Double = 1, seed: UInt64 = 0
  ) {
    (self.temperature, self.topK, self.topP) = (temperature, topK, topP)
    (self.guidance, self.seed) = (guidance, seed)
  }
}

/// The distribution of the next id, from logits; its memory is used again and again.
///
/// It is computed in IEEE arithmetic without any library, so that equal logits give equal
/// distributions, bit by bit, on every machine.
public struct TokenDistribution {
  /// How many ids there are.
  public let codes: Int
  private var weights: [Double]
  private var order: [Int32]
  private var total = 0.0
  private var cumulative: [UInt32]

  /// A distribution over so many ids.
  public init(codes: Int) {
    self.codes = codes
    weights = Array(repeating: 0, count: codes)
    order = []
    order.reserveCapacity(codes)
    cumulative = Array(repeating: 0, count: codes + 1)
  }

  /// The softmax of logits.
  ///
  /// - Parameters:
  ///   - logits: `codes` of them.
  ///   - none: those without a class, for guidance; nil where there is none.
  public mutating func set(
    _ logits: UnsafePointer<Float>, none: UnsafePointer<Float>? = nil,
    _ options: SamplingOptions = SamplingOptions()
  ) {
    let scale = 1 / options.temperature
    var top = -Double.infinity
    weights.withUnsafeMutableBufferPointer { weights in
      for id in 0..<codes {
        var logit = Double(logits[id])
        if let none { logit = Double(none[id]) + options.guidance * (logit - Double(none[id])) }
        weights[id] = logit * scale
        if weights[id] > top { top = weights[id] }
      }
      total = 0
      for id in 0..<codes {
        weights[id] = exponential(weights[id] - top)
        total += weights[id]
      }
    }
    restrict(options)
  }

  /// Leaves ids out that are not likely enough.
  private mutating func restrict(_ options: SamplingOptions) {
    let isFew = options.topK > 0 && options.topK < codes
    guard isFew || options.topP < 1 else { return }
    order.removeAll(keepingCapacity: true)
    // What is less likely than this cannot be among the fewest that make up topP.
    let least = isFew ? 0 : (1 - options.topP) * total / Double(max(1, codes - 1))
    for id in 0..<codes where weights[id] >= least { order.append(Int32(id)) }
    weights.withUnsafeMutableBufferPointer { weights in
      order.sort { a, b in
        let (p, q) = (weights[Int(a)], weights[Int(b)])
        return p == q ? a < b : p > q
      }
      var kept = isFew ? min(options.topK, order.count) : order.count
      var sum = 0.0
      if options.topP < 1 {
        let all = order[..<kept].reduce(0) { $0 + weights[Int($1)] }
        for index in 0..<kept {
          sum += weights[Int(order[index])]
          if sum >= options.topP * all {
            kept = index + 1
            break
          }
        }
      }
      // What is left takes the place of all.
      let threshold = order[kept - 1]
      let last = weights[Int(threshold)]
      total = 0
      for id in 0..<codes {
        if weights[id] < last || weights[id] == last && id > threshold { weights[id] = 0 }
        total += weights[id]
      }
    }
  }

  /// The id at a place of the distribution: the first up to which the probabilities sum to more.
  ///
  /// - Parameter place: from 0 to below 1.
  public func id(at place: Double) -> Int32 {
    var (rest, last) = (place * total, 0)
    for id in 0..<codes where weights[id] > 0 {
      if rest < weights[id] { return Int32(id) }
      rest -= weights[id]
      last = id
    }
    return Int32(last)
  }

  /// The probability of an id.
  public func probability(of id: Int32) -> Double { weights[Int(id)] / total }

  // MARK: Whole numbers

  /// The sum that probabilities become parts of, but for one that each id has anyway.
  private static let parts = Double(1 << 28)

  /// The distribution in whole numbers, none of them zero, for a range coder: the sums up to each id.
  ///
  /// - Returns: `codes + 1` sums, from 0 to the sum of all.
  public mutating func wholeSums() -> [UInt32] {
    var sum: UInt32 = 0
    for id in 0..<codes {
      cumulative[id] = sum
      sum += 1 + UInt32(weights[id] / total * Self.parts)
    }
    cumulative[codes] = sum
    return cumulative
  }
}

/// e^x for x at most 0, accurate to 1e-15; 0 below -700.
///
/// By additions, multiplications and powers of two alone: the same bits on every machine.
@inline(__always)
func exponential(_ x: Double) -> Double {
  guard x > -700 else { return x.isNaN ? x : 0 }
  let n = (x * 1.442_695_040_888_963_4).rounded()
  // ln 2 in two parts, the first of 32 bits, so that n times it is exact.
  let r = (x - n * 0.693_147_180_369_123_8) - n * 1.908_214_929_270_587_7e-10
  var p = 1.0 / 479_001_600
  for divisor in [39_916_800.0, 3_628_800, 362_880, 40_320, 5_040, 720, 120, 24, 6, 2, 1, 1] {
    p = p * r + 1 / divisor
  }
  return p * Double(sign: .plus, exponent: Int(n), significand: 1)
}
