import Files

/// One event: when, at which step, and what.
///
/// The numbers of the fields are those of TensorBoard's `event.proto` and `summary.proto`.
struct Event {
  /// Seconds since 1970.
  let wallTime: Double
  /// The step that it belongs to.
  let step: Int
  /// What happened.
  let content: Content

  enum Content {
    /// The first event of a file: the version of what follows.
    case version
    /// Training starts at the event's step: what earlier files hold of it and later ones is void.
    ///
    /// Every file must have one, for TensorBoard takes the first it sees for a plain beginning.
    case start
    /// Values to show.
    case summary([SummaryValue])
  }

  /// TensorBoard heeds starts only in files of this version.
  private static let version = "brain.Event:2"
  /// `SessionLog.START`.
  private static let sessionStart = 1

  /// As an `Event`.
  var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, double: wallTime)
    message.add(2, integer: step)
    switch content {
    case .version:
      message.add(3, text: Self.version)
    case .start:
      var log = ProtobufMessage()
      log.add(1, integer: Self.sessionStart)
      message.add(7, message: log)
    case .summary(let values):
      var summary = ProtobufMessage()
      for value in values { summary.add(1, message: value.message) }
      message.add(5, message: summary)
    }
    return message
  }
}

/// A value under the name by which TensorBoard shows it.
///
/// Scalars, histograms and images are written as `simple_value`, `histo` and `image`. TensorBoard
/// turns these into tensors of its plugins as it reads them, and keeps the bytes of an image and
/// the double precision of a histogram's statistics for other readers.
struct SummaryValue {
  /// The name; TensorBoard groups by what precedes the first slash.
  let tag: String
  /// What it is.
  let content: Content

  enum Content {
    case scalar(Float)
    case histogram(Histogram)
    case image(png: [UInt8], width: Int, height: Int)
  }

  /// `Summary.Image` counts channels: RGB has three.
  private static let colorspaceRGB = 3

  /// As a `Summary.Value`.
  var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, text: tag)
    switch content {
    case .scalar(let value):
      message.add(2, float: value)
    case .histogram(let histogram):
      message.add(5, message: histogram.message)
    case .image(let png, let width, let height):
      var image = ProtobufMessage()
      image.add(1, integer: height)
      image.add(2, integer: width)
      image.add(3, integer: Self.colorspaceRGB)
      image.add(4, bytes: png)
      message.add(4, message: image)
    }
    return message
  }
}

extension Histogram {
  /// As a `HistogramProto`.
  fileprivate var message: ProtobufMessage {
    var message = ProtobufMessage()
    message.add(1, double: minimum)
    message.add(2, double: maximum)
    message.add(3, double: count)
    message.add(4, double: sum)
    message.add(5, double: sumOfSquares)
    message.add(6, doubles: limits)
    message.add(7, doubles: counts)
    return message
  }
}

// MARK: - Records

/// The frame in which a message lies in an event file: a TFRecord.
///
/// Little-endian: length (8 bytes), masked CRC-32C of the length (4), message, masked CRC-32C of
/// the message (4). A record that a crash cut short is thereby known, and what precedes it is whole.
package enum EventRecord {
  /// A message in its frame.
  package static func framed(_ message: [UInt8]) -> [UInt8] {
    let length = UInt64(message.count).littleEndianBytes
    var record: [UInt8] = []
    record.reserveCapacity(message.count + 16)
    record += length
    record += CRC32C.masked(length).littleEndianBytes
    record += message
    record += CRC32C.masked(message).littleEndianBytes
    return record
  }
}

/// The cyclic redundancy check CRC-32C (Castagnoli), by which records are verified.
///
/// Polynomial 0x1EDC6F41, bits reflected, all ones before and after. Source: RFC 3720, appendix
/// B.4.
package enum CRC32C {
  /// The table of CRC contributions by byte value.
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { register, _ in
      register & 1 == 1 ? register >> 1 ^ 0x82F6_3B78 : register >> 1
    }
  }

  /// The check of some bytes.
  package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      ~bytes.reduce(UInt32.max) { register, byte in
        register >> 8 ^ table[Int(UInt8(truncatingIfNeeded: register) ^ byte)]
      }
    }
  }

  /// The check as it is stored beside the bytes: rotated right by 15 and moved by a constant.
  ///
  /// A check over bytes that hold their own check says little; masked, it does not meet itself.
  package static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let check = checksum(bytes)
    return (check >> 15 | check << 17) &+ 0xA282_EAD8
  }
}
