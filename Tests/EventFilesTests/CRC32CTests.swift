import Testing

import EventFiles

/// The examples are those of RFC 3720, appendix B.4, and the field's usual check value.
@Suite struct CRC32CTests {
  @Test func knownAnswers() {
    #expect(CRC32C.checksum([UInt8]()) == 0)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.checksum(Array(0..<32)) == 0x46DD_794E)
    #expect(CRC32C.checksum((0..<32).reversed()) == 0x113F_DB5C)
    #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
  }

  @Test func tableAgreesWithBits() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }
    for count in [0, 1, 2, 255, 1000] {
      let some = bytes.prefix(count)
      #expect(UInt64(CRC32C.masked(some)) == EventFileReader.maskedCheck(some))
    }
  }

  @Test func maskOfAnEmptyCheckIsItsConstant() {
    #expect(CRC32C.masked([UInt8]()) == 0xA282_EAD8)
  }
}
