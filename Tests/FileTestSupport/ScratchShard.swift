import Foundation

/// A tar archive as other programs write them, header by header.
public struct ScratchShard {
  /// How a member with a long name or a size is written.
  public enum Manner: CaseIterable, Sendable {
    /// ustar with a prefix where it suffices, otherwise a PAX header.
    case ustar
    /// A PAX header before every member.
    case pax
    /// GNU tar: a member `L` before those with long names.
    case gnu
    /// Sizes in base 256.
    case base256
  }

  /// The bytes so far, without an end.
  public private(set) var bytes: [UInt8] = []
  private let manner: Manner

  /// Begins an archive.
  public init(_ manner: Manner = .ustar) { self.manner = manner }

  /// Adds a file.
  public mutating func add(_ name: String, _ content: [UInt8]) {
    let path = Array(name.utf8)
    switch manner {
    case .pax: addAttributes(["path": name, "size": String(content.count), "mtime": "1.25"])
    case .gnu where path.count > 100:
      addEntry(Array("././@LongLink".utf8), kind: "L", content: path + [0])
    case .ustar where path.count > 100, .base256 where path.count > 100:
      let slash = path.prefix(156).lastIndex(of: UInt8(ascii: "/"))
      if let slash, slash > 0, path.count - slash - 1 <= 100 {
        addEntry(
          Array(path[(slash + 1)...]), kind: "0", content: content, prefix: Array(path[..<slash]))
        return
      }
      addAttributes(["path": name])
    default: break
    }
    addEntry(Array(path.prefix(100)), kind: "0", content: content)
  }

  /// Adds a text file.
  public mutating func add(_ name: String, _ text: String) { add(name, Array(text.utf8)) }

  /// Adds a PAX header, for the next member or for all.
  public mutating func addAttributes(_ attributes: [String: String], isGlobal: Bool = false) {
    let records = attributes.sorted { $0.key < $1.key }.flatMap { key, value -> [UInt8] in
      let rest = " \(key)=\(value)\n"
      let length = (1...).first { String($0 + rest.utf8.count).count == $0 }!
      return Array((String(length + rest.utf8.count) + rest).utf8)
    }
    addEntry(Array("PaxHeaders/x".utf8), kind: isGlobal ? "g" : "x", content: records)
  }

  /// Adds any entry.
  public mutating func addEntry(
    _ name: [UInt8], kind: Unicode.Scalar, content: [UInt8] = [], prefix: [UInt8] = []
  ) {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ part: [UInt8], _ place: Int) {
      block.replaceSubrange(place..<place + part.count, with: part)
    }
    put(name, 0)
    put(Array("0000644".utf8), 100)
    let octal = String(content.count, radix: 8)
    if manner == .base256 {
      put(
        [0x80] + [UInt8](repeating: 0, count: 7)
          + (0..<4).map {
            UInt8(truncatingIfNeeded: content.count >> (24 - 8 * $0))
          }, 124)
    } else {
      put(Array((String(repeating: "0", count: 11 - octal.count) + octal).utf8), 124)
    }
    put(Array("        ".utf8), 148)
    put([UInt8(ascii: kind)], 156)
    put(Array((manner == .gnu ? "ustar  \0" : "ustar\u{0}00").utf8), 257)
    put(prefix, 345)
    let sum = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
    put(Array((String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8), 148)
    bytes += block + content
    bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
  }

  /// The whole archive: with its two blocks of zeros, and more of them as GNU tar fills its records.
  public var archive: [UInt8] { bytes + [UInt8](repeating: 0, count: 512 * 7) }
}
