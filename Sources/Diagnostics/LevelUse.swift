import Evaluation
import Forms
import Foundation

/// How finite scalar quantization uses the levels of each channel.
///
/// Joint usage of the product codebook hides a channel that stays on one level; the digits of
/// the tokens show it.
public struct LevelUse: Sendable, Equatable {
  /// Tokens on each level, `counts[channel][level]`.
  public let counts: [[Int]]
  /// ``EffectiveRank`` of the digits' covariance, each digit scaled to 0...1: near 1 all channels
  /// move together and say the same; nil where only the counts are known.
  public let effectiveRank: Double?

  /// The digits of tokens, from how often each token was used.
  ///
  /// Token `k` has the digits `k mod L_0`, `k / L_0 mod L_1`, ...: channel 0 least significant.
  public init(_ usage: CodebookUsage, levels: [Int]) {
    precondition(levels.reduce(1, *) == usage.codes, "the levels' product is the codebook size")
    let channels = levels.count
    var counts = levels.map { [Int](repeating: 0, count: $0) }
    var sums = [Double](repeating: 0, count: channels)
    var products = [Double](repeating: 0, count: channels * channels)
    var digits = sums
    usage.forEachUsed { index, uses in
      var rest = index
      for (channel, level) in levels.enumerated() {
        let digit = rest % level
        rest /= level
        counts[channel][digit] += uses
        digits[channel] = Double(digit) / Double(max(1, level - 1))
        sums[channel] += digits[channel] * Double(uses)
        for other in 0...channel {
          products[channel * channels + other] += digits[channel] * digits[other] * Double(uses)
        }
      }
    }
    let total = Double(max(1, usage.ids))
    for row in 0..<channels {
      for column in 0...row {
        let place = row * channels + column
        products[place] = products[place] / total - sums[row] / total * (sums[column] / total)
      }
    }
    let covariance = SymmetricMatrix(size: channels, elements: products)
    self.init(
      counts: counts, effectiveRank: EffectiveRank.of(eigenvalues: covariance.eigenvalues))
  }

  /// Given counts, one list a channel.
  public init(counts: [[Int]], effectiveRank: Double? = nil) {
    precondition(counts.allSatisfy { !$0.isEmpty }, "a channel has levels")
    self.counts = counts
    self.effectiveRank = effectiveRank
  }

  /// The levels of each channel that no token is on.
  public var unused: [[Int]] {
    counts.map { channel in channel.indices.filter { channel[$0] == 0 } }
  }

  /// The fraction of tokens on the lowest and highest level, per channel.
  ///
  /// Uniform use would give `2 / L`; a logistic latent gives `1 / (L - 1)`.
  public var endShares: [Double] {
    counts.map { channel in
      let total = channel.reduce(0, +)
      guard total > 0, channel.count > 1 else { return 0 }
      return Double(channel[0] + channel[channel.count - 1]) / Double(total)
    }
  }
}

/// How many latents of finite scalar quantization lie where its bound is flat, per channel.
///
/// There the gradient is nearly zero and the token cannot move on. Levels at the ends alone do not tell: a level is
/// also used by latents that are well in range.
public struct LevelSaturation: Sendable, Equatable {
  /// How latents are bounded.
  ///
  /// On the scale of -1...1:
  ///
  ///     tanh     tanh(z + shift), shift = tan(1 / (2 half)) for an even number of levels L, else 0;
  ///              half = (L - 1)(1 - 1e-3) / 2
  ///     tanh-wide  the same with shift = atanh(1 / (2 half)), half = (L - 1)(1 + 1e-3) / 2
  ///     sigmoid  2 sigmoid(z) - 1 = tanh(z / 2)
  ///     ifsq     2 sigmoid(1.6 z) - 1 = tanh(0.8 z)
  public typealias Bound = LevelBoundForm

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
    case .tanhWide:
      shifts = levels.map {
        $0 % 2 == 0 ? Float(atanh(0.5 / (Double($0 - 1) * (1 + 1e-3) / 2))) : 0
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
