import Codebooks
import Testing

/// Codebooks that follow moving averages, against numbers worked out elsewhere and a slow twin.
struct MovingCodebookTests {
  private static func expect(_ found: [Double], _ expected: [Double], _ tolerance: Double = 1e-6) {
    #expect(found.count == expected.count)
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) < tolerance }, "\(found)")
  }

  @Test("VQ-3: one batch of the moving averages")
  func oneBatch() {
    let start: [Float] = [0, 0, 1, 1, -1, 2]
    var codebook = MovingCodebook(
      start, dimension: 2, uses: 1, decay: 0.9, epsilon: 1e-12, movesCodes: true)
    codebook.replace(0, by: [0, 0], uses: 2)
    codebook.add([0.2, -0.1, 0.9, 1.3, -0.8, 1.5, 0.6, 0.7], codes: [0, 1, 2, 1])
    Self.expect(codebook.uses, [1.9, 1.1, 1.0])
    Self.expect(codebook.sums, [0.02, -0.01, 1.05, 1.1, -0.98, 1.95])
    Self.expect(
      codebook.codebook.map(Double.init),
      [0.0105263157895, -0.00526315789474, 0.954545454545, 1.0, -0.98, 1.95])
  }

  @Test("VQ-3: with one vector a step it is gradient descent with the rate (1 - a) / 2")
  func gradientDescent() {
    var codebook = MovingCodebook(
      [1, 1], dimension: 2, uses: 1, decay: 0.9, epsilon: 1e-12, movesCodes: true)
    codebook.add([0.9, 1.3], codes: [0])
    Self.expect(codebook.codebook.map(Double.init), [0.99, 1.03])
    // e - eta * 2 (e - z) with eta = 0.05.
    Self.expect(
      codebook.codebook.map(Double.init), [1 - 0.05 * 2 * 0.1, 1 + 0.05 * 2 * 0.3])
  }

  @Test("smoothing takes from every code what its formula says")
  func smoothing() {
    let (a, epsilon) = (0.7, 0.25)
    var codebook = MovingCodebook(
      [1, -2, 4], dimension: 1, uses: 3, decay: a, epsilon: epsilon, movesCodes: true)
    var (uses, sums) = ([3.0, 3, 3], [3.0, -6, 12])
    for (z, codes) in [([0.5, 1.5, -2], [0, 0, 1]), ([1, 1, 5], [0, 0, -1])] as [([Float], [Int32])]
    {
      codebook.add(z, codes: codes)
      for code in 0..<3 {
        let mine = zip(z, codes).filter { $0.1 == code }.map { Double($0.0) }
        uses[code] = a * uses[code] + (1 - a) * Double(mine.count)
        sums[code] = a * sums[code] + (1 - a) * mine.reduce(0, +)
      }
      let total = uses.reduce(0, +)
      Self.expect(
        codebook.codebook.map(Double.init),
        (0..<3).map { sums[$0] / ((uses[$0] + epsilon) / (total + 3 * epsilon) * total) })
    }
  }

  @Test("a code that is replaced starts anew, the others stay")
  func replacing() {
    var codebook = MovingCodebook(
      [1, 1, 2, 2, 3, 3], dimension: 2, uses: 4, decay: 0.9, epsilon: 1e-5, movesCodes: true)
    codebook.add([0, 5, 3, 3], codes: [0, 2])
    let before = codebook
    codebook.replace(1, by: [7, -7], uses: 4)
    #expect(codebook.uses[1] == 4 && Array(codebook.sums[2..<4]) == [28, -28])
    #expect([0, 2].allSatisfy { codebook.uses[$0] == before.uses[$0] })
    #expect([0, 1, 4, 5].allSatisfy { codebook.sums[$0] == before.sums[$0] })
    Self.expect(Array(codebook.codebook[2..<4].map(Double.init)), [7, -7], 1e-4)
  }

  @Test("a state is taken back to the last bit, and only one that fits")
  func states() {
    var codebook = MovingCodebook(
      [1, 2, 3, 4], dimension: 2, uses: 2, decay: 0.9, epsilon: 1e-5, movesCodes: true)
    codebook.add([0.1, 0.7], codes: [1])
    var other = MovingCodebook(
      [0, 0, 0, 0], dimension: 2, uses: 1, decay: 0.9, epsilon: 1e-5, movesCodes: true)
    let isRestored = other.restore(codebook.state)
    #expect(isRestored)
    #expect(other == codebook)
    for wrong in [[], Array(codebook.state.dropLast()), [.nan] + codebook.state.dropFirst()] {
      let isRestored = other.restore(wrong)
      #expect(!isRestored)
    }
    #expect(other == codebook)
  }
}
