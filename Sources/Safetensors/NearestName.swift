/// The name with the fewest edits to `name`, if at most a third of it would have to change.
///
/// Distance of Levenshtein (1966): insertions, deletions and substitutions of one character each.
func nearestName(to name: String, among names: [String]) -> String? {
  let wanted = Array(name.utf8)
  var best: (name: String, distance: Int)?
  for candidate in names {
    let other = Array(candidate.utf8)
    var row = Array(0...other.count)
    for (i, a) in wanted.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, b) in other.enumerated() {
        let substituted = diagonal + (a == b ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
      }
    }
    let distance = row[other.count]
    if best.map({ distance < $0.distance }) ?? true { best = (candidate, distance) }
  }
  guard let best, best.distance <= max(2, wanted.count / 3) else { return nil }
  return best.name
}
