import Foundation

/// How many latents of finite scalar quantization lie where its bound is flat, per channel.
///
/// There the gradient is nearly zero and the token cannot move on. Levels at the ends alone do not tell: a level is
/// also used by latents that are well in range.
public struct LevelSaturation: Sendable, Equatable {
  /// How latents are bounded.
  public enum Bound: Sendable, Hashable {
    /// `tanh(z + shift)`, `shift = tan(1 / (2 half))` for an even number of levels `L` and 0 for an odd one;
    /// `half = (L - 1)(1 - 1e-3) / 2`. Mentzer and others, arXiv 2309.15505, and its code.
    case tanh
    /// `2 sigma(z) - 1 = tanh(z / 2)`.
    case sigmoid
    /// `2 sigma(1.6 z) - 1 = tanh(0.8 z)`.
    case ifsq
  }

  /// Bounded values beyond this, out of -1...1, are saturated: 0.98.
  ///
  /// The slope there is a 25th of that at the middle.
  public static let limit = 0.98

  /// How many tokens were added.
  public private(set) var tokens = 0
  private let shifts: [Float]
  private let least: Float
  private var counts: [Int]

  /// No latents yet, of channels with so many levels each.
  public init(levels: [Int], bound: Bound) {
    precondition(levels.allSatisfy { $0 > 1 }, "a channel has levels")
    // |tanh(z + shift)| > limit is |z + shift| > atanh(limit).
    switch bound {
    case .tanh:
      shifts = levels.map {
        $0 % 2 == 0 ? Float(tan(0.5 / (Double($0 - 1) * (1 - 1e-3) / 2))) : 0
      }
      least = Float(atanh(Self.limit))
    case .sigmoid:
      shifts = levels.map { _ in 0 }
      least = Float(2 * atanh(Self.limit))
    case .ifsq:
      shifts = levels.map { _ in 0 }
      least = Float(atanh(Self.limit) / 0.8)
    }
    counts = levels.map { _ in 0 }
  }

  /// Adds latents before they are bounded, [tokens, channels].
  public mutating func add(_ latents: [Float]) {
    latents.withUnsafeBufferPointer { add($0) }
  }

  /// Adds latents before they are bounded, [tokens, channels].
  public mutating func add(_ latents: UnsafeBufferPointer<Float>) {
    let channels = shifts.count
    precondition(latents.count % channels == 0, "whole tokens of \(channels) channels")
    tokens += latents.count / channels
    for start in stride(from: 0, to: latents.count, by: channels) {
      for channel in 0..<channels
      where (latents[start + channel] + shifts[channel]).magnitude > least {
        counts[channel] += 1
      }
    }
  }

  /// The fraction of tokens that are saturated, per channel; zero where there are none.
  public var shares: [Double] { counts.map { Double($0) / Double(max(1, tokens)) } }
}
