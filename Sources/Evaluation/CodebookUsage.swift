import Foundation

/// How often each code of a codebook was used, and what that says of the codebook.
///
/// A token is a position of an image's grid, and has one id at each depth; what is counted here are ids,
/// of one depth or of several together. Memory grows with the codebook up to ``largestTable`` codes, and
/// beyond that only with the codes that are used.
public struct CodebookUsage: Sendable, Equatable {
  /// The codes of the largest codebook that has a count for every code, used or not: 2^16.
  public static let largestTable = 1 << 16

  /// Uses of each code by index, or of the used ones.
  private enum Table: Sendable, Equatable {
    case all([Int])
    case used([Int: Int])
  }

  /// The size of the codebook, `K`; 0 where nothing is quantized, and nothing can be counted.
  public let codes: Int
  /// How many ids were counted: tokens, times the depths that are counted together.
  public private(set) var ids = 0

  private var table: Table

  /// No ids yet, for a codebook of `codes` codes.
  public init(codes: Int) {
    precondition(codes >= 0, "a codebook has no fewer than no codes")
    self.codes = codes
    table = codes <= Self.largestTable ? .all([Int](repeating: 0, count: codes)) : .used([:])
  }

  /// Counts of the codes, where they are already known.
  public init(counts: [Int]) {
    precondition(!counts.isEmpty && counts.allSatisfy { $0 >= 0 }, "a count for each code")
    self.init(codes: counts.count)
    for (code, count) in counts.enumerated() where count > 0 { add(code, count: count) }
  }

  /// Counts ids; each is a code's index, 0..<codes.
  public mutating func add(_ indices: some Sequence<Int32>) {
    for index in indices { add(Int(index), count: 1) }
  }

  /// Counts an id a number of times.
  public mutating func add(_ code: Int, count: Int) {
    precondition(code >= 0 && code < codes && count >= 0, "an id is a code's index")
    guard count > 0 else { return }
    switch table {
    case .all(var counts):
      table = .used([:])  // so that the array has one owner, and is changed in place
      counts[code] += count
      table = .all(counts)
    case .used(var counts):
      table = .all([])
      counts[code, default: 0] += count
      table = .used(counts)
    }
    ids += count
  }

  /// Adds what another counted over the same codebook.
  public mutating func merge(_ other: CodebookUsage) {
    precondition(codes == other.codes, "codebooks of one size")
    other.forEachUsed { add($0, count: $1) }
  }

  /// Calls with each used code and its uses, in the order of the codes.
  public func forEachUsed(_ body: (_ code: Int, _ count: Int) -> Void) {
    switch table {
    case .all(let counts):
      for (code, count) in counts.enumerated() where count > 0 { body(code, count) }
    case .used(let counts):
      for code in counts.keys.sorted() { body(code, counts[code]!) }
    }
  }

  /// The used codes and their uses, in the order of the codes.
  public var uses: [(code: Int, count: Int)] {
    var result: [(code: Int, count: Int)] = []
    forEachUsed { result.append(($0, $1)) }
    return result
  }

  /// The codes that are used, ascending.
  public var usedCodes: [Int] { uses.map(\.code) }

  /// The uses of a code.
  public func count(of code: Int) -> Int {
    switch table {
    case .all(let counts): counts[code]
    case .used(let counts): counts[code] ?? 0
    }
  }

  /// The uses of every code by index, `[K]`: for codebooks whose entries are in memory anyway.
  public var counts: [Int] {
    var counts = [Int](repeating: 0, count: codes)
    forEachUsed { counts[$0] = $1 }
    return counts
  }

  /// How many codes were used at least once.
  public var used: Int {
    switch table {
    case .all(let counts): counts.reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
    case .used(let counts): counts.count
    }
  }

  /// How many codes were never used.
  public var deadCodes: Int { codes - used }

  /// The fraction of codes used at least once, 0...1.
  public var usage: Double { codes == 0 ? 0 : Double(used) / Double(codes) }

  /// The share that as many ids would show if each were drawn uniformly: `1 - (1 - 1/K)^n`.
  ///
  /// Below this, a codebook is used unevenly; far below 1 it says that too few ids were counted.
  public var expectedUniformUsage: Double {
    Self.expectedUniformUsage(codes: codes, ids: ids)
  }

  /// `1 - (1 - 1/K)^n`, computed so that it keeps its digits where `1/K` or `n/K` is tiny.
  public static func expectedUniformUsage(codes: Int, ids: Int) -> Double {
    precondition(codes >= 0 && ids >= 0, "counts are not negative")
    if ids == 0 || codes == 0 { return 0 }
    return -expm1(Double(ids) * log1p(-1 / Double(codes)))
  }

  /// `exp(entropy)`: the number of codes that, used evenly, carry as much; 1 for no ids.
  public var perplexity: Double { exp(entropy) }

  private var entropy: Double {
    let total = Double(ids)
    var sum = 0.0
    forEachUsed { _, count in
      let share = Double(count) / total
      sum -= share * log(share)
    }
    // A single code gives -0.
    return max(sum, 0)
  }
}

/// How often each code was used at each depth of tokens that have several indices.
///
/// Depths may have codebooks of their own, of which one may collapse while all ids are used by
/// another: pooled counts do not show that.
public struct DepthUsage: Sendable, Equatable {
  /// The usage at each depth; one, where tokens have but one index.
  public private(set) var depths: [CodebookUsage]

  /// No tokens yet.
  public init(codes: Int, depth: Int) {
    precondition(depth > 0, "a token has an index")
    depths = Array(repeating: CodebookUsage(codes: codes), count: depth)
  }

  /// Counts tokens: of each its id at depth 0 first, then that at depth 1.
  public mutating func add(_ indices: [Int32]) {
    precondition(indices.count % depths.count == 0, "each token has all its indices")
    if depths.count == 1 { return depths[0].add(indices) }
    for depth in depths.indices {
      depths[depth].add(
        stride(from: depth, to: indices.count, by: depths.count).map { indices[$0] })
    }
  }

  /// The counts of all depths as one: of ids, whatever they stand for at each depth.
  public var pooled: CodebookUsage {
    var pooled = depths[0]
    for usage in depths.dropFirst() { pooled.merge(usage) }
    return pooled
  }

  /// The counts of all depths behind each other: a code at one depth is another than at the next.
  public var joined: CodebookUsage {
    guard depths.count > 1 else { return depths[0] }
    var joined = CodebookUsage(codes: depths.reduce(0) { $0 + $1.codes })
    var first = 0
    for usage in depths {
      usage.forEachUsed { joined.add(first + $0, count: $1) }
      first += usage.codes
    }
    return joined
  }

  /// The tokens that were counted: each has an id at every depth.
  public var tokens: Int { depths[0].ids }
}

/// The information in tokens, in bits.
public enum Information {
  /// Bits per token of a codebook of `K` codes: `log2 K`.
  public static func bitsPerToken(codes: Int) -> Double {
    precondition(codes > 0, "a codebook has a code")
    return log2(Double(codes))
  }

  /// Bits per pixel: `tokens * log2 K / (width * height)`, where 8-bit RGB has 24.
  public static func bitsPerPixel(tokens: Int, codes: Int, width: Int, height: Int) -> Double {
    precondition(tokens >= 0 && width > 0 && height > 0, "an image has at least one pixel")
    return Double(tokens) * bitsPerToken(codes: codes) / (Double(width) * Double(height))
  }
}
