import Evaluation

/// How often codes were used by the batches since the last diagnosis, and which came and went.
package struct CodeWindow {
  /// The usage over the window, ids of all depths together.
  package private(set) var usage: CodebookUsage
  /// The codes that the window before this one used, rising; nil in the first.
  private var before: [Int]?

  /// An empty window over a codebook.
  package init(codes: Int) { usage = CodebookUsage(codes: codes) }

  /// Adds a batch.
  package mutating func add(_ batch: CodebookUsage) { usage.merge(batch) }

  /// Codes used now and not in the window before, and the reverse; nil in the first window.
  package var changes: (born: Int, died: Int)? {
    guard let before else { return nil }
    let died = before.count { usage.count(of: $0) == 0 }
    return (born: usage.used - (before.count - died), died: died)
  }

  /// Begins the next window.
  package mutating func close() {
    before = usage.usedCodes
    usage = CodebookUsage(codes: usage.codes)
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs, by name: a count for every code of a small codebook and
  /// whether the window before used it; of a large one the used codes and their counts.
  package var state: [String: [Double]] {
    guard usage.codes > CodebookUsage.largestTable else {
      var flags: [Double] = []
      if let before {
        flags = Array(repeating: 0, count: usage.codes)
        for code in before { flags[code] = 1 }
      }
      return ["codes": usage.counts.map(Double.init) + flags]
    }
    var state = ["codes.used": usage.uses.flatMap { [Double($0.code), Double($0.count)] }]
    if let before { state["codes.before"] = before.map(Double.init) }
    return state
  }

  /// Continues from a state; nil if there is none of a codebook of this size.
  ///
  /// A count for every code is understood whatever the size of the codebook.
  package init?(codes: Int, state: [String: [Double]]) {
    if let used = state["codes.used"] {
      self.init(codes: codes, used: used, before: state["codes.before"])
    } else if let all = state["codes"] {
      self.init(codes: codes, all: all)
    } else {
      return nil
    }
  }

  private init?(codes: Int, all: [Double]) {
    guard all.count == codes || all.count == 2 * codes else { return nil }
    usage = CodebookUsage(codes: codes)
    for code in 0..<codes {
      guard let count = Int(exactly: all[code]), count >= 0, count < 1 << 53 else { return nil }
      usage.add(code, count: count)
    }
    if all.count > codes { before = (0..<codes).filter { all[codes + $0] != 0 } }
  }

  private init?(codes: Int, used: [Double], before: [Double]?) {
    guard used.count.isMultiple(of: 2) else { return nil }
    usage = CodebookUsage(codes: codes)
    for place in stride(from: 0, to: used.count, by: 2) {
      guard let code = Int(exactly: used[place]), (0..<codes).contains(code),
        let count = Int(exactly: used[place + 1]), count > 0, count < 1 << 53
      else { return nil }
      usage.add(code, count: count)
    }
    guard let before else { return }
    let codesBefore = before.compactMap { Int(exactly: $0) }.filter { (0..<codes).contains($0) }
    guard codesBefore.count == before.count,
      zip(codesBefore, codesBefore.dropFirst()).allSatisfy({ $0 < $1 })
    else { return nil }
    self.before = codesBefore
  }
}
