import Foundation

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
