/// Fewer points for the same picture.
public enum Downsampling {
  /// At most about `count` points, among them the lowest and the highest of every stretch.
  ///
  /// The horizontal axis is cut into `count / 2` stretches of equal length on `scale`; of each its
  /// lowest and its highest point stay, in the order of the curve, so that no spike is lost. First
  /// and last point stay too, and one point of every gap. The points' `x` must not fall.
  public static func extremes(_ points: [Point], atMost count: Int, along scale: Scale) -> [Point] {
    let count = max(4, count)
    guard points.count > count else { return points }
    let stretches = count / 2
    var result: [Point] = []
    result.reserveCapacity(count + 8)
    var start = 0
    while start < points.count {
      let stretch = index(points[start].x, scale, stretches)
      var end = start + 1
      while end < points.count, index(points[end].x, scale, stretches) == stretch { end += 1 }
      append(points[start..<end], to: &result)
      start = end
    }
    if let first = points.first, result.first != first, first.y.isFinite {
      result.insert(first, at: 0)
    }
    if let last = points.last, result.last != last, last.y.isFinite { result.append(last) }
    return result
  }

  private static func index(_ x: Double, _ scale: Scale, _ stretches: Int) -> Int {
    let place = scale.position(x) * Double(stretches)
    guard place.isFinite else { return -1 }
    return Int(min(max(place.rounded(.down), -1), Double(stretches)))
  }

  private static func append(_ stretch: ArraySlice<Point>, to result: inout [Point]) {
    var kept: [Int] = []
    var (low, high, gap): (Int?, Int?, Int?) = (nil, nil, nil)
    for index in stretch.indices {
      let y = stretch[index].y
      guard y.isFinite else {
        gap = gap ?? index
        continue
      }
      if low.map({ y < stretch[$0].y }) ?? true { low = index }
      if high.map({ y > stretch[$0].y }) ?? true { high = index }
    }
    for index in [low, high, gap] {
      if let index, !kept.contains(index) { kept.append(index) }
    }
    for index in kept.sorted() { result.append(stretch[index]) }
  }
}
