/// The frame in which a message lies in an event file: a TFRecord.
///
/// Little-endian: length (8 bytes), masked CRC-32C of the length (4), message, masked CRC-32C of
/// the message (4). A record that a crash cut short is thereby known, and what precedes it is whole.
package enum EventRecord {
  /// A message in its frame.
  package static func framed(_ message: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(message.count))
    var record: [UInt8] = []
    record.reserveCapacity(message.count + 16)
    record += length
    record += littleEndian(CRC32C.masked(length))
    record += message
    record += littleEndian(CRC32C.masked(message))
    return record
  }
}

/// The bytes of a number, lowest first.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
