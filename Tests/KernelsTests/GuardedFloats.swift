/// Floats with others before and behind that nobody may write, and that spoil any result they get
/// into.
final class GuardedFloats {
  private static let canary: UInt32 = 0x7fc5_a11e
  private let floats: UnsafeMutableBufferPointer<Float>
  private let inside: Range<Int>

  init(_ content: [Float], margin: Int = 4096) {
    floats = .allocate(capacity: content.count + 2 * margin)
    floats.initialize(repeating: Float(bitPattern: Self.canary))
    inside = margin..<margin + content.count
    _ = floats[inside].update(fromContentsOf: content)
  }

  deinit { floats.deallocate() }

  /// Where the content begins.
  var start: UnsafeMutablePointer<Float> { floats.baseAddress! + inside.lowerBound }
  /// What lies between the guards.
  var content: [Float] { Array(floats[inside]) }
  /// How many of the guards were written.
  var damage: Int {
    floats.indices.count { !inside.contains($0) && floats[$0].bitPattern != Self.canary }
  }
}
