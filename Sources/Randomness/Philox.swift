/// Philox4x64-10: a keyed bijection of 256-bit counters whose outputs look random.
///
/// One round multiplies two of the four words by odd constants to 128 bits and mixes the halves
/// with the others and the key; ten rounds pass every known statistical test. Because an output
/// depends on key and counter alone, a stream can be entered at any position.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011.
public enum Philox {
  /// The ten-round block function: four words from a key of two words and a counter of four.
  public static func block(
    counter: SIMD4<UInt64>, key: SIMD2<UInt64>
  ) -> SIMD4<UInt64> {
    var x0 = counter.x
    var x1 = counter.y
    var x2 = counter.z
    var x3 = counter.w
    var key0 = key.x
    var key1 = key.y
    for _ in 0..<10 {
      let first = x0.multipliedFullWidth(by: 0xD2E7_470E_E14C_6C93)
      let second = x2.multipliedFullWidth(by: 0xCA5A_8263_9512_1157)
      x0 = second.high ^ x1 ^ key0
      x1 = second.low
      x2 = first.high ^ x3 ^ key1
      x3 = first.low
      // The key walks by the golden ratio and the square root of three less one.
      key0 &+= 0x9E37_79B9_7F4A_7C15
      key1 &+= 0xBB67_AE85_84CA_A73B
    }
    return SIMD4(x0, x1, x2, x3)
  }
}
