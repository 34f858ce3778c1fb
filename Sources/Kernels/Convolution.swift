import Forms

/// How a convolution is computed.
public enum ConvolutionAlgorithm: Sendable, Hashable {
  /// By the algorithm that is fastest: Winograd's where it applies, else by patches.
  case fastest
  /// By patches always: the definition as a matrix product, to hold the other against.
  case patches
}

/// The sizes of a convolution: image [N, H, W, I], filter [kh, kw, I, O], output [N, H', W', O].
public struct ConvolutionGeometry: Sendable, Hashable {
  /// The number of images, N.
  public var batch: Int
  /// The height of an image, H.
  public var height: Int
  /// The width of an image, W.
  public var width: Int
  /// The channels of an image, I.
  public var inputs: Int
  /// The channels of the output, O.
  public var outputs: Int
  /// The height of the filter, kh.
  public var kernelHeight: Int
  /// The width of the filter, kw.
  public var kernelWidth: Int
  /// The pixels from one window to the next, both ways.
  public var stride: Int
  /// Rows of zeros above the image.
  public var top: Int
  /// Rows of zeros below the image.
  public var bottom: Int
  /// Columns of zeros left of the image.
  public var left: Int
  /// Columns of zeros right of the image.
  public var right: Int
  /// How it is computed.
  public var algorithm = ConvolutionAlgorithm.fastest

  /// Names every size.
  public init(
    batch: Int, height: Int, width: Int, inputs: Int, outputs: Int, kernelHeight: Int,
    kernelWidth: Int, stride: Int, top: Int, bottom: Int, left: Int, right: Int
  ) {
    self.batch = batch
    self.height = height
    self.width = width
    self.inputs = inputs
    self.outputs = outputs
    self.kernelHeight = kernelHeight
    self.kernelWidth = kernelWidth
    self.stride = stride
    self.top = top
    self.bottom = bottom
    self.left = left
    self.right = right
  }

  /// H' = (H + top + bottom - kh) / stride + 1, or 0 where the filter does not fit.
  public var outputHeight: Int { windows(height + top + bottom - kernelHeight) }

  /// W' = (W + left + right - kw) / stride + 1, or 0 where the filter does not fit.
  public var outputWidth: Int { windows(width + left + right - kernelWidth) }

  /// The floats of scratch memory that any of the three convolution functions needs.
  ///
  /// Bounded by the block of patches or tiles and the filter, not by the image.
  public var workspace: Int {
    let forward = WinogradTiles(self)?.workspace ?? PatchWorkspace(self).words
    let backward = mirror.flatMap(WinogradTiles.init)?.workspace ?? PatchWorkspace(self).words
    return max(forward, backward)
  }

  /// The phases in which threads share `convolve`: the filter is transformed, then it is applied.
  ///
  /// What patches are multiplied with is cheap to pack, and each thread does so itself.
  public var phases: Int { WinogradTiles(self) == nil ? 1 : 2 }

  /// The floats of a filter from `prepareFilter`.
  public var preparedWords: Int {
    WinogradTiles(self)?.filterWords ?? PatchWorkspace(self).filter.words
  }

  private func windows(_ slack: Int) -> Int { slack < 0 ? 0 : slack / stride + 1 }

  /// Output pixels, N H' W'.
  var pixels: Int { batch * outputHeight * outputWidth }

  /// Floats under one window, kh kw I.
  var patch: Int { kernelHeight * kernelWidth * inputs }

  /// Whether the image is its own patch matrix.
  var isPointwise: Bool {
    kernelHeight == 1 && kernelWidth == 1 && stride == 1
      && top == 0 && bottom == 0 && left == 0 && right == 0
  }

  /// Output pixels whose patches are gathered at a time.
  ///
  /// 384 KiB of patches, so that they stay in a second cache of 512 KiB, but 128 rows at least, so
  /// that the filter is not read too often. Chosen by measurement when BLAS computed the products.
  var block: Int { max(128, min(1024, 98_304 / max(patch, 1)) & ~7) }

  /// The convolution that takes output gradients to image gradients, with the filter mirrored: for
  /// stride 1 and paddings narrower than the filter, else none.
  var mirror: ConvolutionGeometry? {
    guard stride == 1, max(top, bottom) < kernelHeight, max(left, right) < kernelWidth,
      pixels > 0
    else { return nil }
    var mirror = ConvolutionGeometry(
      batch: batch, height: outputHeight, width: outputWidth, inputs: outputs, outputs: inputs,
      kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: 1,
      top: kernelHeight - 1 - top, bottom: kernelHeight - 1 - bottom,
      left: kernelWidth - 1 - left, right: kernelWidth - 1 - right)
    mirror.algorithm = algorithm
    return mirror
  }
}

/// output[n, v, u, o] = bias[o] + the sum over j, i, c of
/// image[n, v s + j - top, u s + i - left, c] filter[j, i, c, o], zero outside the image.
///
/// image [N, H, W, I], filter [kh, kw, I, O], bias [O] or none, output [N, H', W', O].
///
/// - Parameters:
///   - share: what is computed, of `ConvolutionGeometry.phases` phases.
///   - shared: the workspace of the first share; the share's own where there is no other.
public func convolve(
  _ g: ConvolutionGeometry, image: UnsafePointer<Float>, filter: UnsafePointer<Float>,
  bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>, share: WorkShare = .whole,
  shared: UnsafeMutablePointer<Float>? = nil
) {
  if let tiles = WinogradTiles(g) {
    tiles.convolve(
      image: image, filter: filter, mirrored: false, bias: bias, into: output,
      workspace: workspace, share: share, shared: shared ?? workspace)
  } else {
    convolveByPatches(
      g, image: image, filter: filter, bias: bias, into: output, workspace: workspace, share: share)
  }
}

/// The same with a filter from `prepareFilter`, bit by bit; in one phase.
public func convolve(
  _ g: ConvolutionGeometry, image: UnsafePointer<Float>, preparedFilter: UnsafePointer<Float>,
  bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>, share: WorkShare = .whole
) {
  if let tiles = WinogradTiles(g) {
    tiles.convolve(
      image: image, transformed: preparedFilter, bias: bias, into: output, workspace: workspace,
      share: share)
  } else {
    convolveByPatches(
      g, image: image, packed: preparedFilter, bias: bias, into: output, workspace: workspace,
      share: share)
  }
}

/// Transforms or packs a filter `[kh, kw, I, O]`, to `ConvolutionGeometry.preparedWords` floats.
public func prepareFilter(
  _ g: ConvolutionGeometry, _ filter: UnsafePointer<Float>,
  into prepared: UnsafeMutablePointer<Float>
) {
  if let tiles = WinogradTiles(g) {
    tiles.transform(filter, into: prepared)
  } else {
    PatchWorkspace(g).filter.pack(filter, into: prepared)
  }
}

/// imageGradient = the gradient with respect to the image, given that of the output; overwrites.
///
/// imageGradient[n, v s + j - top, u s + i - left, c] collects
/// outputGradient[n, v, u, o] filter[j, i, c, o] over all v, u, j, i, o.
public func convolveImageGradient(
  _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>, filter: UnsafePointer<Float>,
  into imageGradient: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
) {
  if let mirror = g.mirror, let tiles = WinogradTiles(mirror) {
    tiles.convolve(
      image: outputGradient, filter: filter, mirrored: true, bias: nil, into: imageGradient,
      workspace: workspace)
  } else {
    convolveImageGradientByPatches(
      g, outputGradient: outputGradient, filter: filter, into: imageGradient,
      workspace: workspace)
  }
}

/// filterGradient = the gradient with respect to the filter, given that of the output, and
/// biasGradient = that with respect to the bias, if it is wanted.
///
/// Each overwrites, or adds where told to accumulate.
/// filterGradient[j, i, c, o] is the sum over n, v, u of
/// image[n, v s + j - top, u s + i - left, c] outputGradient[n, v, u, o]; biasGradient[o] is that
/// of outputGradient[n, v, u, o].
public func convolveFilterGradient(
  _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>, image: UnsafePointer<Float>,
  into filterGradient: UnsafeMutablePointer<Float>, accumulate: Bool,
  bias biasGradient: UnsafeMutablePointer<Float>? = nil, accumulateBias: Bool = false,
  workspace: UnsafeMutablePointer<Float>
) {
  if !accumulate { fill(count: g.patch * g.outputs, with: 0, into: filterGradient) }
  if !accumulateBias, let biasGradient { fill(count: g.outputs, with: 0, into: biasGradient) }
  if let tiles = WinogradTiles(g) {
    tiles.addFilterGradient(
      outputGradient: outputGradient, image: image, into: filterGradient, bias: biasGradient,
      workspace: workspace)
  } else {
    addFilterGradientByPatches(
      g, outputGradient: outputGradient, image: image, into: filterGradient, bias: biasGradient,
      workspace: workspace)
  }
}
