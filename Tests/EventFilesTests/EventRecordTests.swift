import Testing

import EventFiles

@Suite struct EventRecordTests {
  @Test func lengthAndMessageStandBetweenTheirChecks() {
    let record = EventRecord.framed(Array("123456789".utf8))
    #expect(record.count == 9 + 16)
    #expect(Array(record[0..<8]) == [9, 0, 0, 0, 0, 0, 0, 0])
    #expect(Array(record[12..<21]) == Array("123456789".utf8))
    // 0xE3069283 rotated right by 15 is 0x2507C60D; the constant added, 0xC78AB0E5.
    #expect(Array(record[21...]) == [0xE5, 0xB0, 0x8A, 0xC7])
  }

  @Test(arguments: [0, 1, 127, 128, 255, 256, 70_000])
  func recordsComeBack(_ count: Int) throws {
    let message = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31) }
    let reader = try EventFileReader(EventRecord.framed(message) + EventRecord.framed([7]))
    #expect(reader.messages == [message, [7]])
    #expect(reader.bytesLeft == 0)
  }

  @Test func anyChangedByteIsNoticed() {
    let record = EventRecord.framed([1, 2, 3])
    for position in record.indices {
      var damaged = record
      damaged[position] ^= 0x10
      #expect(throws: EventFileReader.Damage.self) { try EventFileReader(damaged) }
    }
  }
}
