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
