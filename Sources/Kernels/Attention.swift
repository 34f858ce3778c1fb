import Forms

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The extents of attention: queries `[batch, queries, channels]`, keys and values
/// `[batch, keys, channels]`, of which each head has `channels / heads` channels.
public struct AttentionGeometry: Sendable, Hashable {
  /// Sequences.
  public var batch: Int
  /// Queries of a sequence.
  public var queries: Int
  /// Keys of a sequence; as many as queries in the causal form.
  public var keys: Int
  /// Channels of a place.
  public var channels: Int
  /// Parts of the channels, each with weights of its own.
  public var heads: Int
  /// Whether query i sees the keys up to i alone.
  public var isCausal: Bool

  /// Names every extent.
  public init(
    batch: Int, queries: Int, keys: Int, channels: Int, heads: Int, isCausal: Bool
  ) {
    (self.batch, self.queries, self.keys) = (batch, queries, keys)
    (self.channels, self.heads, self.isCausal) = (channels, heads, isCausal)
  }

  /// Channels of a head.
  var head: Int { channels / heads }
  /// Channels of a head in whole vectors.
  var paddedHead: Int { (head + 15) & ~15 }
  /// 1 over the square root of a head's channels: the factor of all scores.
  var scale: Float { 1 / Float(head).squareRoot() }

  /// Queries and keys at a time: 32 x 64 scores and the rows that make them stay in the first cache.
  static let queryBlock = 32
  static let keyBlock = 64
  /// Queries at a time for which the causal form computes equally many scores, and keys at a time for
  /// which it sums over equally many queries: a vector of keys, as scores come in whole vectors.
  static let group = 16

  /// Keys in whole blocks.
  var paddedKeys: Int {
    (keys + Self.keyBlock - 1) / Self.keyBlock * Self.keyBlock
  }

  /// The floats of scratch memory of `attend`: linear in the keys.
  public var workspace: Int {
    2 * paddedKeys * paddedHead
      + Self.queryBlock * (2 * paddedHead + Self.keyBlock + 2)
  }

  /// The floats of scratch memory of `attendGradient`: linear in keys and queries.
  public var gradientWorkspace: Int {
    (5 * paddedKeys + 3 * queries) * paddedHead
      + 2 * Self.queryBlock * Self.keyBlock + queries
  }

  /// The keys of a block, from its first on.
  @inline(__always)
  func keysOfBlock(_ first: Int) -> Int { min(Self.keyBlock, keys - first) }

  /// Behind the last key that any of some queries sees.
  @inline(__always)
  func keysSeen(byQueriesBefore end: Int) -> Int { isCausal ? min(keys, end) : keys }

  /// The keys of a block, from its first on, that any of the queries before `end` sees.
  @inline(__always)
  func keysOfBlock(_ first: Int, seenByQueriesBefore end: Int) -> Int {
    min(Self.keyBlock, keysSeen(byQueriesBefore: end) - first)
  }
}

// MARK: - Forward

/// Attention of queries to keys, head by head.
///
///     y[n, i, h] = the sum over j of p[j] v[n, j, h]      p = softmax over j of scale q[n, i, h] . k[n, j, h]
///
/// Yields also logSums[n, i, h] = log of the sum over j of e^(scale q . k), by which the gradient finds
/// the weights p again. No matrix of all scores is stored: blocks of 32 queries pass over blocks of 64
/// keys with a running maximum, sum and mean of values; in the causal form a group of 16 queries ends
/// with the last key that one of them sees. What a query gets does not depend on the queries beside it.
/// Source: Dao et al., "FlashAttention", 2022.
public func attend(
  _ g: AttentionGeometry, query: UnsafePointer<Float>, key: UnsafePointer<Float>,
  value: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  logSums: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>,
  share: WorkShare = .whole
) {
  let (head, padded, block) = (g.head, g.paddedHead, AttentionGeometry.queryBlock)
  let keys = workspace
  let values = keys + g.paddedKeys * padded
  let queries = values + g.paddedKeys * padded
  let means = queries + block * padded
  let scores = means + block * padded
  let tops = scores + block * AttentionGeometry.keyBlock
  let sums = tops + block
  let blocks = (g.queries + block - 1) / block
  // Of all blocks of queries, sequence by sequence and head by head.
  let own = share.range(of: g.batch * g.heads * blocks)
  for n in 0..<g.batch {
    for h in 0..<g.heads {
      let before = (n * g.heads + h) * blocks
      let mine = own.clamped(to: before..<(before + blocks))
      guard !mine.isEmpty else { continue }
      let offset = h * head
      packKeys(g, key + (n * g.keys * g.channels + offset), into: keys)
      packValues(g, value + (n * g.keys * g.channels + offset), into: values)
      for first in stride(
        from: (mine.lowerBound - before) * block, to: (mine.upperBound - before) * block, by: block)
      {
        let rows = min(block, g.queries - first)
        let place = (n * g.queries + first) * g.channels + offset
        copyRows(rows, head, query + place, leading: g.channels, by: g.scale, into: queries, padded)
        fill(count: rows * padded, with: 0, into: means)
        fill(count: rows, with: -.infinity, into: tops)
        fill(count: rows, with: 0, into: sums)
        let end = g.keysSeen(byQueriesBefore: first + rows)
        for start in stride(from: 0, to: end, by: AttentionGeometry.keyBlock) {
          let packed = PackedMatrix(inner: g.keysOfBlock(start), columns: head)
          for group in stride(from: 0, to: rows, by: AttentionGeometry.group) {
            let size = min(AttentionGeometry.group, rows - group)
            let (means, scores) = (
              means + group * padded, scores + group * AttentionGeometry.keyBlock
            )
            let seen = score(
              g, rows: size, first: first + group, keys: keys, start: start,
              queries + group * padded, into: scores)
            weigh(
              rows: size, seen, scores, tops: tops + group, sums: sums + group, means: means,
              padded)
            packed.multiply(
              rows: size, scores, leading: AttentionGeometry.keyBlock, values + start * padded,
              into: means, leading: padded, accumulate: true, terms: seen)
          }
        }
        for row in 0..<rows {
          let (y, mean) = (y + (place + row * g.channels), means + row * padded)
          let share = 1 / sums[row]
          for i in vectors(head) { y[i] = mean[i] * share }
          logSums[(n * g.queries + first + row) * g.heads + h] = tops[row] + log(sums[row])
        }
      }
    }
  }
}

/// Scores of some queries with the keys of a block that any of them sees: `[rows, keyBlock]`, of which
/// so many columns are written, in whole vectors; -inf where a query does not see a key.
///
/// - Returns: the number of these keys.
@inline(__always)
private func score(
  _ g: AttentionGeometry, rows: Int, first: Int, keys: UnsafePointer<Float>, start: Int,
  _ queries: UnsafePointer<Float>, into scores: UnsafeMutablePointer<Float>
) -> Int {
  let width = AttentionGeometry.keyBlock
  let seen = g.keysOfBlock(start, seenByQueriesBefore: first + rows)
  PackedMatrix(inner: g.head, columns: g.keysOfBlock(start)).multiply(
    rows: rows, queries, leading: g.paddedHead, keys + start * g.paddedHead, into: scores,
    leading: width, columns: seen)
  for row in 0..<rows {
    let own = g.keysOfBlock(start, seenByQueriesBefore: first + row + 1)
    for j in own..<(seen + 15) & ~15 { scores[row * width + j] = -.infinity }
  }
  return seen
}

/// Turns scores of `count` keys into weights relative to a running maximum, and scales what was summed
/// before.
@inline(__always)
private func weigh(
  rows: Int, _ count: Int, _ scores: UnsafeMutablePointer<Float>,
  tops: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>,
  means: UnsafeMutablePointer<Float>, _ padded: Int
) {
  let width = (count + 15) & ~15
  for row in 0..<rows {
    let scores = scores + row * AttentionGeometry.keyBlock
    var highest = scores.vector(0)
    for j in stride(from: 16, to: width, by: 16) { highest = larger(highest, scores.vector(j)) }
    let top = max(tops[row], largestLane(highest))
    // A query that has seen nothing yet, nor sees anything here, has no maximum to take off.
    let shift = top == -.infinity ? 0 : top
    var total = SIMD16<Float>.zero
    for j in stride(from: 0, to: width, by: 16) {
      let weights = exponential(scores.vector(j) - shift)
      scores.store(weights, at: j)
      total += weights
    }
    let kept = tops[row] == top ? 1 : exponential(SIMD16(repeating: tops[row] - shift))[0]
    sums[row] = sums[row] * kept + Float(sum(doubles(total)))
    tops[row] = top
    if kept != 1 {
      let mean = means + row * padded
      for i in vectors(padded) { mean[i] = mean[i] * kept }
    }
  }
}

/// The largest lane, of none that is NaN.
@inline(__always)
private func largestLane(_ v: SIMD16<Float>) -> Float {
  let eight = v.lowHalf.replacing(with: v.highHalf, where: v.highHalf .> v.lowHalf)
  let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
  return max(max(four.x, four.y), max(four.z, four.w))
}

// MARK: - Packing

/// Packs the keys of a head, block by block, as the transposes that scores are products with.
@inline(__always)
private func packKeys(
  _ g: AttentionGeometry, _ key: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>
) {
  for start in stride(from: 0, to: g.keys, by: AttentionGeometry.keyBlock) {
    PackedMatrix(inner: g.head, columns: g.keysOfBlock(start)).packTransposed(
      key + start * g.channels, leading: g.channels, into: packed + start * g.paddedHead)
  }
}

/// Packs the values of a head, block by block.
@inline(__always)
private func packValues(
  _ g: AttentionGeometry, _ value: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>
) {
  for start in stride(from: 0, to: g.keys, by: AttentionGeometry.keyBlock) {
    PackedMatrix(inner: g.keysOfBlock(start), columns: g.head).pack(
      value + start * g.channels, leading: g.channels, into: packed + start * g.paddedHead)
  }
}

/// Copies rows of a head times a factor, with zeros up to whole vectors.
@inline(__always)
private func copyRows(
  _ rows: Int, _ head: Int, _ x: UnsafePointer<Float>, leading: Int, by factor: Float,
  into y: UnsafeMutablePointer<Float>, _ padded: Int
) {
  for row in 0..<rows {
    let (x, y) = (x + row * leading, y + row * padded)
    for i in vectors(head) { y.store(x[i] * factor, at: i.start) }
  }
}

// MARK: - Gradient

/// The gradients of `attend` with respect to queries, keys and values; all are overwritten.
///
///     dv[j] = the sum over i of p[i, j] g[i]        ds[i, j] = p[i, j] (g[i] . v[j] - g[i] . y[i])
///     dq[i] = scale the sum over j of ds[i, j] k[j]        dk[j] = scale the sum over i of ds[i, j] q[i]
///
/// The weights p are computed again from `logSums`, a block at a time.
public func attendGradient(
  _ g: AttentionGeometry, outputGradient: UnsafePointer<Float>, query: UnsafePointer<Float>,
  key: UnsafePointer<Float>, value: UnsafePointer<Float>, y: UnsafePointer<Float>,
  logSums: UnsafePointer<Float>, queryGradient: UnsafeMutablePointer<Float>,
  keyGradient: UnsafeMutablePointer<Float>, valueGradient: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  let (head, padded, width) = (g.head, g.paddedHead, AttentionGeometry.keyBlock)
  let block = AttentionGeometry.queryBlock
  let panel = g.paddedKeys * padded
  // Transposes of keys and values for the scores, keys as they are for dq, then the sums.
  let (transposedKeys, transposedValues) = (workspace, workspace + panel)
  let keys = transposedValues + panel
  let (dk, dv) = (keys + panel, keys + 2 * panel)
  let queries = dv + panel
  let gradients = queries + g.queries * padded
  let dq = gradients + g.queries * padded
  let weights = dq + g.queries * padded
  let slopes = weights + block * width
  let along = slopes + block * width
  for n in 0..<g.batch {
    for h in 0..<g.heads {
      let rows = n * g.queries * g.channels + h * head
      let columns = n * g.keys * g.channels + h * head
      packKeys(g, key + columns, into: transposedKeys)
      packKeys(g, value + columns, into: transposedValues)
      packValues(g, key + columns, into: keys)
      copyRows(
        g.queries, head, query + rows, leading: g.channels, by: g.scale, into: queries, padded)
      copyRows(
        g.queries, head, outputGradient + rows, leading: g.channels, by: 1, into: gradients, padded)
      fill(count: g.queries * padded, with: 0, into: dq)
      fill(count: 2 * panel, with: 0, into: dk)
      for i in 0..<g.queries {
        let place = rows + i * g.channels
        along[i] = Float(dotProduct(head, outputGradient + place, y + place))
      }
      for first in stride(from: 0, to: g.queries, by: block) {
        let count = min(block, g.queries - first)
        let (q, dy) = (queries + first * padded, gradients + first * padded)
        let end = g.keysSeen(byQueriesBefore: first + count)
        for start in stride(from: 0, to: end, by: width) {
          let whole = g.keysOfBlock(start)
          for group in stride(from: 0, to: count, by: AttentionGeometry.group) {
            let size = min(AttentionGeometry.group, count - group)
            let (w, s) = (weights + group * width, slopes + group * width)
            let seen = score(
              g, rows: size, first: first + group, keys: transposedKeys, start: start,
              q + group * padded, into: w)
            PackedMatrix(inner: head, columns: whole).multiply(
              rows: size, dy + group * padded, leading: padded, transposedValues + start * padded,
              into: s, leading: width, columns: seen)
            for row in 0..<size {
              let query = first + group + row
              let logSum = logSums[(n * g.queries + query) * g.heads + h]
              let (w, s) = (w + row * width, s + row * width)
              for j in vectors((seen + 15) & ~15) {
                let p = exponential(w[j] - logSum)
                w[j] = p
                s[j] = p * (s[j] - along[query])
              }
            }
            PackedMatrix(inner: whole, columns: head).multiply(
              rows: size, s, leading: width, keys + start * padded,
              into: dq + (first + group) * padded, leading: padded, accumulate: true, terms: seen)
          }
          let seen = g.keysOfBlock(start, seenByQueriesBefore: first + count)
          for group in stride(from: 0, to: seen, by: AttentionGeometry.group) {
            // The queries before the first of these keys see none of them.
            let above = g.isCausal ? max(0, start + group - first) : 0
            func add(
              _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
              to c: UnsafeMutablePointer<Float>
            ) {
              multiplyTransposed(
                rows: min(AttentionGeometry.group, seen - group), columns: padded,
                terms: count - above, a + (above * width + group), leading: width,
                b + above * padded, leading: padded, into: c + (start + group) * padded,
                leading: padded, accumulate: true)
            }
            add(weights, dy, to: dv)
            add(slopes, q, to: dk)
          }
        }
      }
      for i in 0..<g.queries {
        let target = queryGradient + (rows + i * g.channels)
        for c in vectors(head) { target[c] = (dq + i * padded)[c] * g.scale }
      }
      for j in 0..<g.keys {
        let place = columns + j * g.channels
        // The queries were scaled already.
        for c in vectors(head) {
          (keyGradient + place)[c] = (dk + j * padded)[c]
          (valueGradient + place)[c] = (dv + j * padded)[c]
        }
      }
    }
  }
}

// MARK: - With a cache

/// The extents of a cache of keys and values, and the steps through it.
public struct AttentionCacheGeometry: Sendable, Hashable {
  /// Sequences.
  public var batch: Int
  /// The most places of a sequence.
  public var places: Int
  /// Channels of a place.
  public var channels: Int
  /// Parts of the channels, each with weights of its own.
  public var heads: Int

  /// Names every extent.
  public init(batch: Int, places: Int, channels: Int, heads: Int) {
    (self.batch, self.places, self.channels, self.heads) = (batch, places, channels, heads)
  }

  var head: Int { channels / heads }
  var paddedHead: Int { (head + 15) & ~15 }
  var paddedPlaces: Int { (places + 63) & ~63 }

  /// The floats that keys, or values, take: of each head a matrix in whole vectors.
  public var words: Int { batch * heads * max(head, paddedHead) * paddedPlaces }

  /// The floats of scratch memory: a query, its scores, and its mean of values.
  public var workspace: Int { paddedPlaces + 2 * paddedHead }
}

/// One step of causal attention: notes key and value of place `position`, and has its query attend to
/// all places up to it.
///
/// query, key, value and y are `[batch, channels]`. The caches are the kernel's own: keys as
/// `[batch, heads, blocks of 64 places, channels of a head, 64]`, values as `[batch, heads, places,
/// channels of a head]`, padded to whole vectors; zeros at first.
public func attendNext(
  _ g: AttentionCacheGeometry, position: Int, query: UnsafePointer<Float>,
  key: UnsafePointer<Float>, value: UnsafePointer<Float>, keys: UnsafeMutablePointer<Float>,
  values: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  precondition((0..<g.places).contains(position), "place \(position) of \(g.places)")
  let (head, padded, places) = (g.head, g.paddedHead, g.paddedPlaces)
  let matrix = padded * places
  let scale = 1 / Float(head).squareRoot()
  let scores = workspace
  let scaled = scores + places
  let mean = scaled + padded
  let seen = position + 1
  let columns = (seen + 15) & ~15
  for n in 0..<g.batch {
    for h in 0..<g.heads {
      let place = n * g.channels + h * head
      let (k, v) = (keys + (n * g.heads + h) * matrix, values + (n * g.heads + h) * matrix)
      let noted = k + (position / 64 * 64 * padded + position % 64)
      for c in 0..<head { noted[c * 64] = key[place + c] }
      for c in vectors(head) { (v + position * padded)[c] = (value + place)[c] }
      for c in vectors(head) { scaled[c] = (query + place)[c] * scale }
      for first in stride(from: 0, to: columns, by: 64) {
        rowProduct(
          columns: min(64, columns - first), inner: head, scaled, k + first * padded, stride: 64,
          into: scores + first)
      }
      for j in seen..<columns { scores[j] = -.infinity }
      var highest = scores.vector(0)
      for j in stride(from: 16, to: columns, by: 16) { highest = larger(highest, scores.vector(j)) }
      let top = largestLane(highest)
      var total = SIMD16<Double>.zero
      for j in stride(from: 0, to: columns, by: 16) {
        let weights = exponential(scores.vector(j) - top)
        scores.store(weights, at: j)
        total += doubles(weights)
      }
      rowProduct(columns: padded, inner: seen, scores, v, stride: padded, into: mean)
      let share = Float(1 / sum(total))
      for c in vectors(head) { (y + place)[c] = mean[c] * share }
    }
  }
}

/// y[j] = the sum over k of x[k] b[k, j]: a row times a matrix of whole vectors.
@inline(__always)
private func rowProduct(
  columns: Int, inner: Int, _ x: UnsafePointer<Float>, _ b: UnsafePointer<Float>, stride: Int,
  into y: UnsafeMutablePointer<Float>
) {
  var column = 0
  while column &+ 64 <= columns {
    RegisterTile<1, 4>.multiply(
      inner: inner, x, row: 0, term: 1, b + column, stride: stride, into: y + column, leading: 0,
      accumulate: false, ahead: 2048)
    column &+= 64
  }
  while column < columns {
    RegisterTile<1, 1>.multiply(
      inner: inner, x, row: 0, term: 1, b + column, stride: stride, into: y + column, leading: 0,
      accumulate: false)
    column &+= 16
  }
}
