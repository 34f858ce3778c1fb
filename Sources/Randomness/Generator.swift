/// A seeded, splittable source of random numbers: a key, and a position in the stream it names.
///
/// The stream is Philox4x64-10 under the key, counting blocks of four words from zero. So a
/// generator is three words (``state``), any position is reached at once, and nothing depends on
/// the machine, the thread or the time.
///
/// Randomness is an argument here: there is no global generator. Where a part of the program
/// needs numbers of its own, it is given a child (``split(_:)``), and adding a draw in one part
/// never changes the numbers of another.
///
/// ```swift
/// let root = Generator(seed: 7)
/// var crop = root.split(named: "augmentation").split(UInt64(sample))
/// let x = crop.integer(below: 9)
/// ```
public struct Generator: RandomNumberGenerator, Sendable {
  /// The identity of the stream; children are derived from it.
  private let key: SIMD2<UInt64>
  /// How many words have been drawn.
  public private(set) var position: UInt64
  /// The block that holds the next word, if the position is inside a block.
  private var block: SIMD4<UInt64>

  /// The purpose of a block, in the last counter word, so that draws and children never collide.
  private enum Purpose {
    static let draw: UInt64 = 0
    static let split: UInt64 = 1
  }

  /// A generator at the beginning of the stream of `seed`; every seed is as good as any other.
  public init(seed: UInt64) {
    self.init(key: SIMD2(seed, 0), position: 0)
  }

  /// The generator with a saved ``state``, or nil unless it is three words.
  public init?(state: [UInt64]) {
    guard state.count == 3 else { return nil }
    self.init(key: SIMD2(state[0], state[1]), position: state[2])
  }

  private init(key: SIMD2<UInt64>, position: UInt64) {
    self.key = key
    self.position = position
    block = .zero
    if position & 3 != 0 { block = Self.words(key, at: position) }
  }

  /// Everything there is to save: two words of key and the position.
  public var state: [UInt64] { [key.x, key.y, position] }

  private static func words(_ key: SIMD2<UInt64>, at position: UInt64) -> SIMD4<UInt64> {
    Philox.block(counter: SIMD4(position >> 2, 0, 0, Purpose.draw), key: key)
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    let lane = Int(truncatingIfNeeded: position & 3)
    if lane == 0 { block = Self.words(key, at: position) }
    position &+= 1
    return block[lane]
  }

  /// The child of this generator with number `stream`, at the beginning of its own stream.
  ///
  /// The child depends on the parent's key and the number alone: not on how much was drawn from
  /// the parent, nor on other children. Its key is two words of Philox under the parent's key at
  /// a counter that no draw uses, so two different paths from a seed meet with probability
  /// 2^-128.
  public func split(_ stream: UInt64) -> Generator {
    let words = Philox.block(counter: SIMD4(stream, 0, 0, Purpose.split), key: key)
    return Generator(key: SIMD2(words.x, words.y), position: 0)
  }

  /// The child of this generator with a name, the UTF-8 bytes of `name` hashed (FNV-1a, 64 bit).
  ///
  /// The length is part of the key too, and named children differ from numbered ones.
  public func split(named name: String) -> Generator {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    var length: UInt64 = 0
    for byte in name.utf8 {
      hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
      length += 1
    }
    let words = Philox.block(counter: SIMD4(hash, length, 1, Purpose.split), key: key)
    return Generator(key: SIMD2(words.x, words.y), position: 0)
  }
}

extension Generator: Equatable {
  /// Whether both will give the same numbers from here on.
  public static func == (left: Generator, right: Generator) -> Bool {
    left.key == right.key && left.position == right.position
  }
}

/// Philox4x64-10: a keyed bijection of 256-bit counters whose outputs look random.
///
/// One round multiplies two of the four words by odd constants to 128 bits and mixes the halves
/// with the others and the key; ten rounds pass every known statistical test. Because an output
/// depends on key and counter alone, a stream can be entered at any position.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011.
public enum Philox {
  /// The ten-round block function: four words from a key of two words and a counter of four.
  public static func block(
    counter: SIMD4<UInt64>, key: SIMD2<UInt64>
  ) -> SIMD4<UInt64> {
    var x0 = counter.x
    var x1 = counter.y
    var x2 = counter.z
    var x3 = counter.w
    var key0 = key.x
    var key1 = key.y
    for _ in 0..<10 {
      let first = x0.multipliedFullWidth(by: 0xD2E7_470E_E14C_6C93)
      let second = x2.multipliedFullWidth(by: 0xCA5A_8263_9512_1157)
      x0 = second.high ^ x1 ^ key0
      x1 = second.low
      x2 = first.high ^ x3 ^ key1
      x3 = first.low
      // The key walks by the golden ratio and the square root of three less one.
      key0 &+= 0x9E37_79B9_7F4A_7C15
      key1 &+= 0xBB67_AE85_84CA_A73B
    }
    return SIMD4(x0, x1, x2, x3)
  }
}

extension Generator {
  /// A number in [0, 1): one of 2^24 equally likely multiples of 2^-24.
  public mutating func uniform() -> Float {
    Float(next() >> 40) * 0x1p-24
  }

  /// A number in `range`, uniform, the upper bound excluded.
  ///
  /// - Precondition: both bounds are finite and the range is not empty.
  public mutating func uniform(in range: Range<Float>) -> Float {
    precondition(!range.isEmpty, "a range to draw from must not be empty")
    let value = range.lowerBound + uniform() * (range.upperBound - range.lowerBound)
    // The sum may round up to the bound that is excluded.
    return value < range.upperBound ? value : range.upperBound.nextDown
  }

  /// A number in [0, 1) in double precision: one of 2^53 equally likely multiples of 2^-53.
  public mutating func uniformDouble() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// An integer in `0..<bound`, each exactly equally likely.
  ///
  /// The high word of bound * word; the few words that would favour some results are drawn again.
  /// Source: Lemire, "Fast random integer generation in an interval", 2019.
  ///
  /// - Precondition: `bound` is at least 1.
  public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0, "an integer is drawn below a bound of at least 1, not \(bound)")
    let range = UInt64(bound)
    var product = next().multipliedFullWidth(by: range)
    if product.low < range {
      let biased = (0 &- range) % range
      while product.low < biased { product = next().multipliedFullWidth(by: range) }
    }
    return Int(product.high)
  }

  /// True with the given probability, to a resolution of 2^-53; always one word of the stream.
  public mutating func bernoulli(_ probability: Double) -> Bool {
    uniformDouble() < probability
  }

  /// The integers `0..<count` in random order, each order equally likely (Fisher-Yates).
  ///
  /// Unlike the standard library's `shuffled(using:)`, the order for a state never changes with
  /// the version of the compiler.
  public mutating func permutation(of count: Int) -> [Int] {
    precondition(count >= 0, "a permutation has no negative count")
    var order = Array(0..<count)
    var last = count - 1
    while last > 0 {
      order.swapAt(last, integer(below: last + 1))
      last -= 1
    }
    return order
  }
}

// MARK: - The normal distribution

extension Generator {
  /// A number from the normal distribution with mean 0 and variance 1.
  ///
  /// Polar method: a point (u, v) uniform in the unit disc with s = u^2 + v^2 gives
  /// u * sqrt(-2 ln s / s); points outside are drawn again, so the count of words varies. Only
  /// operations that IEEE 754 fixes to the last bit are used (the logarithm is
  /// ``naturalLogarithm(_:)``), so every platform gives the same numbers.
  ///
  /// Source: Marsaglia and Bray, "A convenient method for generating normal variables", 1964.
  public mutating func normal() -> Float {
    while true {
      let u = 2 * uniformDouble() - 1
      let v = 2 * uniformDouble() - 1
      let s = u * u + v * v
      if s > 0 && s < 1 {
        return Float(u * (-2 * naturalLogarithm(s) / s).squareRoot())
      }
    }
  }
}

/// The natural logarithm of a positive, finite, normal number, the same bits on every platform.
///
/// x = m * 2^e with m in [sqrt(1/2), sqrt 2), t = (m - 1) / (m + 1), and
/// ln x = e ln 2 + 2 (t + t^3/3 + t^5/5 + ...): |t| < 0.172, so twelve terms reach the last bit
/// or two. Libraries differ in those bits, which is why theirs is not used.
public func naturalLogarithm(_ x: Double) -> Double {
  precondition(x > 0 && x.isFinite, "a logarithm is of a positive finite number")
  var mantissa = x.significand
  var exponent = Double(x.exponent)
  if mantissa > 1.4142135623730951 {
    mantissa /= 2
    exponent += 1
  }
  let t = (mantissa - 1) / (mantissa + 1)
  let square = t * t
  var sum = 0.0
  var odd = 23.0
  while odd > 0 {
    sum = sum * square + 1 / odd
    odd -= 2
  }
  return exponent * 0.6931471805599453 + 2 * t * sum
}
