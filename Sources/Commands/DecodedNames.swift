import Datasets
import Foundation
import Imaging

/// File names for decoded images: safe, distinct, and the same every time.
///
/// A name is the recorded path, made safe (`SafeName`), with the new ending in place of .png, .jpg or
/// .jpeg. Where several images would get one name (`a.png` and `a.jpg`), each keeps its old ending
/// before the new one (`a.png.png`, `a.jpg.png`); what still collides, also with a folder's name, gets
/// `-2`, `-3` and so on. Names that the file system holds for the same collide too. A name that would
/// become too long is shortened; an image whose path is too long for the system gets none.
struct DecodedNames {
  /// The names, in the order of the paths, with `/` between folders; nil for an image that cannot have
  /// one.
  let names: [String?]

  /// What a file system allows.
  struct Limits {
    /// Bytes of a name.
    var name = 255
    /// Bytes of a path below the output folder.
    var path = 4000

    /// What the file system of a folder allows below it.
    init(of folder: String) {
      let name = pathconf(folder, Int32(_PC_NAME_MAX))
      if name > 16 { self.name = min(255, Int(name)) }
      // 4096 with a zero behind; a partial file's ending must have room.
      path = max(0, 4095 - folder.utf8.count - 1 - "..partial".utf8.count)
    }

    /// The usual ones.
    init() {}
  }

  /// Names decoded images.
  init(
    paths: [String], format: ImageFormat, folding: NameFolding = .none, limits: Limits = Limits()
  ) {
    let safe = paths.enumerated().map { index, path -> String? in
      // Far beyond what fits: not worth a look at each folder.
      guard path.utf8.count <= limits.path * 4 else { return nil }
      let name = SafeName.of(path, longest: limits.name) ?? "image-\(index + 1)"
      return name.utf8.count <= limits.path && SafeName.staysInside(name) ? name : nil
    }
    var taken: Set<[UInt8]> = []
    for path in safe.compactMap(\.self) {
      var folder = path[...]
      while let slash = folder.utf8.lastIndex(of: Self.slash) {
        folder = folder[..<slash]
        guard taken.insert(folding.key(String(folder))).inserted else { break }
      }
    }
    let ending = "." + format.fileExtension
    var wishes: [[UInt8]: Int] = [:]
    for path in safe.compactMap(\.self) {
      wishes[folding.key(Self.withoutEnding(path)), default: 0] += 1
    }
    // Where to continue counting, so that many images of one name take no longer than others.
    var numbers: [[UInt8]: Int] = [:]
    names = safe.map { path in
      guard let path else { return nil }
      let short = Self.withoutEnding(path)
      let stem = wishes[folding.key(short)] == 1 ? short : path
      var name = Self.join(stem, ending, limits.name)
      let key = folding.key(stem)
      while !taken.insert(folding.key(name)).inserted {
        let number = numbers[key, default: 2]
        numbers[key] = number + 1
        name = Self.join(stem, "-\(number)\(ending)", limits.name)
      }
      return name.utf8.count <= limits.path ? name : nil
    }
  }

  /// The stem with something behind it, its last component as short as that takes.
  private static func join(_ stem: String, _ ending: String, _ longest: Int) -> String {
    let start = start(of: stem)
    let name = SafeName.shortened(String(stem[start...]), to: longest - ending.utf8.count)
    return stem[..<start] + name + ending
  }

  private static let slash = UInt8(ascii: "/")

  /// Where the last component begins.
  private static func start(of path: String) -> String.Index {
    path.utf8.lastIndex(of: slash).map(path.utf8.index(after:)) ?? path.startIndex
  }

  private static func withoutEnding(_ path: String) -> String {
    let start = start(of: path)
    guard let dot = path[start...].lastIndex(of: "."), dot > start,
      ImageFolder.endings.contains(path[path.index(after: dot)...].lowercased())
    else { return path }
    return String(path[..<dot])
  }
}
