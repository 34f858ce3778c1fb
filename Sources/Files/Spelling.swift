/// The word among `candidates` that was probably meant by `word`, or nil when none is near.
///
/// Near means: equal but for case and separators (`batch_size`), a few letters apart, or a part.
public func nearest(to word: String, among candidates: [String]) -> String? {
  // Whoever writes more has not just missed a key.
  guard word.utf8.count <= 200 else { return nil }
  let plain = letters(word)
  guard !plain.isEmpty else { return nil }
  let ranked = candidates.map { (word: $0, distance: editDistance(plain, letters($0))) }
  guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
  if best.distance <= max(1, plain.count / 3) { return best.word }
  guard plain.count >= 3 else { return nil }
  return candidates.first {
    String(letters($0)).contains(String(plain)) || String(plain).contains(String(letters($0)))
  }
}

/// Whether two words differ in case and separators alone, as `batch_size` and `batchSize` do.
public func isSameWord(_ a: String, _ b: String) -> Bool { letters(a) == letters(b) }

/// Letters and digits in lower case.
private func letters(_ word: String) -> [Character] {
  word.lowercased().filter { $0.isLetter || $0.isNumber }.map(\.self)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into another.
///
/// The optimal string alignment distance, by three rows of its table.
package func editDistance(_ a: [Character], _ b: [Character]) -> Int {
  var beforeLast: [Int] = []
  var last = Array(0...b.count)
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        cost = min(cost, beforeLast[j - 1] + 1)
      }
      row.append(cost)
    }
    (beforeLast, last) = (last, row)
  }
  return last[b.count]
}
