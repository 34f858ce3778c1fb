import Foundation
import Priors

/// What tokens cost without a prior, in bits a token: the budget, and models of little context that
/// learned from the same images.
///
/// Both are code lengths of the held-out tokens. Entropies of counts would flatter the pair, of which most
/// occur never: of 1000 codes there are a million.
public struct TokenEntropies: Sendable, Equatable {
  /// The logarithm of the codebook size, for each id of a token.
  public let budget: Double
  /// By the frequencies of ids: (n(b) + 1/2) / (n + K/2).
  public let marginal: Double
  /// By the frequencies of ids after the one before, mixed with those of all by the number of different
  /// followers (Witten and Bell, 1991): (n(a, b) + d(a) p(b)) / (n(a) + d(a)).
  public let bigram: Double

  /// Bits in nats.
  init(budget: Double, marginal: Double, bigram: Double) {
    (self.budget, self.marginal, self.bigram) = (budget, marginal, bigram)
  }

  /// The most ids that pairs are counted of.
  private static let mostIDs = 1 << 22

  /// The cost of the tokens of some images, learned from others.
  init(
    of held: TokenSet, _ images: [Int], learning set: TokenSet, _ training: [Int], order: TokenOrder
  ) {
    let space = set.space
    let places = order.places(rows: space.rows, columns: space.columns)
    var ids = [Int32](repeating: 0, count: space.ids)
    /// Calls `body` with each entry of the vocabulary and the one before it: "none" before the first.
    func eachEntry(_ set: TokenSet, _ images: some Sequence<Int>, _ body: (Int, Int) -> Void) {
      for image in images {
        ids.withUnsafeMutableBufferPointer { set.copy(image, in: places, to: $0.baseAddress!) }
        var before = Int(space.entry(ofClass: nil))
        for (index, id) in ids.enumerated() {
          let entry = Int(space.entry(ofID: id, depth: index % space.depth))
          body(before, entry)
          before = entry
        }
      }
    }
    let learned = training.prefix(max(1, Self.mostIDs / space.ids))
    let width = UInt64(space.vocabulary)
    var (single, pairs) = ([Int](repeating: 0, count: space.vocabulary), [UInt64]())
    pairs.reserveCapacity(learned.count * space.ids)
    eachEntry(set, learned) { before, entry in
      single[entry] += 1
      pairs.append(UInt64(before) * width + UInt64(entry))
    }
    pairs.sort()
    var (followed, followers) = (
      [Int](repeating: 0, count: space.vocabulary), [Int](repeating: 0, count: space.vocabulary)
    )
    for (index, pair) in pairs.enumerated() {
      let before = Int(pair / width)
      followed[before] += 1
      if index == 0 || pairs[index - 1] != pair { followers[before] += 1 }
    }
    let total = Double(learned.count * space.tokens)
    var (alone, inPairs) = (0.0, 0.0)
    eachEntry(held, images) { before, entry in
      let p = (Double(single[entry]) + 0.5) / (total + 0.5 * Double(space.codes))
      alone -= log2(p)
      let pair = UInt64(before) * width + UInt64(entry)
      let count = Double(Self.place(of: pair + 1, in: pairs) - Self.place(of: pair, in: pairs))
      let (n, d) = (Double(followed[before]), Double(max(1, followers[before])))
      inPairs -= log2((count + d * p) / (n + d))
    }
    let tokens = Double(images.count * space.tokens)
    budget = log2(Double(space.codes)) * Double(space.depth)
    (marginal, bigram) = (alone / tokens, inPairs / tokens)
  }

  /// How many of some sorted numbers are below another.
  private static func place(of number: UInt64, in sorted: [UInt64]) -> Int {
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < number { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
