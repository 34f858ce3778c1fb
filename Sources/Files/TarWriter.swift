/// Writes a tar archive that appears whole or not at all.
///
/// Members are regular files of nobody in particular, without a time, so that equal members make equal
/// archives. Names beyond the 100 bytes of ustar get a PAX header.
public final class TarWriter {
  /// The archive.
  public var path: String { file.path }

  private let file: AtomicFile

  private static let blockSize = 512
  private static let nameSize = 100

  /// Begins an archive; the folder must exist.
  public init(path: String) throws(FileError) { file = try AtomicFile(path: path) }

  /// Adds a regular file.
  public func append(_ name: String, _ bytes: [UInt8]) throws(FileError) {
    let path = Array(name.utf8)
    if path.count > Self.nameSize {
      let record = Self.record("path", path)
      try append(header(Array("././@PaxHeader".utf8), record.count, kind: "x"))
      try appendPadded(record)
    }
    try append(header(Array(path.prefix(Self.nameSize)), bytes.count, kind: "0"))
    try appendPadded(bytes)
  }

  /// Ends the archive and puts it in its place.
  public func finish() throws(FileError) {
    try append([UInt8](repeating: 0, count: 2 * Self.blockSize))
    try file.finish()
  }

  /// Gives up and leaves nothing behind.
  public func cancel() { file.cancel() }

  private func append(_ bytes: [UInt8]) throws(FileError) { try file.append(bytes) }

  private func appendPadded(_ bytes: [UInt8]) throws(FileError) {
    try append(bytes)
    let rest = bytes.count % Self.blockSize
    if rest > 0 { try append([UInt8](repeating: 0, count: Self.blockSize - rest)) }
  }

  private func header(_ name: [UInt8], _ size: Int, kind: Unicode.Scalar) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: Self.blockSize)
    func put(_ bytes: some Sequence<UInt8>, at place: Int) {
      for (index, byte) in bytes.enumerated() { block[place + index] = byte }
    }
    put(name, at: 0)
    put("0000644".utf8, at: 100)
    put("0000000".utf8, at: 108)
    put("0000000".utf8, at: 116)
    put(Self.octal(size, digits: 11).utf8, at: 124)
    put("00000000000".utf8, at: 136)
    put("        ".utf8, at: 148)
    block[156] = UInt8(ascii: kind)
    put("ustar\u{0}00".utf8, at: 257)
    let sum = block.reduce(0) { $0 + Int($1) }
    put((Self.octal(sum, digits: 6) + "\u{0} ").utf8, at: 148)
    return block
  }

  private static func octal(_ number: Int, digits: Int) -> String {
    let text = String(number, radix: 8)
    return String(repeating: "0", count: digits - text.count) + text
  }

  /// A record of a PAX header, with its own length before it.
  private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
    let rest = Array(" \(key)=".utf8) + value + [UInt8(ascii: "\n")]
    var length = rest.count
    while String(length).utf8.count + rest.count != length {
      length = String(length).utf8.count + rest.count
    }
    return Array(String(length).utf8) + rest
  }
}
