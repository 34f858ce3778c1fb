import Foundation

/// Paths as they stand on a page that is sent to others: without the folders of one machine.
enum PrivatePath {
  /// A relative path as it is; of an absolute one its last part.
  static func shown(_ path: String) -> String {
    guard isOfMachine(path) else { return path }
    return path.split(separator: "/").last.map(String.init) ?? path
  }

  /// A text in which each of the given folders, where it is one of a machine, is named by its last
  /// part, and so is any other absolute path.
  static func scrubbed(_ text: String, folders: [String]) -> String {
    var text = text
    let known = Set(folders + [NSHomeDirectory(), FileManager.default.currentDirectoryPath])
    for folder in known.sorted(by: { $0.count > $1.count })
    where isOfMachine(folder) && folder.count > 1 {
      let whole = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
      text = text.replacingOccurrences(of: whole, with: shown(folder))
    }
    return text.split(separator: " ", omittingEmptySubsequences: false).map { word in
      let open = word.prefix { "(\"'‘".contains($0) }
      let rest = word.dropFirst(open.count)
      guard rest.hasPrefix("/") || rest.hasPrefix("~/"),
        rest.dropFirst().contains("/")
      else { return String(word) }
      return open + (rest.split(separator: "/").last.map(String.init) ?? "")
    }.joined(separator: " ")
  }

  private static func isOfMachine(_ path: String) -> Bool {
    path.hasPrefix("/") || path.hasPrefix("~") || path.hasPrefix("../")
  }
}
