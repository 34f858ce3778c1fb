import Foundation
import Kernels
import Testing

@Suite struct NearestCodeTests {
  /// By the form that `nearestCodes` takes here, after a look at all the others: where scores are
  /// far apart all agree.
  func nearest(_ z: [Float], _ codebook: [Float], dimension: Int) -> [Int32] {
    let forms = NearestCodeForm.allCases.filter { $0 != .fastest }
    let expected = nearest(.fastest, z, codebook, dimension: dimension)
    for form in forms {
      #expect(nearest(form, z, codebook, dimension: dimension) == expected, "\(form)")
    }
    return expected
  }

  func nearest(
    _ form: NearestCodeForm, _ z: [Float], _ codebook: [Float], dimension: Int
  ) -> [Int32] {
    let (rows, codes) = (z.count / dimension, codebook.count / dimension)
    var squares = [Float](repeating: .nan, count: codes)
    squaredNorms(rows: codes, columns: dimension, codebook, into: &squares)
    var indices = [Int32](repeating: 77, count: rows + 1)
    let count = nearestCodeWorkspace(form, codes: codes, dimension: dimension)
    // What lies behind the end must stay as it is.
    var workspace = [Float](repeating: .nan, count: count) + [77]
    nearestCodes(
      form, rows: rows, codes: codes, dimension: dimension, z, codebook: codebook,
      squaredNorms: squares, into: &indices, workspace: &workspace)
    #expect(indices[rows] == 77 && workspace[count] == 77)
    return Array(indices[..<rows])
  }

  /// Squared distances from one row to each code, in Double.
  func distances(_ z: ArraySlice<Float>, _ codebook: [Float]) -> [Double] {
    stride(from: 0, to: codebook.count, by: z.count).map { start in
      zip(z, codebook[start...]).reduce(0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    }
  }

  @Test(
    arguments: [0, 1, 2, 3, 4, 5, 63, 64, 65, 200, 255, 256, 259],
    [
      (1, 1), (7, 3), (15, 2), (16, 2), (17, 2), (63, 5), (64, 5), (65, 5), (512, 4), (515, 9),
      (1100, 16), (130, 300),
    ])
  func indicesAreThoseOfTheNearest(rows: Int, shape: (codes: Int, dimension: Int)) {
    let d = shape.dimension
    let z = noise(rows * d, seed: 1)
    let codebook = noise(shape.codes * d, seed: 2)
    let exact = (0..<rows).map { distances(z[($0 * d)..<(($0 + 1) * d)], codebook) }
    for form in NearestCodeForm.allCases {
      let found = nearest(form, z, codebook, dimension: d)
      for row in 0..<rows {
        // In Float two codes may be equally near to within rounding.
        #expect(exact[row][Int(found[row])] <= exact[row].min()! + 1e-5)
      }
    }
  }

  @Test(arguments: NearestCodeForm.allCases) func wherePrecisionEndsTheLowestIndexStillWins(
    _ form: NearestCodeForm
  ) {
    // Scores of two values only, each many times: small integers, so that they are exact.
    let codes = 300
    let codebook = (0..<codes).map { Float($0 % 7 == 5 ? 2 : 9) }
    #expect(nearest(form, [2, 9, 2, 9, 2], codebook, dimension: 1) == [5, 0, 5, 0, 5])
  }

  @Test func vq1() {
    let codebook: [Float] = [0, 0, 1, 1, -1, 2]
    let z: [Float] = [0.2, -0.1, 0.9, 1.3, -0.8, 1.5, 0.6, 0.7]
    let indices = nearest(z, codebook, dimension: 2)
    #expect(indices == [0, 1, 2, 1])
    var q = [Float](repeating: 0, count: 8)
    gatherRows(rows: 4, columns: 2, from: codebook, tableRows: 3, indices: indices, into: &q)
    #expect(q == [0, 0, 1, 1, -1, 2, 1, 1])
    var counts: [Float] = [9, 9, 9]
    countCodes(rows: 4, codes: 3, indices: indices, into: &counts)
    #expect(counts == [1, 2, 1])
    let perplexity = exp(-counts.map { Double($0) / 4 }.reduce(0) { $0 + $1 * log($1) })
    #expect(abs(perplexity - 2.82842712475) < 1e-11)
  }

  @Test(arguments: [2, 9, 15, 16, 17, 31, 33, 64, 65, 513, 1030]) func tiesGoToTheLowestIndex(
    codes: Int
  ) {
    // All codes equal, all at distance zero, in every position of a vector and of a block.
    let code = noise(5, seed: 3)
    let same = (0..<codes).flatMap { _ in code }
    #expect(nearest(code + noise(5, seed: 4), same, dimension: 5) == [0, 0])
    // The nearest code twice, at the end and in the middle.
    var far = (0..<codes).flatMap { _ in code.map { $0 + 3 } }
    far.replaceSubrange((5 * (codes - 1))..., with: code)
    far.replaceSubrange((5 * (codes / 2))..<(5 * (codes / 2) + 5), with: code)
    #expect(nearest(code, far, dimension: 5) == [Int32(codes / 2)])
  }

  @Test func aRowThatIsNotFiniteHasNoCode() {
    let codebook = noise(600 * 3, seed: 5)
    for bad in [Float.nan, .infinity, -.infinity] {
      for place in 0..<3 {
        var z = noise(9, seed: 6)
        let clean = nearest(z, codebook, dimension: 3)
        z[3 + place] = bad
        #expect(nearest(z, codebook, dimension: 3) == [clean[0], -1, clean[2]])
      }
    }
    // A single dimension, where infinity times a code has a sign that could win.
    #expect(nearest([.infinity, 1], [1, 2], dimension: 1) == [-1, 0])
  }

  @Test func aCodeThatIsNotFiniteIsNeverChosen() {
    #expect(nearest([1, 2], [.nan, 5, .infinity, 1], dimension: 1) == [3, 3])
    #expect(nearest([1], [.nan, .nan], dimension: 1) == [-1])
    // In every place of a group, before and behind a code that is one.
    for place in 0..<70 {
      var codebook = [Float](repeating: 5, count: 70)
      codebook[(place + 16) % 70] = 2
      for bad in [Float.nan, .infinity, -.infinity] {
        codebook[place] = bad
        #expect(
          nearest([1, 2], codebook, dimension: 1) == [1, 1].map { _ in Int32((place + 16) % 70) })
      }
    }
  }

  @Test func squares() {
    let x = noise(7 * 11, seed: 7)
    var y = [Float](repeating: .nan, count: 7)
    squaredNorms(rows: 7, columns: 11, x, into: &y)
    #expect(
      distance(
        y, (0..<7).map { r in x[(r * 11)..<(r * 11 + 11)].reduce(0) { $0 + pow(Double($1), 2) } })
        < 1e-6)
  }

  @Test(arguments: [1, 8, 11, 15, 16, 17, 31, 33]) func rowsOutsideTheTable(columns: Int) {
    let table = noise(3 * columns, seed: 8)
    let indices: [Int32] = [2, -1, 0, 3, 2, .max]
    var y = [Float](repeating: 0, count: 6 * columns)
    gatherRows(
      rows: 6, columns: columns, from: table, tableRows: 3, indices: indices, into: &y)
    let x = noise(6 * columns, seed: 9)
    var sums = table
    scatterAddRows(
      rows: 6, columns: columns, x, tableRows: 3, indices: indices, into: &sums)
    var expectedSums = table.exact
    for row in 0..<6 {
      for c in 0..<columns {
        let value = y[row * columns + c]
        if let index = Int(exactly: indices[row]), (0..<3).contains(index) {
          #expect(value == table[index * columns + c])
          expectedSums[index * columns + c] += Double(x[row * columns + c])
        } else {
          #expect(value.isNaN)
        }
      }
    }
    #expect(distance(sums, expectedSums) < 1e-6)
    var counts: [Float] = [5, 5, 5]
    countCodes(rows: 6, codes: 3, indices: indices, into: &counts)
    #expect(counts == [1, 0, 2])
  }
}
