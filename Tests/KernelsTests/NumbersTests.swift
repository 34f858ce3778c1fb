import Testing

@Suite struct NumbersTests {
  @Test func distanceSeesEachKindOfDifference() {
    #expect(distance([1, 2], [1, 2]) == 0)
    #expect(distance([1, .nan], [1, .nan]) == 0)
    #expect(distance([.infinity], [.infinity]) == 0)
    #expect(abs(distance([1, 2.5], [1, 2]) - 0.5 / 3) < 1e-12)
    #expect(distance([1], [1, 2]) == .infinity)
    #expect(distance([.nan], [1]) == .infinity)
    #expect(distance([1], [.nan]) == .infinity)
  }

  @Test func relativeErrorIsThatOfTheNorms() {
    #expect(relativeError([3, 4], [3, 4]) == 0)
    #expect(abs(relativeError([3, 4.5], [3, 4]) - 0.1) < 1e-12)
    #expect(relativeError([.nan], [1]) == .infinity)
    #expect(relativeError([1], []) == .infinity)
    #expect(relativeError([1], [0]) == .infinity)
  }

  @Test func slopesAreThoseOfACubic() {
    let found = slopes(at: [1, -2]) { $0[0] * $0[0] * $0[0] + 2 * $0[1] }
    #expect(abs(found[0] - 3) < 1e-8)
    #expect(abs(found[1] - 2) < 1e-8)
  }

  @Test func noiseFillsItsRange() {
    let values = noise(2000, seed: 3)
    #expect(values.min()! < -0.99 && values.max()! > 0.99)
    #expect(abs(values.reduce(0, +) / 2000) < 0.05)
    #expect(values == noise(2000, seed: 3) && values != noise(2000, seed: 4))
  }
}
