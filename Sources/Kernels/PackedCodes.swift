/// A codebook laid out for the search of nearest codes, and the search.
///
/// Four rows meet a group of codes at a time: their scores |e|^2 - 2 z e build up in registers, one
/// multiply-add per row, code and dimension, and go into a running minimum there; no score is ever
/// written. Groups are laid out as [dimension][width] with -2 e in place of e, so that they are
/// read in the order of memory. With K = 65,536, d = 8 and 16,384 rows this takes 65 ms on a core of
/// a Zen 5 (264 GFLOP/s, its peak being 275), where the products alone take BLAS 176 ms; 4 rows by
/// 64 codes fill 16 of 32 registers with sums, and 12 more with the codes and the minima.
struct PackedCodes<Scores: ScoreVectors> {
  private let codes: Int
  private let dimension: Int
  /// -2 e, [group][dimension][width].
  private let packed: UnsafeMutablePointer<Float>
  /// |e|^2, and infinity behind the last code.
  private let norms: UnsafeMutablePointer<Float>
  /// The smallest scores of each row of a block, and the groups that they are of.
  private let best: UnsafeMutablePointer<Float>
  private let at: UnsafeMutablePointer<Float>

  /// Rows that meet the same codes while these are in the first cache.
  private static var rowBlock: Int { 256 }

  private static func groups(_ codes: Int) -> Int { (codes + Scores.width - 1) / Scores.width }

  /// The floats of memory that it takes.
  static func workspace(codes: Int, dimension: Int) -> Int {
    groups(codes) * Scores.width * (dimension + 1) + 32 * rowBlock
  }

  /// Copies the codes into `memory`.
  init(
    codes: Int, dimension: Int, _ codebook: UnsafePointer<Float>,
    _ squaredNorms: UnsafePointer<Float>, in memory: UnsafeMutablePointer<Float>
  ) {
    self.codes = codes
    self.dimension = dimension
    let places = Self.groups(codes) * Scores.width
    best = memory
    at = memory + 16 * Self.rowBlock
    norms = memory + 32 * Self.rowBlock
    packed = norms + places
    copy(codes, squaredNorms, into: norms)
    fill(count: places - codes, with: .infinity, into: norms + codes)
    fill(count: (places - codes) * dimension, with: 0, into: packed + codes * dimension)
    for code in 0..<codes {
      let target = packed + place(code)
      for j in 0..<dimension {
        target[j &* Scores.width] = -2 * codebook[code &* dimension &+ j]
      }
    }
  }

  /// Where the first component of a code lies.
  private func place(_ code: Int) -> Int {
    code / Scores.width * Scores.width * dimension + code % Scores.width
  }

  /// indices[r] = the nearest code of each row of `z`, -1 where no score is below infinity.
  func nearest(
    rows: Int, _ z: UnsafePointer<Float>, into indices: UnsafeMutablePointer<Int32>
  ) {
    let groups = Self.groups(codes)
    // Codes of 32 KiB at a time: two thirds of the first cache.
    let step = max(1, 8192 / (Scores.width * (dimension + 1)))
    for start in stride(from: 0, to: rows, by: Self.rowBlock) {
      let count = min(Self.rowBlock, rows - start)
      fill(count: 16 * count, with: .infinity, into: best)
      for group in stride(from: 0, to: groups, by: step) {
        let block = group..<min(groups, group + step)
        for row in stride(from: 0, to: count, by: 4) {
          // The last four rows may overlap those before; fewer than four repeat the first.
          search(block, z + start * dimension, row: max(0, min(row, count - 4)), of: count)
        }
      }
      for row in 0..<count {
        indices[start + row] = resolve(z + (start + row) * dimension, row)
      }
    }
  }

  /// Lets four rows, `row` and those behind it, meet a block of groups.
  @inline(never)
  private func search(_ groups: Range<Int>, _ z: UnsafePointer<Float>, row: Int, of rows: Int) {
    let (r1, r2, r3) = (
      min(row &+ 1, rows &- 1), min(row &+ 2, rows &- 1), min(row &+ 3, rows &- 1)
    )
    let (z0, z1) = (z + row &* dimension, z + r1 &* dimension)
    let (z2, z3) = (z + r2 &* dimension, z + r3 &* dimension)
    let (i0, i1) = (Lanes(start: 16 &* row, count: 16), Lanes(start: 16 &* r1, count: 16))
    let (i2, i3) = (Lanes(start: 16 &* r2, count: 16), Lanes(start: 16 &* r3, count: 16))
    var (best0, best1, best2, best3) = (best[i0], best[i1], best[i2], best[i3])
    var (at0, at1, at2, at3) = (bits(at[i0]), bits(at[i1]), bits(at[i2]), bits(at[i3]))
    var e = UnsafePointer(packed + groups.lowerBound &* Scores.width &* dimension)
    for group in groups {
      var s0 = Scores(norms + group &* Scores.width)
      var (s1, s2, s3) = (s0, s0, s0)
      for j in 0..<dimension {
        let codes = Scores(e)
        s0.add(z0[j], codes)
        s1.add(z1[j], codes)
        s2.add(z2[j], codes)
        s3.add(z3[j], codes)
        e += Scores.width
      }
      Self.update(&best0, &at0, s0, group)
      Self.update(&best1, &at1, s1, group)
      Self.update(&best2, &at2, s2, group)
      Self.update(&best3, &at3, s3, group)
    }
    (best[i0], best[i1], best[i2], best[i3]) = (best0, best1, best2, best3)
    (at[i0], at[i1], at[i2], at[i3]) = (floats(at0), floats(at1), floats(at2), floats(at3))
  }

  /// Lane k of `best` is the smallest score of the codes k mod 16, and of `at` the first group that
  /// has it, because only a smaller one replaces it.
  @inline(__always)
  private static func update(
    _ best: inout SIMD16<Float>, _ at: inout SIMD16<Int32>, _ scores: Scores, _ group: Int
  ) {
    let smallest = scores.smallest(best)
    at = selecting(
      where: smallest, isBelow: best, SIMD16(repeating: Int32(truncatingIfNeeded: group)),
      else: at)
    best = smallest
  }

  /// The lowest of the codes that have the smallest score of a row.
  ///
  /// Which code of its group a lane is of is found by computing the scores again, by the same
  /// operations. Should a compiler round them otherwise than the first time, the least of this time
  /// counts.
  private func resolve(_ z: UnsafePointer<Float>, _ row: Int) -> Int32 {
    let smallest = smallestLane(best[Lanes(start: 16 * row, count: 16)])
    guard smallest < .infinity else { return -1 }
    var least = LeastScore()
    for lane in 0..<16 where best[16 * row + lane] == smallest {
      let group = Int(Int32(bitPattern: at[16 * row + lane].bitPattern))
      for code in stride(
        from: group * Scores.width + lane, to: (group + 1) * Scores.width, by: 16)
      where code < codes {
        least.add(code, score(z, code))
      }
    }
    return Int32(least.code)
  }

  private func score(_ z: UnsafePointer<Float>, _ code: Int) -> Float {
    let e = packed + place(code)
    var score = SIMD16<Float>(repeating: norms[code])
    for j in 0..<dimension {
      score.add(z[j], SIMD16(repeating: e[j * Scores.width]))
    }
    return score[0]
  }
}

/// The code with the least score of those seen, the lowest of several; never none once one was seen.
package struct LeastScore {
  /// The code; -1 before the first.
  package private(set) var code = -1
  private var score = Float.infinity

  /// No code yet.
  package init() {}

  /// Takes in a code with its score; one that is not a number counts only if there is no other.
  @inline(__always)
  package mutating func add(_ other: Int, _ otherScore: Float) {
    if code < 0 || otherScore < score || (otherScore == score && other < code) || score.isNaN {
      (code, score) = (other, otherScore)
    }
  }
}

/// The scores of a group of neighbouring codes, in registers.
protocol ScoreVectors {
  /// How many codes.
  static var width: Int { get }

  /// What lies from `x` on.
  init(_ x: UnsafePointer<Float>)

  /// self += z e.
  mutating func add(_ z: Float, _ e: Self)

  /// The smaller of `best` and of the scores, sixteen side by side; a NaN among the scores is
  /// passed over.
  func smallest(_ best: SIMD16<Float>) -> SIMD16<Float>
}

extension SIMD16<Float>: ScoreVectors {
  static var width: Int { 16 }

  @inline(__always)
  init(_ x: UnsafePointer<Float>) { self = x.vector(0) }

  @inline(__always)
  mutating func add(_ z: Float, _ e: SIMD16<Float>) { self = multiplyAdd(e, z, self) }

  @inline(__always)
  func smallest(_ best: SIMD16<Float>) -> SIMD16<Float> {
    best.replacing(with: self, where: self .< best)
  }
}

/// Sixty-four scores.
struct FourVectors: ScoreVectors {
  private var a: SIMD16<Float>
  private var b: SIMD16<Float>
  private var c: SIMD16<Float>
  private var d: SIMD16<Float>

  static var width: Int { 64 }

  @inline(__always)
  init(_ x: UnsafePointer<Float>) {
    a = x.vector(0)
    b = x.vector(16)
    c = x.vector(32)
    d = x.vector(48)
  }

  @inline(__always)
  mutating func add(_ z: Float, _ e: FourVectors) {
    a.add(z, e.a)
    b.add(z, e.b)
    c.add(z, e.c)
    d.add(z, e.d)
  }

  @inline(__always)
  func smallest(_ best: SIMD16<Float>) -> SIMD16<Float> {
    d.smallest(c.smallest(b.smallest(a.smallest(best))))
  }
}
