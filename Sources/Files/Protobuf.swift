/// A message in the wire format of Protocol Buffers, as its fields are added.
///
/// Only what events and ONNX files need; fields are written whatever their value, also where it is the
/// default.
/// Source: the encoding guide of Protocol Buffers.
package struct ProtobufMessage {
  /// The message so far.
  package private(set) var bytes: [UInt8] = []

  /// A message of no fields.
  package init() {}

  /// How a field's value is laid out.
  private enum WireType: UInt64 {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
  }

  /// Adds an `int64`, `int32` or enumeration; negative ones take ten bytes.
  package mutating func add(_ field: Int, integer value: Int) {
    key(field, .varint)
    varint(UInt64(bitPattern: Int64(value)))
  }

  /// Adds a `double`.
  package mutating func add(_ field: Int, double value: Double) {
    key(field, .fixed64)
    bytes += value.bitPattern.littleEndianBytes
  }

  /// Adds a `float`.
  package mutating func add(_ field: Int, float value: Float) {
    key(field, .fixed32)
    bytes += value.bitPattern.littleEndianBytes
  }

  /// Adds `bytes`.
  package mutating func add(_ field: Int, bytes value: [UInt8]) {
    key(field, .lengthDelimited)
    varint(UInt64(value.count))
    bytes += value
  }

  /// Adds a `string`.
  package mutating func add(_ field: Int, text value: String) {
    add(field, bytes: Array(value.utf8))
  }

  /// Adds a message within this one.
  package mutating func add(_ field: Int, message value: ProtobufMessage) {
    add(field, bytes: value.bytes)
  }

  /// Adds the beginning of a message within this one, whose bytes must follow this message's own.
  package mutating func add(_ field: Int, lengthOf value: ProtobufMessage) {
    key(field, .lengthDelimited)
    varint(UInt64(value.bytes.count))
  }

  /// Adds a packed `repeated double`.
  package mutating func add(_ field: Int, doubles values: [Double]) {
    add(field, bytes: values.flatMap { $0.bitPattern.littleEndianBytes })
  }

  private mutating func key(_ field: Int, _ type: WireType) {
    varint(UInt64(field) << 3 | type.rawValue)
  }

  /// Seven bits a byte, the lowest first; the top bit says that more follow.
  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

extension FixedWidthInteger {
  /// The bytes of the number, lowest first.
  package var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}
