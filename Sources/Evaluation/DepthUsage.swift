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
