import Files
import Testing
import TokenFiles

@Suite struct FingerprintTests {
  /// Numbers of the reference implementation, by python-xxhash.
  @Test func agreesWithTheReference() {
    #expect(Fingerprint.hash("") == 0xef46_db37_51d8_e999)
    #expect(Fingerprint.hash("a") == 0xd24e_c4f1_a98c_6e5b)
    #expect(Fingerprint.hash("abc") == 0x44bc_2cf5_ad77_0999)
    // Bytes 0, 1, 2, ...: one block, and blocks with every kind of tail.
    #expect(Self.hash(Array(0..<32)) == 0xcbf5_9c51_16ff_32b4)
    #expect(Self.hash(Array(0..<101)) == 0xe990_3849_5f85_381e)
  }

  static func hash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { Fingerprint.hash($0) } }

  /// Bytes in parts of any length are the bytes at once.
  @Test func partsMakeTheWhole() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 97) }
    for step in [1, 3, 7, 31, 32, 33, 64, 100, 999, 1000] {
      var stream = Fingerprint.Stream(seed: 5)
      for start in stride(from: 0, to: bytes.count, by: step) {
        let end = min(start + step, bytes.count)
        Array(bytes[start..<end]).withUnsafeBytes { stream.add($0) }
        #expect(
          stream.value == Array(bytes[..<end]).withUnsafeBytes { Fingerprint.hash($0, seed: 5) })
      }
    }
  }

  /// Every bit of every byte counts, in blocks and in tails of any length; so does the length.
  @Test func everyBitCounts() {
    for count in [1, 3, 4, 7, 8, 15, 31, 32, 33, 63, 64, 100, 127] {
      var bytes = (0..<count).map { UInt8(($0 + 1) * 37 & 0xFF) }
      var seen = Set([Self.hash(bytes), Self.hash(bytes + [0]), Self.hash([0] + bytes)])
      for place in 0..<count {
        for bit in 0..<8 {
          bytes[place] ^= 1 << bit
          seen.insert(Self.hash(bytes))
          bytes[place] ^= 1 << bit
        }
      }
      #expect(seen.count == count * 8 + 3)
    }
  }

  /// The signs of two numbers in one chain, which cancel in a hash by products alone.
  @Test func twoSignsDoNotCancel() {
    let bytes = [UInt8](repeating: 7, count: 256)
    var other = bytes
    for place in [7, 39] { other[place] ^= 0x80 }
    #expect(Self.hash(bytes) != Self.hash(other))
  }

  @Test func theOrderOfHashesCounts() {
    #expect(Fingerprint.hash(of: [1, 2]) != Fingerprint.hash(of: [2, 1]))
    #expect(Fingerprint.hexadecimal(0xAB) == "00000000000000ab")
  }
}
