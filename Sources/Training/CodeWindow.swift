import Evaluation

/// How often codes were used by the batches since the last diagnosis, and which came and went.
struct CodeWindow {
  /// The codes of the batches so far.
  private(set) var counts: [Double]
  /// Which codes the window before this one used; nil in the first.
  private var before: [Bool]?

  /// An empty window over a codebook.
  init(codes: Int) { counts = Array(repeating: 0, count: codes) }

  /// Adds a batch.
  mutating func add(_ batch: [Double]) {
    for code in counts.indices { counts[code] += batch[code] }
  }

  /// The usage over the window.
  var usage: CodebookUsage { CodebookUsage(counts: counts.map { Int($0) }) }

  /// Codes used now and not in the window before, and the reverse; nil in the first window.
  var changes: (born: Int, died: Int)? {
    before.map { before in
      zip(counts, before).reduce(into: (born: 0, died: 0)) { sums, code in
        if code.0 > 0, !code.1 { sums.born += 1 }
        if code.0 == 0, code.1 { sums.died += 1 }
      }
    }
  }

  /// Begins the next window.
  mutating func close() {
    before = counts.map { $0 > 0 }
    for code in counts.indices { counts[code] = 0 }
  }

  /// The numbers that a continuation needs.
  var state: [Double] { counts + (before ?? []).map { $0 ? 1 : 0 } }

  /// Continues from a state; nil if it is not one of a codebook of this size.
  init?(codes: Int, state: [Double]) {
    guard state.count == codes || state.count == 2 * codes else { return nil }
    counts = Array(state.prefix(codes))
    guard counts.allSatisfy({ $0 >= 0 && $0 < 0x1p53 && $0 == $0.rounded() }) else { return nil }
    if state.count > codes { before = state.dropFirst(codes).map { $0 != 0 } }
  }
}
