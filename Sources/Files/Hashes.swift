// MARK: - XXH64

/// A 64-bit hash of many bytes at once: XXH64, which goes through them a word of eight bytes at a
/// time in four chains side by side, at the speed of memory.
///
/// A chain takes a word w into its sum a by `a = rotl(a + w P2, 31) P1`, and the four sums are mixed
/// at the end. Every step is a bijection of a for any w, and of w for any a: two inputs of one
/// length that differ in a single word of a chain differ before the mixing. It finds mix-ups and
/// keeps no secrets. Source: Collet, XXH64 specification, version 0.1.1.
public enum Fingerprint {
  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  /// The hash of some bytes.
  public static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    var stream = Stream(seed: seed)
    stream.add(bytes)
    return stream.value
  }

  /// The hash of bytes that come in parts, whatever the parts are.
  public struct Stream: Sendable {
    private let seed: UInt64
    private var sums: (UInt64, UInt64, UInt64, UInt64)
    private var count: UInt64 = 0
    /// The bytes since the last whole block of 32.
    private var rest: [UInt8] = []

    /// Starts a hash of no bytes.
    public init(seed: UInt64 = 0) {
      self.seed = seed
      sums = (seed &+ prime1 &+ prime2, seed &+ prime2, seed, seed &- prime1)
    }

    /// Goes on with more bytes.
    public mutating func add(_ bytes: UnsafeRawBufferPointer) {
      count &+= UInt64(bytes.count)
      var bytes = bytes
      if !rest.isEmpty {
        let missing = min(32 - rest.count, bytes.count)
        rest.append(contentsOf: bytes[..<missing])
        bytes = UnsafeRawBufferPointer(rebasing: bytes[missing...])
        guard rest.count == 32 else { return }
        rest.withUnsafeBytes { Self.take($0, into: &sums) }
        rest.removeAll(keepingCapacity: true)
      }
      let whole = bytes.count & ~31
      Self.take(UnsafeRawBufferPointer(rebasing: bytes[..<whole]), into: &sums)
      rest.append(contentsOf: bytes[whole...])
    }

    /// The hash of all that has come.
    public var value: UInt64 {
      var hash = seed &+ prime5
      if count >= 32 {
        hash = rotate(sums.0, 1) &+ rotate(sums.1, 7) &+ rotate(sums.2, 12) &+ rotate(sums.3, 18)
        for sum in [sums.0, sums.1, sums.2, sums.3] {
          hash = (hash ^ round(0, sum)) &* prime1 &+ prime4
        }
      }
      hash &+= count
      rest.withUnsafeBytes { Fingerprint.mix($0, into: &hash) }
      hash = (hash ^ hash >> 33) &* prime2
      hash = (hash ^ hash >> 29) &* prime3
      return hash ^ hash >> 32
    }

    private static func take(
      _ bytes: UnsafeRawBufferPointer, into sums: inout (UInt64, UInt64, UInt64, UInt64)
    ) {
      var (a, b, c, d) = sums
      var place = 0
      while place &+ 32 <= bytes.count {
        a = round(a, word(bytes, place))
        b = round(b, word(bytes, place &+ 8))
        c = round(c, word(bytes, place &+ 16))
        d = round(d, word(bytes, place &+ 24))
        place &+= 32
      }
      sums = (a, b, c, d)
    }
  }

  /// The last bytes, fewer than a block.
  private static func mix(_ bytes: UnsafeRawBufferPointer, into hash: inout UInt64) {
    var place = 0
    while place &+ 8 <= bytes.count {
      hash = rotate(hash ^ round(0, word(bytes, place)), 27) &* prime1 &+ prime4
      place &+= 8
    }
    if place &+ 4 <= bytes.count {
      let half = bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)
      hash = rotate(hash ^ UInt64(UInt32(littleEndian: half)) &* prime1, 23) &* prime2 &+ prime3
      place &+= 4
    }
    while place < bytes.count {
      hash = rotate(hash ^ UInt64(bytes[place]) &* prime5, 11) &* prime1
      place &+= 1
    }
  }

  /// The hash of a text's UTF-8 bytes.
  public static func hash(_ text: String) -> UInt64 {
    Array(text.utf8).withUnsafeBytes { hash($0) }
  }

  /// The hash of several hashes in their order, each as eight bytes, lowest first.
  public static func hash(of hashes: [UInt64]) -> UInt64 {
    hashes.map(\.littleEndian).withUnsafeBytes { hash($0) }
  }

  /// Sixteen hexadecimal digits.
  public static func hexadecimal(_ hash: UInt64) -> String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  @inline(__always)
  private static func word(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> UInt64 {
    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
  }

  @inline(__always)
  private static func round(_ sum: UInt64, _ word: UInt64) -> UInt64 {
    rotate(sum &+ word &* prime2, 31) &* prime1
  }

  @inline(__always)
  private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 {
    value &<< bits | value &>> (64 &- bits)
  }
}

// MARK: - FNV-1a

/// FNV-1a in 64 bits, over a stream of bytes: finds damage and mix-ups, keeps no secrets.
///
/// h = 14695981039346656037; for each byte b: h = (h xor b) * 1099511628211 mod 2^64.
/// Source: Fowler, Noll, Vo; RFC 9923.
public struct Checksum: Equatable, Sendable {
  /// The hash so far.
  public private(set) var value: UInt64 = 14_695_981_039_346_656_037

  /// Starts a hash of no bytes.
  public init() {}

  /// Goes on with more bytes.
  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var hash = value
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
    value = hash
  }

  /// Sixteen hexadecimal digits.
  public var hexadecimal: String { Fingerprint.hexadecimal(value) }
}
