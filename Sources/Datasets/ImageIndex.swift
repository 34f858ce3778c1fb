import Files

/// What is known of the images of a source from their headers, so that a later run need not read them again.
///
/// Of each image: the size of its file, when that was changed, a hash of its first 4 KiB, and its extent in
/// pixels; 32 bytes and its name. An image whose file has another size or time is read again. If its first
/// bytes or its size differ, it has changed.
public struct ImageIndex: Sendable, Equatable {
  /// What is known of an image.
  struct Entry: Sendable, Equatable {
    let byteCount: Int
    let modified: Int
    /// The hash of the first bytes.
    let head: UInt64
    let width: Int32
    /// The rows; negative where pixels may be transparent.
    let signedHeight: Int32

    var height: Int { Int(signedHeight.magnitude) }
    var hasTransparency: Bool { signedHeight < 0 }
    var version: FileVersion { FileVersion(byteCount: byteCount, modified: modified) }

    /// Whether an image with other times may be the same.
    func hasContents(of other: Entry) -> Bool {
      (byteCount, head) == (other.byteCount, other.head)
    }
  }

  /// The images' names, in the order of their bytes.
  let names: Names
  /// One for each name.
  let entries: [Entry]

  /// The names, in memory of one piece.
  struct Names: Sendable, Equatable {
    var bytes: [UInt8] = []
    /// Where each ends.
    var ends: [Int] = []

    subscript(index: Int) -> ArraySlice<UInt8> {
      bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
    }
  }

  /// The index of images by their names, in the order of their bytes.
  init(files: [String], entries: [Entry]) {
    precondition(files.count == entries.count, "an entry for each image")
    self.entries = entries
    var names = Names()
    names.ends.reserveCapacity(files.count)
    for file in files {
      names.bytes += file.utf8
      names.ends.append(names.bytes.count)
    }
    self.names = names
  }

  /// How many images it knows.
  public var count: Int { entries.count }

  /// What is known of images of these names, which are in the order of their bytes.
  func entries(for files: [String]) -> [Entry?] {
    var place = 0
    return files.map { file in
      let name = file.utf8
      while place < count, names[place].lexicographicallyPrecedes(name) { place += 1 }
      guard place < count, names[place].elementsEqual(name) else { return nil }
      return entries[place]
    }
  }
}

// MARK: - As a file

extension ImageIndex {
  private static let magic = Array("tessera-images-1".utf8)
  private static let entrySize = 32

  /// Reads an index; nil where there is none, or it is damaged or of another version: it can be made again.
  public init?(path: String) {
    guard let bytes = try? ReadableFile.contents(of: path), bytes.count >= 32,
      bytes.starts(with: Self.magic)
    else { return nil }
    let read = bytes.withUnsafeBytes { bytes -> ImageIndex? in
      func number(_ place: Int) -> Int {
        Int(
          truncatingIfNeeded: UInt64(
            littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
      }
      let end = bytes.count - 8
      guard
        Fingerprint.hash(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
          == UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: end, as: UInt64.self))
      else { return nil }
      let count = number(16)
      // The sum is no proof: whoever made the file may have made that too.
      guard (0...(end - 24) / (Self.entrySize + 8)).contains(count) else { return nil }
      var place = 24
      var entries: [Entry] = []
      entries.reserveCapacity(count)
      for _ in 0..<count {
        entries.append(
          Entry(
            byteCount: number(place), modified: number(place + 8),
            head: UInt64(bitPattern: Int64(number(place + 16))),
            width: Int32(truncatingIfNeeded: number(place + 24) & 0xFFFF_FFFF),
            signedHeight: Int32(truncatingIfNeeded: number(place + 24) >> 32)))
        place += Self.entrySize
      }
      var names = Names()
      names.ends.reserveCapacity(count)
      for _ in 0..<count {
        names.ends.append(number(place))
        place += 8
      }
      names.bytes = Array(bytes[place..<end])
      guard zip([0] + names.ends, names.ends).allSatisfy({ $0 <= $1 }),
        names.ends.last ?? 0 == names.bytes.count
      else { return nil }
      return ImageIndex(names: names, entries: entries)
    }
    guard let read else { return nil }
    self = read
  }

  private init(names: Names, entries: [Entry]) {
    (self.names, self.entries) = (names, entries)
  }

  /// Writes the index; it may be lost with the machine's power, since it can be made again.
  public func write(to path: String) throws(FileError) {
    let file = try AtomicFile(path: path, isDurable: false)
    var sum = Fingerprint.Stream()
    var block: [UInt8] = []
    func put(_ number: Int) {
      withUnsafeBytes(of: UInt64(bitPattern: Int64(number)).littleEndian) { block += $0 }
    }
    func flush(_ least: Int) throws(FileError) {
      guard block.count >= least else { return }
      block.withUnsafeBytes { sum.add($0) }
      try file.append(block)
      block.removeAll(keepingCapacity: true)
    }
    block += Self.magic
    put(count)
    for entry in entries {
      put(entry.byteCount)
      put(entry.modified)
      put(Int(Int64(bitPattern: entry.head)))
      put(Int(UInt32(bitPattern: entry.width)) | Int(entry.signedHeight) << 32)
      try flush(1 << 16)
    }
    for end in names.ends {
      put(end)
      try flush(1 << 16)
    }
    try flush(0)
    names.bytes.withUnsafeBytes { sum.add($0) }
    try file.append(names.bytes)
    put(Int(Int64(bitPattern: sum.value)))
    try file.append(block)
    try file.finish()
  }
}
