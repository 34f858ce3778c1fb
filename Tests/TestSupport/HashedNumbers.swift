/// Reproducible numbers from a name, the same here and in the Python that makes the goldens.
public enum HashedNumbers {
  /// Numbers in `[-amplitude, amplitude)`, a function of name and place alone.
  public static func values(_ name: String, count: Int, amplitude: Float = 1) -> [Float] {
    let start = fnv1a(name)
    return (0..<count).map { index in
      (Float(splitMix(start &+ UInt64(index)) >> 40) * 0x1p-24 * 2 - 1) * amplitude
    }
  }

  /// The 64-bit FNV-1a hash of a name's UTF-8 bytes.
  public static func fnv1a(_ name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
  }

  /// One output of the SplitMix64 generator.
  public static func splitMix(_ state: UInt64) -> UInt64 {
    let x = state &+ 0x9E37_79B9_7F4A_7C15
    var z = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
