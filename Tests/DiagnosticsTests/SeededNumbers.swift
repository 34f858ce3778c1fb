import Foundation

/// Random numbers of a seed, the same on every machine: SplitMix64.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Normal, by Box and Muller.
  mutating func normal() -> Double {
    let (u, v) = (
      Double.random(in: 1e-12..<1, using: &self), Double.random(in: 0..<1, using: &self)
    )
    return (-2 * log(u)).squareRoot() * cos(2 * .pi * v)
  }

  mutating func normals(_ count: Int) -> [Double] { (0..<count).map { _ in normal() } }
}

func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
func minus(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 - $1 } }
func plus(_ x: [Double], _ y: [Double], times c: Double = 1) -> [Double] {
  zip(x, y).map { $0 + c * $1 }
}
func norm(_ x: [Double]) -> Double { dot(x, x).squareRoot() }

/// Equal to the digits that a table of reference numbers has.
func isClose(_ x: Double?, _ y: Double, _ tolerance: Double = 1e-9) -> Bool {
  guard let x else { return false }
  return (x - y).magnitude <= tolerance * max(1, y.magnitude)
}

func isClose(_ x: [Double], _ y: [Double], _ tolerance: Double = 1e-9) -> Bool {
  x.count == y.count && zip(x, y).allSatisfy { isClose($0, $1, tolerance) }
}
