extension Tensor {
  /// Some neighbouring positions of one axis, of numbers or indices: `[..., n, ...]` to
  /// `[..., range.count, ...]`.
  ///
  /// - Parameters:
  ///   - range: the positions, at least one.
  ///   - axis: the axis; -1 is the innermost.
  public func slice(_ range: Range<Int>, axis: Int) -> Tensor {
    let axis = checkedAxis(axis, "slice")
    if range.isEmpty || range.lowerBound < 0 || range.upperBound > shape[axis] {
      fatalError("cannot slice \(range) of axis \(axis) of \(shape)")
    }
    // The axes behind are one row with it, of which the slice is a range of channels.
    let (outer, inner) = extents(around: axis)
    var dimensions = shape.dimensions
    dimensions[axis] = range.count
    return reshaped([outer, shape[axis] * inner])
      .channels(range.lowerBound * inner..<range.upperBound * inner)
      .reshaped(Shape(dimensions))
  }

  /// Several tensors one behind the other along one axis, of numbers or indices; their other extents
  /// are the same.
  ///
  /// - Parameter axis: the axis; -1 is the innermost.
  public static func concatenating(_ parts: [Tensor], axis: Int) -> Tensor {
    let axis = parts[0].checkedAxis(axis, "concatenate")
    for part in parts {
      var dimensions = part.shape.dimensions
      if dimensions.indices.contains(axis) { dimensions[axis] = parts[0].shape[axis] }
      if dimensions != parts[0].shape.dimensions {
        fatalError("cannot concatenate \(part.shape) to \(parts[0].shape) along axis \(axis)")
      }
    }
    var dimensions = parts[0].shape.dimensions
    dimensions[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    let (outer, inner) = parts[0].extents(around: axis)
    let rows = parts.map { $0.reshaped([outer, $0.shape[axis] * inner]) }
    return concatenatingChannels(of: rows).reshaped(Shape(dimensions))
  }

  private func checkedAxis(_ axis: Int, _ verb: String) -> Int {
    let position = position(ofAxis: axis)
    if !shape.dimensions.indices.contains(position) {
      fatalError("cannot \(verb) along axis \(axis) of \(shape)")
    }
    return position
  }

  /// The elements in front of an axis and behind it.
  private func extents(around axis: Int) -> (outer: Int, inner: Int) {
    (shape.dimensions[..<axis].reduce(1, *), shape.dimensions[(axis + 1)...].reduce(1, *))
  }
}
