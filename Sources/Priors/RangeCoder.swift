/// Writes symbols in as many bits as their probabilities say, as one number between 0 and 1.
///
/// Each symbol narrows an interval `[low, low + range)` to its share of it; bytes that no longer change are
/// written. Interval bounds have 56 bits, a carry into bytes that are already decided is kept back. The
/// loss against the probabilities is below 2^-18 of a bit a symbol, and about a byte at the end. Source:
/// Martin, "Range encoding", 1979; the carry as in LZMA.
public struct RangeEncoder {
  /// What is written so far.
  public private(set) var bytes: [UInt8] = []
  private var low: UInt64 = 0
  private var range = RangeCoding.whole
  private var cache: UInt8 = 0
  /// Bytes kept back: the cache and those of all ones behind it; 0 before the first.
  private var pending = 0

  /// Nothing is written yet.
  public init() {}

  /// Writes a symbol that has the part `start ..< end` of `total`.
  public mutating func encode(start: UInt32, end: UInt32, total: UInt32) {
    let part = range / UInt64(total)
    low += part * UInt64(start)
    range = part * UInt64(end - start)
    while range < RangeCoding.least {
      range <<= 8
      shift()
    }
  }

  /// Writes the first byte of the interval, or keeps it back where a carry may still come.
  private mutating func shift() {
    let carry = UInt8(low >> RangeCoding.bits)
    let byte = UInt8(truncatingIfNeeded: low >> (RangeCoding.bits - 8))
    if pending == 0 || carry == 1 || byte != 0xff {
      if pending > 0 {
        bytes.append(cache &+ carry)
        for _ in 1..<pending { bytes.append(0xff &+ carry) }
      }
      (cache, pending) = (byte, 1)
    } else {
      pending += 1
    }
    low = (low << 8) & (RangeCoding.whole - 1)
  }

  /// Writes the fewest bytes that tell the interval, where zeros follow.
  public mutating func finish() -> [UInt8] {
    // The number of the interval with the most zeros at its end.
    for zeros in stride(from: RangeCoding.bits, through: 0, by: -8) {
      let unit = UInt64(1) << zeros
      let number = (low + unit - 1) / unit * unit
      if number < low + range {
        low = number
        break
      }
    }
    for _ in 0..<(RangeCoding.bits / 8 + 1) { shift() }
    while bytes.last == 0 { bytes.removeLast() }
    return bytes
  }
}

/// Reads what a ``RangeEncoder`` wrote, given the same distributions.
public struct RangeDecoder {
  private let bytes: ArraySlice<UInt8>
  private var place: Int
  private var code: UInt64 = 0
  private var range = RangeCoding.whole

  /// Reads bytes; zeros follow them.
  public init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    place = bytes.startIndex
    for _ in 0..<RangeCoding.bits / 8 { read() }
  }

  /// The next symbol.
  ///
  /// - Parameter sums: where each symbol's part begins, and at the end the sum of all.
  public mutating func decode(_ sums: [UInt32]) -> Int32 {
    let part = range / UInt64(sums[sums.count - 1])
    let value = UInt32(min(code / part, UInt64(sums[sums.count - 1] - 1)))
    var (low, high) = (0, sums.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if sums[middle] <= value { low = middle } else { high = middle }
    }
    code &-= part * UInt64(sums[low])
    range = part * UInt64(sums[low + 1] - sums[low])
    while range < RangeCoding.least {
      range <<= 8
      read()
    }
    return Int32(low)
  }

  private mutating func read() {
    code = code << 8 | UInt64(place < bytes.endIndex ? bytes[place] : 0)
    place += 1
  }
}

private enum RangeCoding {
  /// The bits of the interval's bounds.
  static let bits = 56
  /// The interval at the beginning.
  static let whole = UInt64(1) << 56
  /// The narrowest interval that a symbol divides.
  static let least = UInt64(1) << 48
}
