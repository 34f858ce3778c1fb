#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Many names in memory of one piece: their UTF-8 bytes, and 8 bytes more for each.
///
/// A string of more than 15 bytes takes 80 bytes and more. Names differ if their bytes do: é composed and é
/// decomposed are two.
public struct NameList: Sendable, RandomAccessCollection {
  private var bytes: [UInt8] = []
  /// Where each ends.
  private var ends: [Int] = []
  /// Which of them the list has, in order; nil for all.
  private var chosen: [Int32]?

  /// No names.
  public init() {}

  /// The names of a sequence.
  public init(_ names: some Sequence<String>) {
    for name in names { append(name) }
  }

  /// Names that lie one behind the other, and where each ends.
  ///
  /// - Precondition: the ends do not fall, and the last is that of the bytes.
  public init(bytes: [UInt8], ends: [Int]) {
    precondition(ends.last ?? 0 == bytes.count, "the last name ends with the bytes")
    (self.bytes, self.ends) = (bytes, ends)
  }

  /// Places of names.
  public var startIndex: Int { 0 }
  /// How many there are.
  public var endIndex: Int { chosen?.count ?? ends.count }

  /// A name.
  public subscript(index: Int) -> String {
    withUTF8(index) { String(decoding: $0, as: UTF8.self) }
  }

  /// The bytes of a name, for as long as `body` runs.
  public func withUTF8<R, E: Error>(
    _ index: Int, _ body: (UnsafeBufferPointer<UInt8>) throws(E) -> R
  ) throws(E) -> R {
    let range = range(index)
    let result = bytes.withUnsafeBufferPointer { all in
      Result { () throws(E) in try body(UnsafeBufferPointer(rebasing: all[range])) }
    }
    return try result.get()
  }

  /// A copy of the bytes of a name.
  public func utf8(_ index: Int) -> [UInt8] { withUTF8(index) { Array($0) } }

  /// Adds a name.
  public mutating func append(_ name: String) { append(utf8: name.utf8) }

  /// Adds a name by its bytes, which are UTF-8.
  public mutating func append(utf8 name: some Sequence<UInt8>) {
    if chosen != nil { self = contiguous }
    bytes.append(contentsOf: name)
    ends.append(bytes.count)
  }

  /// Adds the names of another list.
  public mutating func append(contentsOf other: NameList) {
    for index in other.indices { other.withUTF8(index) { append(utf8: $0) } }
  }

  /// Makes room for so many more names of so many bytes.
  public mutating func reserveCapacity(_ names: Int, bytes count: Int) {
    ends.reserveCapacity(ends.count + names)
    bytes.reserveCapacity(bytes.count + count)
  }

  /// Some of the names, by their places; the bytes are shared.
  public func keeping(_ places: [Int32]) -> NameList {
    var list = self
    list.chosen = chosen.map { chosen in places.map { chosen[Int($0)] } } ?? places
    return list
  }

  /// A part of the names; the bytes are shared.
  public func keeping(_ range: Range<Int>) -> NameList {
    range == indices ? self : keeping(range.map { Int32($0) })
  }

  /// The same names, one behind the other.
  public var contiguous: NameList {
    guard chosen != nil else { return self }
    var list = NameList()
    list.reserveCapacity(count, bytes: indices.reduce(0) { $0 + range($1).count })
    list.append(contentsOf: self)
    return list
  }

  /// The bytes of all, one behind the other, and where each ends.
  public var storage: (bytes: [UInt8], ends: [Int]) {
    let list = contiguous
    return (list.bytes, list.ends)
  }

  private func range(_ index: Int) -> Range<Int> {
    let place = chosen.map { Int($0[index]) } ?? index
    return (place == 0 ? 0 : ends[place - 1])..<ends[place]
  }
}

// MARK: - Order

extension NameList {
  /// The places of the names in the order of their bytes; of equal names the first comes first.
  public var order: [Int32] {
    let places = indices.map { Int32($0) }
    if isSorted { return places }
    return bytes.withUnsafeBufferPointer { all in
      places.sorted { one, other in
        let sign = Self.compare(all, range(Int(one)), range(Int(other)))
        return sign < 0 || sign == 0 && one < other
      }
    }
  }

  /// Whether the names are in the order of their bytes.
  public var isSorted: Bool {
    bytes.withUnsafeBufferPointer { all in
      indices.dropFirst().allSatisfy { Self.compare(all, range($0 - 1), range($0)) <= 0 }
    }
  }

  /// The names in the order of their bytes.
  public func sorted() -> NameList { isSorted ? self : keeping(order).contiguous }

  /// Two places of one name, of all such the pair that ends first; nil where all differ.
  public var firstRepeated: (first: Int, second: Int)? {
    let order = order
    return bytes.withUnsafeBufferPointer { all in
      var found: (first: Int, second: Int)?
      for index in order.indices.dropFirst() {
        let (one, other) = (Int(order[index - 1]), Int(order[index]))
        guard Self.compare(all, range(one), range(other)) == 0 else { continue }
        if other < found?.second ?? .max { found = (one, other) }
      }
      return found
    }
  }

  /// The place of a name in a list in the order of bytes; nil where it is not there.
  public func place(of name: String) -> Int? {
    var name = name
    return name.withUTF8 { place(ofUTF8: $0) }
  }

  /// The place of a name by its bytes in a list in the order of bytes; nil where it is not there.
  public func place(ofUTF8 name: UnsafeBufferPointer<UInt8>) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      let sign = withUTF8(middle) { Self.compare($0, name) }
      if sign == 0 { return middle }
      if sign < 0 { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// Whether the names at two places are not the same.
  public func differ(_ one: Int, _ other: Int) -> Bool { compare(one, to: self, other) != 0 }

  /// Below 0 where a name comes before one of another list, above 0 where it comes behind it.
  func compare(_ index: Int, to other: NameList, _ place: Int) -> Int {
    withUTF8(index) { one in other.withUTF8(place) { Self.compare(one, $0) } }
  }

  /// Below 0 where a name comes before another one, above 0 where it comes behind it.
  public func compare(_ index: Int, toUTF8 other: UnsafeBufferPointer<UInt8>) -> Int {
    withUTF8(index) { Self.compare($0, other) }
  }

  private static func compare(
    _ all: UnsafeBufferPointer<UInt8>, _ one: Range<Int>, _ other: Range<Int>
  ) -> Int {
    compare(
      UnsafeBufferPointer(rebasing: all[one]), UnsafeBufferPointer(rebasing: all[other]))
  }

  private static func compare(
    _ one: UnsafeBufferPointer<UInt8>, _ other: UnsafeBufferPointer<UInt8>
  ) -> Int {
    let length = Swift.min(one.count, other.count)
    if length > 0, let a = one.baseAddress, let b = other.baseAddress {
      let sign = memcmp(a, b, length)
      if sign != 0 { return Int(sign) }
    }
    return one.count - other.count
  }
}

extension NameList: Equatable {
  /// Whether the names are the same, byte for byte.
  public static func == (one: NameList, other: NameList) -> Bool {
    one.count == other.count && one.indices.allSatisfy { one.compare($0, to: other, $0) == 0 }
  }

  /// Whether the names are those of an array, byte for byte.
  public static func == (one: NameList, other: [String]) -> Bool {
    one == NameList(other)
  }
}

extension NameList: Codable {
  /// Reads an array of strings.
  public init(from decoder: any Decoder) throws {
    self.init()
    var container = try decoder.unkeyedContainer()
    while !container.isAtEnd { append(try container.decode(String.self)) }
  }

  /// Writes an array of strings.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    for name in self { try container.encode(name) }
  }
}

// MARK: - As JSON text

extension NameList {
  /// An array of strings, the text that `JSONEncoder` makes with `.withoutEscapingSlashes`, in little memory.
  public var jsonText: String {
    var text: [UInt8] = [UInt8(ascii: "[")]
    text.reserveCapacity(indices.reduce(2) { $0 + range($1).count + 3 })
    for index in indices {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      text.append(UInt8(ascii: "\""))
      withUTF8(index) { name in
        for byte in name { Self.append(byte, to: &text) }
      }
      text.append(UInt8(ascii: "\""))
    }
    text.append(UInt8(ascii: "]"))
    return String(decoding: text, as: UTF8.self)
  }

  private static func append(_ byte: UInt8, to text: inout [UInt8]) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
    case 0x08: text += "\\b".utf8
    case 0x09: text += "\\t".utf8
    case 0x0A: text += "\\n".utf8
    case 0x0C: text += "\\f".utf8
    case 0x0D: text += "\\r".utf8
    case 0..<0x20: text += ("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16)).utf8
    default: text.append(byte)
    }
  }

  /// The strings of an array without blanks, whose escapes are of one letter, as ``jsonText`` writes it; nil
  /// for any other text, which may be such an array all the same.
  public init?(jsonText text: String) {
    self.init()
    var text = text
    let isDone = text.withUTF8 { bytes -> Bool in
      guard bytes.count >= 2, bytes[0] == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]")
      else { return false }
      if bytes.count == 2 { return true }
      var place = 1
      var name: [UInt8] = []
      while place < bytes.count - 1, bytes[place] == UInt8(ascii: "\"") {
        place += 1
        name.removeAll(keepingCapacity: true)
        while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
          var byte = bytes[place]
          if byte < 0x20 { return false }
          if byte == UInt8(ascii: "\\") {
            place += 1
            guard place < bytes.count, let escaped = Self.escapes[bytes[place]] else {
              return false
            }
            byte = escaped
          }
          name.append(byte)
          place += 1
        }
        guard place + 1 < bytes.count else { return false }
        append(utf8: name)
        place += 1
        if bytes[place] != UInt8(ascii: ",") { break }
        place += 1
        // A comma promises another string.
        guard bytes[place] == UInt8(ascii: "\"") else { return false }
      }
      return place == bytes.count - 1
    }
    guard isDone else { return nil }
  }

  private static let escapes: [UInt8: UInt8] = [
    UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "\\"): UInt8(ascii: "\\"),
    UInt8(ascii: "/"): UInt8(ascii: "/"), UInt8(ascii: "b"): 0x08, UInt8(ascii: "t"): 0x09,
    UInt8(ascii: "n"): 0x0A, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "r"): 0x0D,
  ]
}

// MARK: - Sets

/// A set of names, by their bytes: those and 16 to 24 bytes for each.
public struct NameSet: Sendable {
  /// The names, in the order in which they came.
  public private(set) var names = NameList()
  /// Places of names by their hashes, -1 where there is none; a power of two of them.
  private var slots: [Int32] = []

  /// No names.
  public init() {}

  /// The names of a sequence, each once.
  public init(_ names: some Sequence<String>) {
    for name in names { insert(name) }
  }

  /// How many there are.
  public var count: Int { names.count }

  /// Whether there is none.
  public var isEmpty: Bool { names.isEmpty }

  /// Adds a name, and says whether it was not there.
  @discardableResult
  public mutating func insert(_ name: String) -> Bool {
    if names.count * 4 >= slots.count * 3 { grow() }
    var name = name
    return name.withUTF8 { bytes -> Bool in
      let slot = slot(of: bytes)
      guard slots[slot] < 0 else { return false }
      slots[slot] = Int32(names.count)
      names.append(utf8: bytes)
      return true
    }
  }

  /// Whether a name is there.
  public func contains(_ name: String) -> Bool { place(of: name) != nil }

  /// The place of a name among ``names``; nil where it is not there.
  public func place(of name: String) -> Int? {
    guard !slots.isEmpty else { return nil }
    var name = name
    let place = name.withUTF8 { slots[slot(of: $0)] }
    return place < 0 ? nil : Int(place)
  }

  /// The slot of a name, or the empty one where it belongs.
  private func slot(of name: UnsafeBufferPointer<UInt8>) -> Int {
    var slot = Int(truncatingIfNeeded: Self.hash(name)) & (slots.count - 1)
    while case let place = Int(slots[slot]), place >= 0 {
      let isSame = names.withUTF8(place) { other -> Bool in
        other.count == name.count
          && (name.isEmpty || memcmp(other.baseAddress!, name.baseAddress!, name.count) == 0)
      }
      if isSame { return slot }
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: Swift.max(16, slots.count * 2))
    for place in names.indices {
      let slot = names.withUTF8(place) { self.slot(of: $0) }
      slots[slot] = Int32(place)
    }
  }

  private static func hash(_ name: UnsafeBufferPointer<UInt8>) -> UInt64 {
    Fingerprint.hash(UnsafeRawBufferPointer(name))
  }
}
