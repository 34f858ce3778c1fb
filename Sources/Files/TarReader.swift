/// A regular file in a tar archive: its path, and where its bytes are.
public struct TarMember: Sendable, Equatable {
  /// The path as it is stored; usually UTF-8.
  public let path: [UInt8]
  /// Where its bytes begin in the archive.
  public let offset: Int
  /// How many they are.
  public let byteCount: Int

  /// The path as text, for messages.
  public var name: String { String(decoding: path, as: UTF8.self) }
}

/// Why a tar archive cannot be walked.
public enum TarError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The archive cannot be read.
  case file(FileError)
  /// The first block is no header.
  case notAnArchive(path: String)
  /// A later block should be a header and is none.
  case damaged(path: String, offset: Int)
  /// The archive ends inside a header, or inside a member.
  case cutShort(path: String, member: String?, offset: Int)
  /// A member is stored in a way that has its bytes in pieces.
  case sparse(path: String, member: String)

  /// What was expected, what was found, and what to do.
  public var description: String {
    switch self {
    case .file(let error): error.description
    case .notAnArchive(let path):
      "\(path): expected a tar archive, found something else. Check the path."
    case .damaged(let path, let offset):
      "\(path): expected the header of a member at byte \(offset), found something else: the archive is "
        + "damaged. Copy or download it again, or leave it out."
    case .cutShort(let path, let member, let offset):
      "\(path): it ends at byte \(offset), inside "
        + (member.map { "the member \($0)" } ?? "a header")
        + ": it was cut short. Copy or download it again, or leave it out."
    case .sparse(let path, let member):
      "\(path): the member \(member) is stored as a sparse file, which cannot be read. Pack it again "
        + "without --sparse."
    }
  }
}

/// Walks the members of a tar archive from header to header; what lies between is not read.
///
/// Reads ustar, with sizes in octal or base 256, PAX headers (`path` and `size`, of one member or of
/// all) and the long names of GNU tar. Folders, links and devices are passed over. The archive ends
/// with two blocks of zeros or with the file.
///
/// Format: https://www.gnu.org/software/tar/manual/html_node/Standard.html and POSIX `pax`.
public struct TarReader {
  /// How many links were passed over: files of which the archive has no bytes.
  public private(set) var linkCount = 0

  private let file: ReadableFile
  /// Where the next header is.
  private var position = 0
  /// Bytes that were read last: a header with what PAX puts before it.
  private var window: [UInt8] = []
  /// Where they begin.
  private var windowStart = 0
  /// What a PAX header says of all members that follow.
  private var common = Extended()
  /// What PAX headers or long names say of the next member.
  private var next = Extended()

  private static let blockSize = 512
  private static let windowSize = 4096
  /// No list of attributes is longer.
  private static let longestAttributes = 1 << 20

  /// What is said of a member before its header.
  private struct Extended {
    var path: [UInt8]?
    var size: Int?
  }

  /// Begins at the start of a file.
  public init(_ file: ReadableFile) { self.file = file }

  /// The next regular file; nil at the end.
  public mutating func nextMember() throws(TarError) -> TarMember? {
    while let header = try nextHeader() {
      let start = position + Self.blockSize
      let path = next.path ?? common.path ?? header.path
      var size = next.size ?? common.size ?? header.size
      switch header.kind {
      case UInt8(ascii: "L"), UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "K"):
        size = header.size
        let attributes = try attributes(size, at: start, header)
        switch header.kind {
        case UInt8(ascii: "L"): next.path = Array(attributes.prefix { $0 != 0 })
        case UInt8(ascii: "x"): try read(attributes, into: &next)
        case UInt8(ascii: "g"): try read(attributes, into: &common)
        default: break
        }
      case UInt8(ascii: "1"), UInt8(ascii: "2"):
        linkCount += 1
        (size, next) = (0, Extended())
      case UInt8(ascii: "3")...UInt8(ascii: "6"): (size, next) = (0, Extended())
      case UInt8(ascii: "S"):
        throw .sparse(path: file.path, member: String(decoding: path, as: UTF8.self))
      case 0, UInt8(ascii: "0"), UInt8(ascii: "7"):
        next = Extended()
        try skip(size, from: start, String(decoding: path, as: UTF8.self))
        // The archives of old wrote folders so.
        if path.last == UInt8(ascii: "/") { continue }
        return TarMember(path: path, offset: start, byteCount: size)
      default: next = Extended()
      }
      try skip(size, from: start, nil)
    }
    // Names and sizes come before what they are of.
    if next.path != nil || next.size != nil {
      throw .cutShort(path: file.path, member: nil, offset: file.byteCount)
    }
    return nil
  }

  // MARK: Headers

  private struct Header {
    let path: [UInt8]
    let size: Int
    let kind: UInt8
  }

  /// The header at the position, past single blocks of zeros; nil at the end.
  private mutating func nextHeader() throws(TarError) -> Header? {
    var zeros = 0
    while position < file.byteCount {
      guard position + Self.blockSize <= file.byteCount else {
        if position == 0 { throw .notAnArchive(path: file.path) }
        throw .cutShort(path: file.path, member: nil, offset: file.byteCount)
      }
      let block = try bytes(Self.blockSize, at: position)
      guard block.allSatisfy({ $0 == 0 }) else {
        guard let header = Self.header(block) else {
          throw position == 0
            ? .notAnArchive(path: file.path) : .damaged(path: file.path, offset: position)
        }
        return header
      }
      position += Self.blockSize
      zeros += 1
      if zeros == 2 { return nil }
    }
    return nil
  }

  /// Reads a header block; nil where its checksum says that it is none.
  private static func header(_ block: ArraySlice<UInt8>) -> Header? {
    let start = block.startIndex
    func field(_ range: Range<Int>) -> ArraySlice<UInt8> {
      block[start + range.lowerBound..<start + range.upperBound]
    }
    // The sum is taken with blanks in its own place.
    let sum = block.reduce(0) { $0 + Int($1) } - field(148..<156).reduce(0) { $0 + Int($1) } + 256
    guard number(field(148..<156)) == sum, let size = number(field(124..<136)) else { return nil }
    var path = Array(field(0..<100).prefix { $0 != 0 })
    // GNU tar, whose magic ends in blanks, has times in the place of the prefix.
    if field(257..<263).elementsEqual(Array("ustar\0".utf8)) {
      let prefix = field(345..<500).prefix { $0 != 0 }
      if !prefix.isEmpty { path = Array(prefix) + [UInt8(ascii: "/")] + path }
    }
    return Header(path: path, size: size, kind: block[start + 156])
  }

  /// A number of a header: octal digits, or base 256 where the first bit is set.
  private static func number(_ field: ArraySlice<UInt8>) -> Int? {
    if field.first == 0x80 {
      let significant = field.dropFirst().drop { $0 == 0 }
      guard significant.count < 8 else { return nil }
      return significant.reduce(0) { $0 << 8 | Int($1) }
    }
    let text = field.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
    guard text.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }) else {
      return nil
    }
    return text.reduce(0) { $0 << 3 | Int($1 - UInt8(ascii: "0")) }
  }

  // MARK: Attributes

  private mutating func attributes(
    _ size: Int, at start: Int, _ header: Header
  ) throws(TarError) -> ArraySlice<UInt8> {
    guard size <= Self.longestAttributes else {
      throw .damaged(path: file.path, offset: position)
    }
    guard size <= file.byteCount - start else {
      throw .cutShort(path: file.path, member: nil, offset: file.byteCount)
    }
    return try bytes(size, at: start)
  }

  /// Takes path and size from records such as `30 path=a/long/name.jpg`, each with its length before it.
  private func read(
    _ records: ArraySlice<UInt8>, into extended: inout Extended
  ) throws(TarError) {
    var rest = records.prefix { $0 != 0 }
    while !rest.isEmpty {
      let digits = rest.prefix { $0 != UInt8(ascii: " ") }
      guard let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 1,
        length <= rest.count
      else { throw .damaged(path: file.path, offset: position) }
      let record = rest.prefix(length).dropFirst(digits.count + 1).dropLast()
      rest = rest.dropFirst(length)
      guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { continue }
      let value = record[record.index(after: equals)...]
      switch String(decoding: record[..<equals], as: UTF8.self) {
      case "path": extended.path = Array(value)
      case "size":
        guard let size = Int(String(decoding: value, as: UTF8.self)), size >= 0 else {
          throw .damaged(path: file.path, offset: position)
        }
        extended.size = size
      default: break
      }
    }
  }

  // MARK: Bytes

  /// Goes on behind the data of a member, which fill whole blocks.
  private mutating func skip(
    _ size: Int, from start: Int, _ member: String?
  ) throws(TarError) {
    let room = file.byteCount - start
    // The room is compared first: what a header says may be anything.
    guard size <= room, size.roundedUp(to: Self.blockSize) <= room else {
      throw .cutShort(path: file.path, member: member, offset: file.byteCount)
    }
    position = start + size.roundedUp(to: Self.blockSize)
  }

  /// Some bytes, of the window if it has them.
  private mutating func bytes(_ count: Int, at offset: Int) throws(TarError) -> ArraySlice<UInt8> {
    if offset < windowStart || offset + count > windowStart + window.count {
      let end = min(file.byteCount, offset + max(count, Self.windowSize))
      do { window = try file.bytes(offset..<end) } catch { throw .file(error) }
      windowStart = offset
    }
    return window[offset - windowStart..<offset - windowStart + count]
  }
}

extension Int {
  /// The least multiple that is no smaller.
  fileprivate func roundedUp(to multiple: Int) -> Int {
    (self + multiple - 1) / multiple * multiple
  }
}
