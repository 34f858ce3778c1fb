/// The extent of a recorded tensor as it depends on the images: a number times powers of the batch, the rows
/// and the columns of the grid of tokens.
package struct OnnxExtent: Hashable {
  /// What does not depend on the images.
  package let factor: Int
  /// How often the batch, the rows and the columns are factors.
  package let powers: [Int]

  /// A number times powers of the three.
  package init(factor: Int, powers: [Int]) { (self.factor, self.powers) = (factor, powers) }

  /// Whether it depends on no image.
  package var isKnown: Bool { powers.allSatisfy { $0 == 0 } }
}

/// The extents by which a graph is recorded, so that they can be found again in all others.
///
/// A graph has fixed extents, an ONNX graph any: so it is recorded with three primes for the batch, the rows and
/// the columns, none of which divides an extent of a parameter. Then the factors of an extent say how it
/// depends on the three.
package struct GridPrimes {
  /// For the batch, the rows and the columns of the grid.
  package let values: [Int]

  /// Three primes of at least 37 that divide none of some numbers.
  ///
  /// - Parameter skipped: how many to leave out, for other ones.
  package init(avoiding numbers: some Sequence<Int>, skipping skipped: Int = 0) {
    let numbers = Set(numbers)
    let primes = (37..<1000).lazy.filter { candidate in
      (2..<candidate).prefix { $0 * $0 <= candidate }.allSatisfy { candidate % $0 != 0 }
        && numbers.allSatisfy { $0 % candidate != 0 }
    }
    values = Array(primes.dropFirst(skipped).prefix(3))
  }

  /// The factors of an extent.
  package func extent(_ count: Int) -> OnnxExtent {
    var (rest, powers) = (count, [0, 0, 0])
    for (index, prime) in values.enumerated() {
      while rest > 0, rest % prime == 0 {
        rest /= prime
        powers[index] += 1
      }
    }
    return OnnxExtent(factor: rest, powers: powers)
  }
}
