import Files
import Foundation

// MARK: - Names

/// The names of a token file, of its sidecar, and of its numbered shards.
///
/// `tokens.safetensors`; `tokens.npy` + `tokens.npy.json`; `tokens-00001.safetensors`, ... Earlier versions
/// wrote `tokens.json` beside either `tokens.npy` or `tokens.bin`.
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
  var sidecar: String? { format == .safetensors ? nil : data + ".json" }

  /// The JSON file where earlier versions had it; one name for both formats.
  var earlierSidecar: String? { format == .safetensors ? nil : stem + ".json" }

  /// The JSON file where earlier versions had it, if there is one and it is of this format.
  var earlierDescription: String? {
    guard let path = earlierSidecar, Self.exists(path) else { return nil }
    if (try? RawTokenPiece.header(sidecar: path))?.storage == format { return path }
    return format == .npy && (try? LatentHeader(sidecar: path)) != nil ? path : nil
  }

  /// The index beside flat ids, where one is asked for; see `MegatronIndex`.
  var index: String { stem + ".idx" }

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
    let extra = [earlierDescription, MegatronIndex.found(beside: self)].compactMap(\.self)
    for file in extra + files.reversed() where unlink(file) != 0 && errno != ENOENT {
      throw .file(FileError(.write, file, .system(errno)))
    }
  }

  /// Whether all of it is there: what is written last is.
  var isFinished: Bool {
    guard let sidecar else { return Self.exists(data) }
    return Self.exists(sidecar) || earlierDescription != nil
  }

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
    let suffix = "." + format.rawValue
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix(prefix), name.hasSuffix(suffix),
        name.count > prefix.count + suffix.count
      else { return nil }
      let number = Self.number(name.dropFirst(prefix.count).dropLast(suffix.count))
      guard let number, numbered(number).isFinished else { return nil }
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

// MARK: - Replacing a set of shards

/// How a finished set of new shards takes the place of the old ones, so that at every moment one of
/// the two sets is there to be read as a whole.
///
/// New shards are written as `NAME.new-00001` and on, while the old ones stay. When the last one is
/// complete, a small file `NAME.FORMAT.swap` says how many there are: from then on the new set counts,
/// and a shard of it lies under its new name until it has been renamed over the old one. Then the
/// old shards beyond it go, and the small file last. Whoever comes upon that file after a kill
/// reads accordingly, and the next writer completes the swap.
struct PieceSwap {
  let name: PieceName
  /// How many shards the new set has.
  let count: Int

  private struct Note: Codable {
    var pieces: Int
  }

  /// The swap that was begun for a name and not ended; nil where there is none.
  init?(of name: PieceName) throws(TokenFileError) {
    guard PieceName.exists(name.swapNote) else { return nil }
    let bytes: [UInt8]
    do { bytes = try ReadableFile.contents(of: name.swapNote, limit: 1 << 16) } catch {
      throw .file(error)
    }
    guard let note = try? JSONDecoder().decode(Note.self, from: Data(bytes)), note.pieces > 0 else {
      throw .layout(path: name.swapNote, reason: "it does not say how many new shards there are")
    }
    self.name = name
    count = note.pieces
  }

  /// Begins a swap: from here on the new shards count.
  init(of name: PieceName, count: Int) throws {
    self.name = name
    self.count = count
    try AtomicFile.write(
      Array(try JSONEncoder().encode(Note(pieces: count))) + [0x0A], to: name.swapNote)
  }

  /// The new set's shards, each where it lies.
  var pieces: [PieceName] {
    (1...count).map { number in
      let new = name.staged.numbered(number)
      return PieceName.exists(new.data) ? new : name.numbered(number)
    }
  }

  /// Puts each new shard in its place, then removes what is left of the old ones.
  func finish() throws(TokenFileError) {
    for number in 1...count {
      try Self.move(name.staged.numbered(number), to: name.numbered(number))
    }
    for number in name.finishedNumbers().reversed() where number > count {
      try name.numbered(number).remove()
    }
    if PieceName.exists(name.data) { try name.remove() }
    guard unlink(name.swapNote) == 0 else {
      throw .file(FileError(.write, name.swapNote, .system(errno)))
    }
  }

  /// Puts one shard in its place.
  ///
  /// Of flat ids the description is rewritten beside its place, as for any other pair; what staged
  /// it goes last, so that a stopped move is made again.
  private static func move(_ new: PieceName, to old: PieceName) throws(TokenFileError) {
    func place() throws(FileError) {
      guard PieceName.exists(new.data) else { return }
      try MegatronIndex.puttingAside(of: old) { () throws(FileError) in
        try rename(new.data, to: old.data)
      }
    }
    guard let usual = new.sidecar, let sidecar = old.sidecar else {
      do { try place() } catch { throw .file(error) }
      return
    }
    let found = PieceName.exists(usual) ? usual : new.earlierDescription
    guard let description = found else { return }
    let file: AtomicFile
    do {
      file = try AtomicFile(path: sidecar)
      try file.append(ReadableFile.contents(of: description))
      try file.sync()
    } catch { throw .file(error) }
    try FlatPair(of: old).replace(old.data, with: file, placing: place)
    if PieceName.exists(new.index) {
      do { try rename(new.index, to: old.index) } catch { throw .file(error) }
    }
    guard unlink(description) == 0 else {
      throw .file(FileError(.write, description, .system(errno)))
    }
  }

  private static func rename(_ from: String, to path: String) throws(FileError) {
    guard SystemCalls.current.rename(from, path) == 0 else {
      throw FileError(.write, path, .system(errno))
    }
  }
}
