import FileTestSupport

/// An event file, read back by the book: every length and every check is verified.
struct EventFileReader {
  /// The messages of the whole records.
  private(set) var messages: [[UInt8]] = []
  /// Bytes of a cut record behind them.
  private(set) var bytesLeft = 0

  /// What must not be in a file, wherever it was cut.
  enum Damage: Error {
    case lengthCheck, messageCheck
  }

  init(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while rest.count >= 12 {
      let length = Int(Self.number(rest.prefix(8)))
      guard Self.number(rest.dropFirst(8).prefix(4)) == Self.maskedCheck(rest.prefix(8)) else {
        throw Damage.lengthCheck
      }
      guard rest.count - 16 >= length else { break }
      let message = rest.dropFirst(12).prefix(length)
      guard
        Self.number(rest.dropFirst(12 + length).prefix(4)) == Self.maskedCheck(message)
      else { throw Damage.messageCheck }
      messages.append(Array(message))
      rest = rest.dropFirst(16 + length)
    }
    bytesLeft = rest.count
  }

  init(path: String) throws { try self.init(ScratchFolder.read(path)) }

  /// The messages as events.
  func events() throws -> [ProtobufFields] { try messages.map { try ProtobufFields($0[...]) } }

  /// A little-endian number.
  static func number(_ bytes: some Collection<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// CRC-32C bit by bit, masked.
  static func maskedCheck(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var register = UInt32.max
    for byte in bytes {
      for bit in 0..<8 {
        let carry = (register ^ UInt32(byte >> bit)) & 1
        register >>= 1
        if carry == 1 { register ^= 0x82F6_3B78 }
      }
    }
    let check = ~register
    return UInt64((check >> 15 | check << 17) &+ 0xA282_EAD8)
  }
}

/// A message of Protocol Buffers, taken apart.
struct ProtobufFields {
  enum Value: Equatable {
    case varint(UInt64)
    case fixed64(UInt64)
    case bytes([UInt8])
    case fixed32(UInt32)
  }

  enum Damage: Error {
    case cut, wireType(UInt64)
  }

  /// Numbers and values, in their order.
  private(set) var fields: [(number: Int, value: Value)] = []

  init(_ bytes: ArraySlice<UInt8>) throws {
    var rest = bytes
    while !rest.isEmpty {
      let key = try Self.varint(&rest)
      let value: Value
      switch key & 7 {
      case 0: value = .varint(try Self.varint(&rest))
      case 1: value = .fixed64(EventFileReader.number(try Self.take(8, &rest)))
      case 2: value = .bytes(Array(try Self.take(Int(Self.varint(&rest)), &rest)))
      case 5: value = .fixed32(UInt32(EventFileReader.number(try Self.take(4, &rest))))
      default: throw Damage.wireType(key & 7)
      }
      fields.append((Int(key >> 3), value))
    }
  }

  /// The values of a field.
  subscript(number: Int) -> [Value] { fields.filter { $0.number == number }.map(\.value) }

  func integer(_ number: Int) -> Int? {
    if case .varint(let value)? = self[number].first { Int(Int64(bitPattern: value)) } else { nil }
  }

  func double(_ number: Int) -> Double? {
    if case .fixed64(let bits)? = self[number].first { Double(bitPattern: bits) } else { nil }
  }

  func float(_ number: Int) -> Float? {
    if case .fixed32(let bits)? = self[number].first { Float(bitPattern: bits) } else { nil }
  }

  func bytes(_ number: Int) -> [UInt8]? {
    if case .bytes(let value)? = self[number].first { value } else { nil }
  }

  func text(_ number: Int) -> String? {
    bytes(number).map { String(decoding: $0, as: UTF8.self) }
  }

  func doubles(_ number: Int) -> [Double] {
    let bytes = bytes(number) ?? []
    return stride(from: 0, to: bytes.count, by: 8).map {
      Double(bitPattern: EventFileReader.number(bytes[$0..<$0 + 8]))
    }
  }

  func messages(_ number: Int) throws -> [ProtobufFields] {
    try self[number].compactMap { value in
      if case .bytes(let bytes) = value { try ProtobufFields(bytes[...]) } else { nil }
    }
  }

  private static func take(
    _ count: Int, _ rest: inout ArraySlice<UInt8>
  ) throws -> ArraySlice<UInt8> {
    guard count <= rest.count else { throw Damage.cut }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  private static func varint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      let byte = try take(1, &rest).first!
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw Damage.cut
  }
}
