/// Convolves an NHWC image with an HWIO filter, padding with zeros.
///
///     y[n, i, j, o] = bias[o] + sum over (a, b, c) of
///                     x[n, i * stride + a - top, j * stride + b - left, c] * filter[a, b, c, o]
///
/// `x` is `[N, H, W, I]`, the filter `[kh, kw, I, O]`, the bias `[O]`, the result `[N, H', W', O]`
/// with `H' = (H + top + bottom - kh) / stride + 1`. A 1x1 filter makes it a linear map of the
/// channels of each pixel.
public struct Convolution: Operator {
  /// Pixels that the filter moves between results.
  public var stride: Int
  /// Rows of zeros above and below, columns of zeros left and right.
  public var padding: Padding

  /// A convolution with a stride and zeros around the image.
  public init(stride: Int = 1, padding: Padding = Padding()) {
    self.stride = stride
    self.padding = padding
  }

  /// Zeros around an image.
  public struct Padding: Sendable, Hashable {
    /// Rows above.
    public var top = 0
    /// Rows below.
    public var bottom = 0
    /// Columns on the left.
    public var left = 0
    /// Columns on the right.
    public var right = 0

    /// The given number of rows and columns on each side.
    public init(top: Int = 0, bottom: Int = 0, left: Int = 0, right: Int = 0) {
      (self.top, self.bottom, self.left, self.right) = (top, bottom, left, right)
    }

    /// The same number on all four sides.
    public init(all: Int) {
      self.init(top: all, bottom: all, left: all, right: all)
    }
  }

  /// The extents of the filter, and the stride where it is not 1.
  public func variant(inputs: [Shape]) -> String { variant(filter: inputs[1]) }

  /// The extents of a filter, and the stride where it is not 1.
  func variant(filter: Shape) -> String {
    " \(filter[0])x\(filter[1])" + (stride == 1 ? "" : ", stride \(stride)")
  }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let (x, filter) = (inputs[0].shape, inputs[1].shape)
    try require(x.rank == 4, "needs an image [N, H, W, C]")
    try require(filter.rank == 4, "needs a filter [kh, kw, in, out]")
    try require(
      x[3] == filter[2], "has a filter for \(filter[2]) channels, the image has \(x[3])")
    if inputs.count > 2 {
      try require(inputs[2].shape == [filter[3]], "needs a bias of \(filter[3]) elements")
    }
    try require(stride >= 1, "needs a stride of at least 1")
    let height = (x[1] + padding.top + padding.bottom - filter[0]) / stride + 1
    let width = (x[2] + padding.left + padding.right - filter[1]) / stride + 1
    try require(
      x[1] + padding.top + padding.bottom >= filter[0]
        && x[2] + padding.left + padding.right >= filter[1],
      "has a filter larger than the padded image")
    return [OutputDeclaration([x[0], height, width, filter[3]])]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let (g, x, filter) = (context.gradient, context.inputs[0], context.inputs[1])
    let hasBias = context.inputs.count > 2
    var parts: [Tensor?] = Array(repeating: nil, count: context.inputs.count)
    if context.isNeeded[1] || hasBias && context.isNeeded[2] {
      let rule = ConvolutionFilterGradient(
        convolution: self, filter: filter.shape, hasBias: hasBias)
      let results = g.graph.append(rule, [g, x.recomputed])
      if context.isNeeded[1] { parts[1] = results[0] }
      if hasBias && context.isNeeded[2] { parts[2] = results[1] }
    }
    if context.isNeeded[0] {
      parts[0] = g.apply(
        ConvolutionImageGradient(convolution: self, image: x.shape), filter)
    }
    return parts
  }

  /// One for each product that is summed.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    Self.multiplyAdds(output: outputs[0], filter: inputs[1])
  }

  /// `N H' W' O kh kw I`: the padding counts as pixels, and the gradients cost the same.
  static func multiplyAdds(output: Shape, filter: Shape) -> Int {
    output.count * filter[0] * filter[1] * filter[2]
  }
}

/// The gradient of a convolution with respect to its image: the adjoint, applied to the
/// upstream gradient and the filter.
public struct ConvolutionImageGradient: Operator {
  /// The convolution that is differentiated.
  public let convolution: Convolution
  /// The extents of its image.
  public let image: Shape

  /// The extents of the filter, and the stride where it is not 1.
  public func variant(inputs: [Shape]) -> String { convolution.variant(filter: inputs[1]) }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration(image)]
  }

  /// One for each product that is summed.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    Convolution.multiplyAdds(output: inputs[0], filter: inputs[1])
  }
}

/// The gradient of a convolution with respect to its filter, from the upstream gradient and the
/// image, and with respect to its bias: the sum of the upstream gradient over all pixels.
public struct ConvolutionFilterGradient: Operator {
  /// The convolution that is differentiated.
  public let convolution: Convolution
  /// The extents of its filter.
  public let filter: Shape
  /// Whether there is a bias, whose gradient is the second output.
  public let hasBias: Bool

  /// All can.
  public func accumulates(output: Int) -> Bool { true }

  /// The extents of the filter, and the stride where it is not 1.
  public func variant(inputs: [Shape]) -> String { convolution.variant(filter: filter) }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration(filter)] + (hasBias ? [OutputDeclaration([filter[3]])] : [])
  }

  /// One for each product that is summed.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    Convolution.multiplyAdds(output: inputs[0], filter: filter)
  }
}

extension Tensor {
  /// This image convolved with a filter, plus a bias.
  public func convolved(with filter: Tensor, bias: Tensor?, _ convolution: Convolution) -> Tensor {
    graph.append(convolution, [self, filter] + (bias.map { [$0] } ?? []))[0]
  }
}
