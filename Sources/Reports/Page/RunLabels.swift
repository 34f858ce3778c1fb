/// Names short enough to stand at the ends of curves.
enum RunLabels {
  static let limit = 11

  /// A label for each name, all different: the names without what all begin with, cut in the middle
  /// where they are long, or the runs' numbers where that would make two alike.
  static func short(_ names: [String]) -> [String] {
    var labels = names
    if names.count > 1, names.contains(where: { $0.count > limit }) {
      let shared = commonBeginning(names)
      labels = names.map { String($0.dropFirst(shared)) }
    }
    labels = labels.map(cut)
    guard Set(labels).count == names.count, labels.allSatisfy({ !$0.isEmpty }) else {
      return names.indices.map { "run \($0 + 1)" }
    }
    return labels
  }

  private static func cut(_ name: String) -> String {
    guard name.count > limit else { return name }
    return name.prefix(5) + "…" + name.suffix(limit - 6)
  }

  /// How many characters all names begin with, up to and with a separator.
  private static func commonBeginning(_ names: [String]) -> Int {
    guard let first = names.first else { return 0 }
    var length = 0
    for (index, character) in first.enumerated() {
      let agreed = names.allSatisfy { name in
        name.count > index + 1 && name[name.index(name.startIndex, offsetBy: index)] == character
      }
      guard agreed else { break }
      if "-_./ ".contains(character) { length = index + 1 }
    }
    return length
  }
}
