import Kernels

/// Calls the three convolution functions, with and without bias, on buffers that lie where `place`
/// puts their contents: NaN where something is to be written, `scratch` in the workspaces.
func convolveAll(
  _ g: ConvolutionGeometry, _ data: ConvolutionData, scratch: Float = .nan,
  place: (_ name: String, [Float]) -> UnsafeMutablePointer<Float>
) {
  func unset(_ name: String, _ count: Int) -> UnsafeMutablePointer<Float> {
    place(name, [Float](repeating: .nan, count: count))
  }
  func workspace(_ user: String) -> UnsafeMutablePointer<Float> {
    place("workspace of \(user)", [Float](repeating: scratch, count: g.workspace))
  }
  let (image, filter) = (place("image", data.image), place("filter", data.filter))
  let (bias, gradient) = (place("bias", data.bias), place("gradient", data.gradient))
  convolve(
    g, image: image, filter: filter, bias: bias, into: unset("output", g.outputCount),
    workspace: workspace("output"))
  convolve(
    g, image: image, filter: filter, bias: nil, into: unset("output without bias", g.outputCount),
    workspace: workspace("output without bias"))
  convolveImageGradient(
    g, outputGradient: gradient, filter: filter, into: unset("image gradient", g.imageCount),
    workspace: workspace("image gradient"))
  convolveFilterGradient(
    g, outputGradient: gradient, image: image, into: unset("filter gradient", g.filterCount),
    accumulate: false, bias: unset("bias gradient", g.outputs), accumulateBias: false,
    workspace: workspace("filter gradient"))
}

/// What the three functions make of `data`.
struct ConvolutionResults {
  let output, bare, imageGradient, filterGradient, biasGradient: [Float]
  /// The inputs after all calls.
  let inputs: [String: [Float]]
  /// How many floats were written outside of each buffer.
  let damage: [String: Int]

  init(_ g: ConvolutionGeometry, _ data: ConvolutionData, scratch: Float = .nan) {
    var buffers: [String: GuardedFloats] = [:]
    convolveAll(g, data, scratch: scratch) { name, content in
      let buffer = GuardedFloats(content)
      buffers[name] = buffer
      return buffer.start
    }
    let contents = buffers.mapValues(\.content)
    (output, bare) = (contents["output"]!, contents["output without bias"]!)
    imageGradient = contents["image gradient"]!
    (filterGradient, biasGradient) = (contents["filter gradient"]!, contents["bias gradient"]!)
    inputs = contents.filter { ["image", "filter", "bias", "gradient"].contains($0.key) }
    damage = buffers.mapValues(\.damage).filter { $0.value > 0 }
  }

  /// All results in one.
  var all: [Float] { output + bare + imageGradient + filterGradient + biasGradient }

  /// The relative error of each, in the Euclidean norm.
  func errors(
    _ g: ConvolutionGeometry, _ data: ConvolutionData, _ twin: ConvolutionTwin
  ) -> [String: Double] {
    let biased = twin.output.indices.map { twin.output[$0] + Double(data.bias[$0 % g.outputs]) }
    return [
      "output": relativeError(output, biased),
      "output without bias": relativeError(bare, twin.output),
      "image gradient": relativeError(imageGradient, twin.imageGradient),
      "filter gradient": relativeError(filterGradient, twin.filterGradient),
      "bias gradient": relativeError(biasGradient, twin.biasGradient),
    ]
  }
}

/// What a convolution may be off by, relative in norm: where multiplying and adding are not fused, each
/// product is rounded too.
let convolutionBound = ["x86-64", "x86-64-v2"].contains(kernelLevel) ? 3e-6 : 2e-6

/// The errors of a convolution and its gradients that are not below `bound`.
func inaccuracies(
  _ g: ConvolutionGeometry, above bound: Double = convolutionBound
) -> [String: Double] {
  let data = ConvolutionData(g)
  return ConvolutionResults(g, data).errors(g, data, ConvolutionTwin(g, data))
    .filter { !($0.value < bound) }
}
