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

    /// What stands for an image of which nothing is known.
    static let none = Entry(byteCount: 0, modified: 0, head: 0, width: 0, signedHeight: 0)

    /// Whether nothing is known; no image is without pixels.
    var isNone: Bool { width == 0 }
    var height: Int { Int(signedHeight.magnitude) }
    var hasTransparency: Bool { signedHeight < 0 }
    var version: FileVersion { FileVersion(byteCount: byteCount, modified: modified) }

    /// Whether an image with other times may be the same.
    func hasContents(of other: Entry) -> Bool {
      (byteCount, head) == (other.byteCount, other.head)
    }
  }

  /// The images' names, in the order of their bytes.
  let names: NameList
  /// One for each name.
  let entries: [Entry]

  /// The index of images by their names, in the order of their bytes.
  init(files: NameList, entries: [Entry]) {
    precondition(files.count == entries.count, "an entry for each image")
    (names, self.entries) = (files, entries)
  }

  /// How many images it knows.
  public var count: Int { entries.count }

  /// The places of images of these names, which are in the order of their bytes; -1 where one is not known.
  func places(for files: NameList) -> [Int32] {
    var place = 0
    return files.indices.map { index in
      files.withUTF8(index) { name in
        while place < count {
          let sign = names.compare(place, toUTF8: name)
          if sign == 0 { return Int32(place) }
          if sign > 0 { return -1 }
          place += 1
        }
        return -1
      }
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
      var ends: [Int] = []
      ends.reserveCapacity(count)
      for _ in 0..<count {
        ends.append(number(place))
        place += 8
      }
      guard zip([0] + ends, ends).allSatisfy({ $0 <= $1 }), ends.last ?? 0 == end - place else {
        return nil
      }
      return ImageIndex(
        files: NameList(bytes: Array(bytes[place..<end]), ends: ends), entries: entries)
    }
    guard let read else { return nil }
    self = read
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
    let (bytes, ends) = names.storage
    for end in ends {
      put(end)
      try flush(1 << 16)
    }
    try flush(0)
    bytes.withUnsafeBytes { sum.add($0) }
    try file.append(bytes)
    put(Int(Int64(bitPattern: sum.value)))
    try file.append(block)
    try file.finish()
  }
}
