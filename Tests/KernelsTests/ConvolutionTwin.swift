import Kernels

/// The sizes of a convolution in short.
func geometry(
  _ batch: Int, _ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int,
  kernel: (Int, Int), stride: Int = 1, padding: (Int, Int, Int, Int) = (0, 0, 0, 0)
) -> ConvolutionGeometry {
  ConvolutionGeometry(
    batch: batch, height: height, width: width, inputs: inputs, outputs: outputs,
    kernelHeight: kernel.0, kernelWidth: kernel.1, stride: stride, top: padding.0,
    bottom: padding.1, left: padding.2, right: padding.3)
}

extension ConvolutionGeometry {
  /// The floats of the image.
  var imageCount: Int { batch * height * width * inputs }
  /// The floats of the filter.
  var filterCount: Int { kernelHeight * kernelWidth * inputs * outputs }
  /// The floats of the output.
  var outputCount: Int { batch * outputHeight * outputWidth * outputs }
}

/// What a convolution is computed from, and its gradients.
struct ConvolutionData {
  var image, filter, bias, gradient: [Float]

  /// Noise.
  init(_ g: ConvolutionGeometry) {
    image = noise(g.imageCount, seed: 1)
    filter = noise(g.filterCount, seed: 2)
    bias = noise(g.outputs, seed: 3)
    gradient = noise(g.outputCount, seed: 4)
  }
}

/// The slow twin of convolution and its gradients: the definition in double precision.
struct ConvolutionTwin {
  /// Without bias.
  var output: [Double]
  var imageGradient, filterGradient, biasGradient: [Double]

  init(_ g: ConvolutionGeometry, _ data: ConvolutionData) {
    var output = [Double](repeating: 0, count: data.gradient.count)
    var imageGradient = [Double](repeating: 0, count: data.image.count)
    var filterGradient = [Double](repeating: 0, count: data.filter.count)
    Self.eachTerm(g) { image, filter, out in
      output[out] += Double(data.image[image]) * Double(data.filter[filter])
      imageGradient[image] += Double(data.gradient[out]) * Double(data.filter[filter])
      filterGradient[filter] += Double(data.gradient[out]) * Double(data.image[image])
    }
    biasGradient = [Double](repeating: 0, count: g.outputs)
    for i in data.gradient.indices { biasGradient[i % g.outputs] += Double(data.gradient[i]) }
    (self.output, self.imageGradient) = (output, imageGradient)
    self.filterGradient = filterGradient
  }

  /// The definition: each product of an image value and a filter value, and where it is added.
  static func eachTerm(
    _ g: ConvolutionGeometry, _ body: (_ image: Int, _ filter: Int, _ output: Int) -> Void
  ) {
    for n in 0..<g.batch {
      for v in 0..<g.outputHeight {
        for u in 0..<g.outputWidth {
          for j in 0..<g.kernelHeight {
            for i in 0..<g.kernelWidth {
              let (y, x) = (v * g.stride + j - g.top, u * g.stride + i - g.left)
              guard 0 <= y, y < g.height, 0 <= x, x < g.width else { continue }
              for c in 0..<g.inputs {
                for o in 0..<g.outputs {
                  body(
                    ((n * g.height + y) * g.width + x) * g.inputs + c,
                    ((j * g.kernelWidth + i) * g.inputs + c) * g.outputs + o,
                    ((n * g.outputHeight + v) * g.outputWidth + u) * g.outputs + o)
                }
              }
            }
          }
        }
      }
    }
  }
}
