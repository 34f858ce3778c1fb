import Files
import Foundation

/// The names of a token file, of its sidecar, and of its numbered shards.
///
/// `tokens.safetensors`; `tokens.npy` + `tokens.json`; `tokens-00001.safetensors`, ...
struct PieceName: Equatable {
  /// The path without its extension.
  let stem: String
  let format: TokenFormat

  init(stem: String, format: TokenFormat) {
    self.stem = stem
    self.format = format
  }

  /// The name to write to: the format's extension is added where there is none of ours.
  init(output path: String, format: TokenFormat) throws(TokenFileError) {
    guard !path.isEmpty, !path.hasSuffix("/") else {
      throw .output(path: path, reason: "it names no file. Name one, such as tokens.\(format)")
    }
    let named = TokenFormat(path: path)
    if let named, named != format {
      throw .output(
        path: path,
        reason: "its name says \(named) but the format asked for is \(format). Change one of them")
    }
    self.init(stem: named == nil ? path : Self.withoutExtension(path), format: format)
  }

  /// The file with the ids.
  var data: String { "\(stem).\(format.rawValue)" }

  /// The JSON file beside it, where the format needs one.
  var sidecar: String? { format == .safetensors ? nil : stem + ".json" }

  /// All its files, in the order in which they are written.
  var files: [String] { [data] + (sidecar.map { [$0] } ?? []) }

  /// The name under which shards are collected that are to replace those of this name.
  var staged: PieceName { PieceName(stem: stem + ".new", format: format) }

  /// Where it says that shards are about to be replaced; see `PieceSwap`.
  var swapNote: String { "\(stem).\(format.rawValue).swap" }

  /// The lock file against two writers of one output.
  var lockFile: String { stem + ".lock" }

  /// Removes its files, the one that seals it first.
  func remove() throws(TokenFileError) {
    for file in files.reversed() where unlink(file) != 0 && errno != ENOENT {
      throw .file(FileError(.write, file, .system(errno)))
    }
  }

  /// The file written last: if it exists, the shard is finished.
  var seal: String { sidecar ?? data }

  /// The name of one of several shards, counted from 1.
  func numbered(_ number: Int) -> PieceName {
    let digits = String(number)
    let zeros = String(repeating: "0", count: max(0, 5 - digits.count))
    return PieceName(stem: "\(stem)-\(zeros)\(digits)", format: format)
  }

  /// The numbers of the finished shards of this name, in ascending order.
  func finishedNumbers() -> [Int] {
    let slash = stem.lastIndex(of: "/")
    let folder = slash.map { $0 == stem.startIndex ? "/" : String(stem[..<$0]) } ?? "."
    let prefix = String(slash.map { stem[stem.index(after: $0)...] } ?? stem[...]) + "-"
    let suffix = sidecar == nil ? ".safetensors" : ".json"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix(prefix), name.hasSuffix(suffix),
        name.count > prefix.count + suffix.count
      else { return nil }
      let number = Self.number(name.dropFirst(prefix.count).dropLast(suffix.count))
      // A sidecar of the same name may belong to the other format.
      guard let number, Self.exists(numbered(number).data) else { return nil }
      return number
    }.sorted()
  }

  /// The name that this is a numbered shard of, with its number.
  var whole: (name: PieceName, number: Int)? {
    guard let dash = stem.lastIndex(of: "-"),
      let number = Self.number(stem[stem.index(after: dash)...])
    else { return nil }
    return (PieceName(stem: String(stem[..<dash]), format: format), number)
  }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func withoutExtension(_ path: String) -> String {
    guard let dot = path.lastIndex(of: ".") else { return path }
    return String(path[..<dot])
  }

  private static func number(_ digits: some StringProtocol) -> Int? {
    guard digits.utf8.count >= 5, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int(digits), number > 0
    else { return nil }
    return number
  }
}
