import Files

/// The entries of a zip archive that are stored as they are: what `torch.save` writes.
///
/// Opening reads the directory alone. Compressed and encrypted entries, such as the code of TorchScript, cannot be
/// read: nothing is ever unpacked, so that no entry is larger than the file.
struct ZipArchive: Sendable {
  /// One file within the archive.
  struct Entry: Sendable, Equatable {
    /// Its path in the archive.
    let name: String
    /// How many bytes it has.
    let byteCount: Int
    /// Why its bytes are not those of the file, if they are not.
    fileprivate let coding: String?
    /// Where its local header stands.
    fileprivate let header: Int
  }

  /// By their names.
  let entries: [String: Entry]

  private let file: ReadableFile

  /// The beginning of every zip archive that has an entry.
  static let signature: [UInt8] = [0x50, 0x4B, 0x03, 0x04]

  /// Reads the directory at the end of a file.
  init(_ file: ReadableFile) throws(TorchFileError) {
    self.file = file
    let directory = try Self.directory(of: file)
    var entries: [String: Entry] = [:]
    var place = 0
    for _ in 0..<directory.count {
      let bytes = directory.bytes
      guard bytes.count - place >= 46, bytes.word(place) == 0x0201_4B50 else {
        throw .damaged(file.path, "its directory ends after \(entries.count) entries")
      }
      let flags = bytes.short(place + 8)
      let method = bytes.short(place + 10)
      let lengths = [28, 30, 32].map { Int(bytes.short(place + $0)) }
      let end = place + 46 + lengths.reduce(0, +)
      guard end <= bytes.count else {
        throw .damaged(file.path, "an entry of its directory is cut short")
      }
      let name = String(decoding: bytes[(place + 46)..<(place + 46 + lengths[0])], as: UTF8.self)
      var numbers = [24, 20, 42].map { UInt64(bytes.word(place + $0)) }
      // Sizes beyond 32 bits stand in an extra field, those alone that do not fit.
      var extra = place + 46 + lengths[0]
      while extra + 4 <= place + 46 + lengths[0] + lengths[1] {
        let (kind, length) = (bytes.short(extra), Int(bytes.short(extra + 2)))
        if kind == 1 {
          var next = extra + 4
          for index in numbers.indices where numbers[index] == 0xFFFF_FFFF {
            guard next + 8 <= min(extra + 4 + length, end) else { break }
            numbers[index] = bytes.long(next)
            next += 8
          }
        }
        extra += 4 + length
      }
      let coding = flags & 1 != 0 ? "encrypted" : method != 0 ? "compressed" : nil
      guard coding != nil || numbers[0] == numbers[1],
        numbers.dropFirst().allSatisfy({ $0 <= UInt64(file.byteCount) })
      else {
        throw .damaged(file.path, "\"\(name)\" is said to be larger than the whole file")
      }
      let entry = Entry(
        name: name, byteCount: Int(numbers[1]), coding: coding, header: Int(numbers[2]))
      guard entries.updateValue(entry, forKey: name) == nil else {
        throw .damaged(file.path, "it has two entries \"\(name)\"")
      }
      place = end
    }
    self.entries = entries
  }

  /// Where the bytes of an entry begin in the file.
  func start(of entry: Entry) throws(TorchFileError) -> Int {
    if let coding = entry.coding {
      throw .damaged(
        file.path, "\"\(entry.name)\" is \(coding) in it; torch.save stores tensors as they are")
    }
    let header = try file.slice(entry.header, 30)
    guard header.word(0) == 0x0403_4B50 else {
      throw .damaged(file.path, "\"\(entry.name)\" is not where the directory says")
    }
    let start = entry.header + 30 + Int(header.short(26)) + Int(header.short(28))
    guard start + entry.byteCount <= file.byteCount else {
      throw .damaged(file.path, "\"\(entry.name)\" is cut short")
    }
    return start
  }

  /// All bytes of an entry.
  func bytes(of entry: Entry) throws(TorchFileError) -> [UInt8] {
    try file.slice(start(of: entry), entry.byteCount)
  }

  /// Finds the directory: its bytes, and how many entries it lists.
  private static func directory(
    of file: ReadableFile
  ) throws(TorchFileError) -> (bytes: [UInt8], count: Int) {
    let tailStart = max(0, file.byteCount - 65_557)
    let tail = try file.slice(tailStart, file.byteCount - tailStart)
    let found = stride(from: tail.count - 22, through: 0, by: -1).first {
      tail.word($0) == 0x0605_4B50
    }
    guard let found else {
      throw .damaged(file.path, "the directory at its end is missing: the file was cut short")
    }
    var count = UInt64(tail.short(found + 10))
    var size = UInt64(tail.word(found + 12))
    var offset = UInt64(tail.word(found + 16))
    if found >= 20, tail.word(found - 20) == 0x0706_4B50 {
      let place = tail.long(found - 12)
      guard place <= UInt64(max(0, file.byteCount - 56)) else {
        throw .damaged(file.path, "its 64-bit directory lies outside of it")
      }
      let record = try file.slice(Int(place), 56)
      guard record.word(0) == 0x0606_4B50 else {
        throw .damaged(file.path, "its 64-bit directory is not where it should be")
      }
      (count, size, offset) = (record.long(32), record.long(40), record.long(48))
    }
    let limit = UInt64(file.byteCount)
    guard offset <= limit, size <= limit - offset, count <= size / 46 else {
      throw .damaged(file.path, "its directory lies outside of it")
    }
    return (try file.slice(Int(offset), Int(size)), Int(count))
  }
}

extension ReadableFile {
  /// Some bytes from a place on.
  func slice(_ start: Int, _ count: Int) throws(TorchFileError) -> [UInt8] {
    guard start >= 0, count >= 0, start <= byteCount, count <= byteCount - start else {
      throw .damaged(path, "it ends before byte \(start) + \(count): it was cut short")
    }
    do { return try bytes(start..<start + count) } catch { throw .file(error) }
  }
}

extension [UInt8] {
  /// Two bytes, the least significant first.
  func short(_ place: Int) -> UInt16 { UInt16(self[place]) | UInt16(self[place + 1]) << 8 }
  /// Four bytes, the least significant first.
  func word(_ place: Int) -> UInt32 {
    UInt32(short(place)) | UInt32(short(place + 2)) << 16
  }
  /// Eight bytes, the least significant first.
  func long(_ place: Int) -> UInt64 {
    UInt64(word(place)) | UInt64(word(place + 4)) << 32
  }
}
