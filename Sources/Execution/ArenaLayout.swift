/// A stretch of memory that is needed from one instruction to another.
struct Lifetime: Sendable {
  /// How many words.
  let words: Int
  /// The instruction that first writes it; -1 for what is there from the start.
  var first: Int
  /// The last instruction that reads it.
  var last: Int

  func overlaps(_ other: Lifetime) -> Bool {
    first <= other.last && other.first <= last
  }
}

/// Offsets for stretches of memory, such that those needed at one time do not overlap.
///
/// Largest first, each at the lowest offset that is free throughout its life.
struct ArenaLayout: Sendable {
  /// The first word of each stretch.
  let offsets: [Int]
  /// The words of the whole arena.
  let words: Int

  init(_ lifetimes: [Lifetime]) {
    var offsets = [Int](repeating: 0, count: lifetimes.count)
    var placed: [Int] = []  // in the order of their offsets
    var total = 0
    let order = lifetimes.indices.sorted {
      (lifetimes[$0].words, $1) > (lifetimes[$1].words, $0)
    }
    for index in order {
      let lifetime = lifetimes[index]
      var offset = 0
      for other in placed where lifetimes[other].overlaps(lifetime) {
        if offsets[other] >= offset + lifetime.words { break }
        offset = max(offset, aligned(offsets[other] + lifetimes[other].words))
      }
      offsets[index] = offset
      total = max(total, aligned(offset + lifetime.words))
      let place = placed.firstIndex { offsets[$0] > offset } ?? placed.count
      placed.insert(index, at: place)
    }
    self.offsets = offsets
    words = total
  }
}
