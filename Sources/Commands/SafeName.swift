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
