/// The classes of a shard's images: names, each of them once, and of every image the index of its own.
///
/// A file has both `classes` and `labels`, or neither. Names differ if their bytes do, as those of
/// folders.
struct ImageClasses: Sendable {
  /// The label of an image that has no class.
  static let none = -1

  /// The names; the same in all shards of a run.
  var names: [String]
  /// One of each image, -1 or an index of `names`; empty where the file says nothing of classes.
  private let labels: [Int32]

  /// The index of an image's class; nil where it has none.
  subscript(image: Int) -> Int? {
    guard !labels.isEmpty, labels[image] >= 0 else { return nil }
    return Int(labels[image])
  }

  /// Checks what was found in a shard of `count` images.
  init(checking raw: RawTokenPiece, count: Int) throws(TokenFileError) {
    try self.init(
      checking: raw.header.classes, labels: raw.labels, count: count, path: raw.path)
  }

  /// Checks the names and labels that were found in a file of `count` images.
  init(
    checking classes: [String]?, labels given: [Int]?, count: Int, path: String
  ) throws(TokenFileError) {
    guard let names = classes else {
      guard given == nil else {
        throw .metadata(
          path: path, key: "classes",
          reason: "it is missing, but there are \"labels\", which are indices of its names")
      }
      (self.names, labels) = ([], [])
      return
    }
    if let reason = Self.problem(names) {
      throw .metadata(path: path, key: "classes", reason: reason)
    }
    guard let found = given else {
      throw .layout(
        path: path,
        reason: "it has \"classes\", but no \"labels\" that say which image is of which")
    }
    guard found.count == count else {
      throw .layout(
        path: path, reason: "it holds \(count) images but \"labels\" of \(found.count)")
    }
    if let image = found.firstIndex(where: { !(Self.none..<names.count).contains($0) }) {
      throw .layout(
        path: path,
        reason:
          "the label of image \(image) is \(found[image]), expected \(Self.range(names.count))")
    }
    self.names = names
    labels = found.map { Int32($0) }
  }

  /// Why these cannot be the classes of a file; nil where they can.
  static func problem(_ names: [String]) -> String? {
    guard names.count <= Int(Int32.max) else { return "expected at most \(Int32.max) names" }
    var seen: Set<[UInt8]> = []
    for name in names where !seen.insert(Array(name.utf8)).inserted {
      return "expected each name once, found \"\(name)\" twice"
    }
    return nil
  }

  /// The labels that there are with so many classes, in words.
  private static func range(_ count: Int) -> String {
    count == 0
      ? "-1, as there are no classes"
      : "-1 (no class) or 0 to \(count - 1), an index of \"classes\""
  }

  /// What tells the classes of two files apart, in words; nil where they are the same.
  ///
  /// - `one`, `other`: the files, as the sentence calls them.
  static func difference(
    _ names: [String], of one: String, _ others: [String], of other: String
  ) -> String? {
    if areSame(names, others) { return nil }
    if names.isEmpty { return "\(one) has no labels, but \(other) has" }
    if others.isEmpty { return "\(one) has labels, but \(other) has none" }
    if let name = first(of: names, notIn: others) {
      return "\(one) has a class \"\(name)\", but \(other) has not"
    }
    if let name = first(of: others, notIn: names) {
      return "\(other) has a class \"\(name)\", but \(one) has not"
    }
    return "their classes come in another order"
  }

  /// Whether two lists of classes are the same, byte for byte.
  static func areSame(_ names: [String], _ others: [String]) -> Bool {
    names.elementsEqual(others) { $0.utf8.elementsEqual($1.utf8) }
  }

  private static func first(of names: [String], notIn others: [String]) -> String? {
    let known = Set(others.map { Array($0.utf8) })
    return names.first { !known.contains(Array($0.utf8)) }
  }
}
