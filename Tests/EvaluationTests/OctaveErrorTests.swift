import Evaluation
import Testing

@Suite("Error by scale")
struct OctaveErrorTests {
  /// A grey image of the given brightness at each pixel.
  private static func grey(_ side: Int, _ value: (Int, Int) -> UInt8) -> [UInt8] {
    (0..<side * side).flatMap { index in
      Array(repeating: value(index % side, index / side), count: 3)
    }
  }

  @Test("a lost pattern counts at its own scale and at no other", arguments: [1, 2, 4])
  func scales(pixels: Int) {
    let side = 16
    let both = Self.grey(side) { x, y in
      let (a, b) = ((x / pixels).isMultiple(of: 2), (y / 8).isMultiple(of: 2))
      return 120 + (a ? 20 : 0) + (b ? 30 : 0)
    }
    let rest = Self.grey(side) { _, y in 130 + ((y / 8).isMultiple(of: 2) ? 30 : 0) }
    var error = OctaveError()
    error.add(both, rest, width: side, height: side)
    let shares = error.shares
    #expect(shares.map(\.pixels).contains(pixels))
    for share in shares {
      #expect(abs(share.share - (share.pixels == pixels ? 1 : 0)) < 1e-4, "\(shares)")
    }
  }

  @Test("nothing lost is nothing at all scales; a flat image has no scales; odd sides are cut")
  func ends() {
    let image = Self.grey(15) { x, y in UInt8((x * 7 + y * 13) % 251) }
    var error = OctaveError()
    error.add(image, image, width: 15, height: 15)
    #expect(error.shares.map(\.share).allSatisfy { $0 == 0 } && error.shares.count == 3)
    var flat = OctaveError()
    flat.add([9, 9, 9], [8, 8, 8], width: 1, height: 1)
    #expect(flat.shares.isEmpty && OctaveError().shares.isEmpty)
  }
}
