/// y = x with axes in another order, word by word, so that indices may be moved too.
///
/// - Parameters:
///   - rank: the number of axes.
///   - counts: the extents of y, outermost first.
///   - strides: for each axis of y, how far apart in x its neighbours lie.
public func permute(
  rank: Int, counts: UnsafePointer<Int>, strides: UnsafePointer<Int>, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  guard rank > 0 else {
    y[0] = x[0]
    return
  }
  var target = y
  permute(rank, counts, strides, x, &target)
}

/// Writes what lies behind one place of the outer axes, and moves the target behind it.
private func permute(
  _ rank: Int, _ counts: UnsafePointer<Int>, _ strides: UnsafePointer<Int>,
  _ x: UnsafePointer<Float>, _ target: inout UnsafeMutablePointer<Float>
) {
  let (count, stride) = (counts[0], strides[0])
  if rank > 1 {
    for i in 0..<count { permute(rank - 1, counts + 1, strides + 1, x + i * stride, &target) }
    return
  }
  if stride == 1 {
    copy(count, x, into: target)
  } else {
    for i in 0..<count { target[i] = x[i * stride] }
  }
  target += count
}
