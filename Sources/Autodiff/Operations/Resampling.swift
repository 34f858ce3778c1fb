// MARK: - Pooling

extension Tensor {
  /// The mean of each block of `size * size` pixels: `[N, H, W, C]` to `[N, H / size, W / size, C]`.
  ///
  /// Rows and columns that fill no block are left out.
  public func averagePooled(by size: Int) -> Tensor {
    pooled(by: size) { $0.mean(axis: $1) }
  }

  /// The largest value of each block of `size * size` pixels, channel by channel: `[N, H, W, C]` to
  /// `[N, H / size, W / size, C]`.
  ///
  /// Rows and columns that fill no block are left out. Values of a row of a block that share the maximum
  /// share its gradient, and so do rows.
  public func maximumPooled(by size: Int) -> Tensor {
    pooled(by: size) { $0.maximum(axis: $1) }
  }

  private func pooled(by size: Int, _ reduce: (Tensor, _ axis: Int) -> Tensor) -> Tensor {
    guard shape.rank == 4, size >= 1, shape[1] >= size, shape[2] >= size else {
      return graph.refuse(
        "cannot pool blocks of \(size)x\(size) of \(shape); it takes [N, H, W, C]", like: self)
    }
    let (height, width) = (shape[1] / size, shape[2] / size)
    var x = self
    if height * size < shape[1] { x = x.slice(0..<height * size, axis: 1) }
    if width * size < shape[2] { x = x.slice(0..<width * size, axis: 2) }
    x = x.reshaped([shape[0] * height, size, width * size, shape[3]])
    x = reduce(x, 1).reshaped([shape[0] * height, width, size, shape[3]])
    return reduce(x, 2).reshaped([shape[0], height, width, shape[3]])
  }
}

// MARK: - Upsampling

/// Repeats each pixel `factor` times in both directions.
///
/// `[N, H, W, C]` becomes `[N, factor * H, factor * W, C]`.
public struct NearestUpsampling: Operator {
  /// How often each pixel is repeated.
  public let factor: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(x.rank == 4, "needs an image [N, H, W, C]")
    try require(factor >= 1, "needs a factor of at least 1")
    return [OutputDeclaration([x[0], x[1] * factor, x[2] * factor, x[3]])]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(NearestUpsamplingGradient(factor: factor))]
  }
}

/// Sums each block of `factor * factor` pixels: the adjoint of nearest upsampling.
public struct NearestUpsamplingGradient: Operator {
  /// The side of a block.
  public let factor: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    return [OutputDeclaration([x[0], x[1] / factor, x[2] / factor, x[3]])]
  }
}

extension Tensor {
  /// This image with each pixel repeated in both directions.
  public func upsampled(by factor: Int) -> Tensor {
    apply(NearestUpsampling(factor: factor))
  }
}

// MARK: - Pixels as channels

extension Tensor {
  /// Squares of `size * size` pixels as channels: `[N, H, W, C]` to `[N, H / size, W / size, C size^2]`.
  ///
  /// Channel `(c size + r) size + s` is pixel (r, s) of channel c, as in PyTorch's `pixel_unshuffle`. The sides are
  /// multiples of `size`.
  public func unshuffled(by size: Int) -> Tensor {
    if size == 1 { return self }
    guard shape.rank == 4, size > 1, shape[1] % size == 0, shape[2] % size == 0 else {
      return graph.refuse(
        "cannot make channels of squares of \(size)x\(size) pixels of \(shape); it takes [N, H, W, C]",
        like: self)
    }
    let (n, h, w, c) = (shape[0], shape[1] / size, shape[2] / size, shape[3])
    return reshaped([n * h, size, w, size, c]).permuted([0, 2, 4, 1, 3])
      .reshaped([n, h, w, c * size * size])
  }

  /// Channels as squares of `size * size` pixels: undoes ``unshuffled(by:)``.
  public func shuffled(by size: Int) -> Tensor {
    if size == 1 { return self }
    guard let (n, h, w, c) = blocks(of: size) else {
      return graph.refuse(
        "cannot make squares of \(size)x\(size) pixels of the channels of \(shape)", like: self)
    }
    return reshaped([n * h, w, c, size, size]).permuted([0, 3, 1, 4, 2])
      .reshaped([n, h * size, w * size, c])
  }

  /// Channels as squares of `size * size` pixels: channel `(r size + s) C + c` is pixel (r, s) of channel c,
  /// as in TensorFlow's `depth_to_space`.
  public func depthToSpace(by size: Int) -> Tensor {
    guard let (n, h, w, c) = blocks(of: size) else {
      return graph.refuse(
        "cannot make squares of \(size)x\(size) pixels of the channels of \(shape)", like: self)
    }
    return reshaped([n * h, w, size, size, c]).permuted([0, 2, 1, 3, 4])
      .reshaped([n, h * size, w * size, c])
  }

  private func blocks(of size: Int) -> (n: Int, h: Int, w: Int, c: Int)? {
    guard shape.rank == 4, size >= 1, shape[3] % (size * size) == 0 else { return nil }
    return (shape[0], shape[1], shape[2], shape[3] / (size * size))
  }
}
