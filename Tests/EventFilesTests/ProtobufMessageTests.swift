import Testing

import Files

@Suite struct ProtobufMessageTests {
  /// The field's key, 1 << 3, and then seven bits a byte.
  @Test(
    arguments: [
      (0, [0]), (1, [1]), (127, [0x7F]), (128, [0x80, 1]), (150, [0x96, 1]),
      (16_383, [0xFF, 0x7F]), (16_384, [0x80, 0x80, 1]),
      (Int.max, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
      (-1, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
      (Int.min, [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]),
    ] as [(Int, [UInt8])])
  func integers(_ value: Int, _ bytes: [UInt8]) throws {
    var message = ProtobufMessage()
    message.add(1, integer: value)
    #expect(message.bytes == [8] + bytes)
    #expect(try ProtobufFields(message.bytes[...]).integer(1) == value)
  }

  @Test func fieldNumbersAboveFifteenTakeTwoBytes() {
    var message = ProtobufMessage()
    message.add(15, integer: 1)
    message.add(16, integer: 1)
    #expect(message.bytes == [0x78, 1, 0x80, 1, 1])
  }

  @Test func realNumbersAreLittleEndian() {
    var message = ProtobufMessage()
    message.add(1, double: 1)
    message.add(2, float: -2)
    #expect(message.bytes == [9, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x15, 0, 0, 0, 0xC0])
  }

  @Test func textsMessagesAndListsTellTheirLength() {
    var inner = ProtobufMessage()
    inner.add(1, integer: 150)
    var message = ProtobufMessage()
    message.add(2, text: "Größe")
    message.add(3, message: inner)
    message.add(4, doubles: [1])
    message.add(5, doubles: [])
    message.add(6, bytes: [UInt8](repeating: 9, count: 200))
    #expect(
      message.bytes == [0x12, 7] + Array("Größe".utf8) + [0x1A, 3, 8, 0x96, 1]
        + [0x22, 8, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F] + [0x2A, 0]
        + [0x32, 0xC8, 1] + [UInt8](repeating: 9, count: 200))
  }

  @Test func notANumberKeepsItsBits() throws {
    var message = ProtobufMessage()
    message.add(2, float: .nan)
    message.add(3, float: -.infinity)
    let fields = try ProtobufFields(message.bytes[...])
    #expect(fields.float(2)?.isNaN == true)
    #expect(fields.float(3) == -.infinity)
  }
}
