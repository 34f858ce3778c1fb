import Files
import Foundation

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
      if PieceName.exists(new.data) { try rename(new.data, to: old.data) }
    }
    guard let description = new.sidecar, let sidecar = old.sidecar else {
      do { try place() } catch { throw .file(error) }
      return
    }
    guard PieceName.exists(description) else { return }
    let file: AtomicFile
    do {
      file = try AtomicFile(path: sidecar)
      try file.append(ReadableFile.contents(of: description))
      try file.sync()
    } catch { throw .file(error) }
    try FlatPair(sidecar: sidecar).replace(old.data, with: file, placing: place)
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
