import Foundation

/// How often each code of a codebook was used, and what that says of the codebook.
public struct CodebookUsage: Sendable, Equatable {
  /// Uses of each code, by index.
  public private(set) var counts: [Int]
  /// How many tokens were counted.
  public private(set) var tokens = 0

  /// No tokens yet, for a codebook of `codes` codes.
  public init(codes: Int) {
    precondition(codes > 0, "a codebook has a code")
    counts = [Int](repeating: 0, count: codes)
  }

  /// Counts of the codes, where they are already known.
  public init(counts: [Int]) {
    precondition(!counts.isEmpty && counts.allSatisfy { $0 >= 0 }, "a count for each code")
    self.counts = counts
    tokens = counts.reduce(0, +)
  }

  /// Counts tokens; each is a code's index, 0..<codes.
  public mutating func add(_ indices: [Int32]) {
    for index in indices {
      precondition(index >= 0 && index < counts.count, "a token is a code's index")
      counts[Int(index)] += 1
      tokens += 1
    }
  }

  /// Adds what another counted over the same codebook.
  public mutating func merge(_ other: CodebookUsage) {
    precondition(counts.count == other.counts.count, "codebooks of one size")
    for index in counts.indices { counts[index] += other.counts[index] }
    tokens += other.tokens
  }

  /// The size of the codebook, `K`.
  public var codes: Int { counts.count }

  /// How many codes were used at least once.
  public var used: Int { counts.reduce(0) { $0 + ($1 > 0 ? 1 : 0) } }

  /// How many codes were never used.
  public var deadCodes: Int { codes - used }

  /// The share of codes used at least once, 0...1.
  public var usage: Double { Double(used) / Double(codes) }

  /// The share that as many tokens would show if each drew a code uniformly: `1 - (1 - 1/K)^n`.
  ///
  /// Below this, a codebook is used unevenly; far below 1 it says that too few tokens were counted.
  public var expectedUniformUsage: Double {
    Self.expectedUniformUsage(codes: codes, tokens: tokens)
  }

  /// `1 - (1 - 1/K)^n`, computed so that it keeps its digits where `1/K` or `n/K` is tiny.
  public static func expectedUniformUsage(codes: Int, tokens: Int) -> Double {
    precondition(codes > 0 && tokens >= 0, "a codebook has a code")
    if tokens == 0 { return 0 }
    return -expm1(Double(tokens) * log1p(-1 / Double(codes)))
  }

  /// The entropy of the codes' shares, `-sum p log2 p`, in bits; 0 for no tokens.
  public var entropyBits: Double { entropy / log(2) }

  /// `exp(entropy)`: the number of codes that, used evenly, carry as much; 1 for no tokens.
  public var perplexity: Double { exp(entropy) }

  private var entropy: Double {
    let total = Double(tokens)
    var sum = 0.0
    for count in counts where count > 0 {
      let share = Double(count) / total
      sum -= share * log(share)
    }
    // A single code gives -0.
    return max(sum, 0)
  }
}
