import Datasets
import Imaging

/// File names for decoded images: safe, distinct, and the same every time.
///
/// A name is the recorded path with the new ending in place of .png, .jpg or .jpeg. It stays within
/// the output folder: empty components, `.` and `..` are left out. Where several images would get
/// one name (`a.png` and `a.jpg`), each keeps its old ending before the new one (`a.png.png`,
/// `a.jpg.png`); what still collides, also with a folder's name, gets `-2`, `-3` and so on.
struct DecodedNames {
  /// The names, in the order of the paths, with `/` between folders.
  let names: [String]

  /// Names decoded images.
  init(paths: [String], format: ImageFormat) {
    let safe = paths.enumerated().map { Self.safe($1) ?? "image-\($0 + 1)" }
    // Strings are compared as people read them, so that two spellings of one letter, which some file
    // systems hold for the same, collide here too.
    var taken: Set<String> = []
    for path in safe {
      var folder = path[...]
      while let slash = folder.lastIndex(of: "/") {
        folder = folder[..<slash]
        guard taken.insert(Self.key(String(folder))).inserted else { break }
      }
    }
    let ending = "." + format.fileExtension
    var wishes: [String: Int] = [:]
    for path in safe { wishes[Self.key(Self.withoutEnding(path)), default: 0] += 1 }
    names = safe.map { path in
      let short = Self.withoutEnding(path)
      let stem = wishes[Self.key(short)] == 1 ? short : path
      var (name, number) = (stem + ending, 2)
      while !taken.insert(Self.key(name)).inserted {
        name = "\(stem)-\(number)\(ending)"
        number += 1
      }
      return name
    }
  }

  /// The path without what would lead out of a folder; nil where nothing is left.
  private static func safe(_ path: String) -> String? {
    let parts = path.split(separator: "/").filter { $0 != "." && $0 != ".." }
      .map { $0.filter { $0 != "\0" } }.filter { !$0.isEmpty }
    return parts.isEmpty ? nil : parts.joined(separator: "/")
  }

  private static func withoutEnding(_ path: String) -> String {
    let start = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
    guard let dot = path[start...].lastIndex(of: "."), dot > start,
      ImageFolder.endings.contains(path[path.index(after: dot)...].lowercased())
    else { return path }
    return String(path[..<dot])
  }

  /// What two names that a file system may confuse have in common.
  private static func key(_ name: String) -> String {
    #if canImport(Darwin)
      name.lowercased()
    #else
      name
    #endif
  }
}
