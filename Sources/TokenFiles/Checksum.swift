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
