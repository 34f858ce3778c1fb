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

/// A recorded path as one that may be written below a folder, wherever that folder lies.
///
/// What leads out of the folder is dropped: empty components, `.` and `..`, also in characters that
/// look like them (`․․`, `‥`). Control characters, marks of direction and line separators are removed
/// before a component is judged. `\` and `:`, which divide names elsewhere, become `_`; full stops and
/// spaces at the end of a component go, as Windows drops them; names of Windows' devices (`CON`, `nul.png`)
/// get a `_` in front. Every component is at most as long as a name may be.
enum SafeName {
  /// The safe path; nil where nothing is left.
  static func of(_ path: String, longest: Int) -> String? {
    let parts = path.unicodeScalars.split(separator: "/").compactMap { part -> String? in
      var kept = String.UnicodeScalarView()
      for scalar in part where !isRemoved(scalar) {
        kept.append(scalar == "\\" || scalar == ":" ? "_" : scalar)
      }
      guard !kept.allSatisfy(isNothing) else { return nil }
      while let last = kept.last, last == "." || last == " " { kept.removeLast() }
      if kept.isEmpty { return nil }
      let name = String(kept)
      return shortened(isDevice(name) ? "_" + name : name, to: longest)
    }
    return parts.isEmpty ? nil : parts.joined(separator: "/")
  }

  /// The text cut to so many bytes, between two characters.
  static func shortened(_ text: String, to count: Int) -> String {
    guard text.utf8.count > count else { return text }
    var length = 0
    let kept = text.prefix { character in
      length += character.utf8.count
      return length <= count
    }
    return String(kept)
  }

  /// Whether a path stays below the folder that it is joined to.
  static func staysInside(_ path: String) -> Bool {
    !path.isEmpty && !path.utf8.contains(0)
      && path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy
      {
        !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8)
      }
  }

  /// The full stop, leaders of one to three dots, and their small, full-width and vertical forms.
  private static let dots: Set<Unicode.Scalar> = [
    ".", "\u{2024}", "\u{2025}", "\u{2026}", "\u{FE19}", "\u{FE30}", "\u{FE52}", "\u{FF0E}",
  ]

  /// What makes no name by itself: dots, spaces, and what some file systems pass over.
  private static func isNothing(_ scalar: Unicode.Scalar) -> Bool {
    dots.contains(scalar) || scalar.properties.isWhitespace
      || scalar.properties.isDefaultIgnorableCodePoint
  }

  private static func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1F, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
    default: false
    }
  }

  private static func isDevice(_ name: String) -> Bool {
    let stem = name.prefix { $0 != "." }.uppercased()
    if ["CON", "PRN", "AUX", "NUL"].contains(stem) { return true }
    guard stem.count == 4, stem.hasPrefix("COM") || stem.hasPrefix("LPT"), let digit = stem.last
    else { return false }
    return "123456789¹²³".contains(digit)
  }
}

/// Which names a file system holds for the same: those that differ in case only (exFAT, SMB, macOS),
/// or in how a letter is composed (macOS, some settings of ext4).
struct NameFolding: Equatable {
  /// Whether `a.png` and `A.png` are one file.
  var ignoresCase: Bool
  /// Whether é as one character and é as e and an accent are one name.
  var ignoresSpelling: Bool

  /// As Linux does: names are bytes.
  static let none = NameFolding(ignoresCase: false, ignoresSpelling: false)

  init(ignoresCase: Bool, ignoresSpelling: Bool) {
    self.ignoresCase = ignoresCase
    self.ignoresSpelling = ignoresSpelling
  }

  /// Asks the file system of a folder, by a file that is made there for a moment.
  init(probing folder: String) {
    let stem = "/.probe-\(getpid())-"
    let name = folder + stem + "\u{E9}"
    let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      self = .none
      return
    }
    close(descriptor)
    ignoresCase = access(folder + stem.uppercased() + "\u{E9}", F_OK) == 0
    ignoresSpelling = access(folder + stem + "e\u{301}", F_OK) == 0
    unlink(name)
  }

  /// The bytes that two names have in common which the file system may confuse.
  func key(_ name: String) -> [UInt8] {
    guard ignoresCase || ignoresSpelling else { return Array(name.utf8) }
    if name.utf8.allSatisfy({ $0 < 0x80 }) {
      return ignoresCase
        ? name.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 } : Array(name.utf8)
    }
    // Upper case first: some letters have one capital and two small forms.
    let folded = ignoresCase ? name.uppercased().lowercased() : name
    return Array((ignoresSpelling ? folded.decomposedStringWithCanonicalMapping : folded).utf8)
  }
}
