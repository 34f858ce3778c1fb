import Autodiff
import Configuration
import Datasets
import Execution
import Kernels
import Layers
import Reports
import Tokenizers
import Training

/// One shape of convolution: the three products of a training step, in effective GFLOP/s, beside
/// bare matrix products of the same extents.
struct ConvolutionRates: Codable {
  /// The image, `[N, H, W, C]`.
  let image: [Int]
  /// The filter, `[kh, kw, in, out]`.
  let filter: [Int]
  /// Pixels that the filter moves.
  let stride: Int
  /// How many layers of the network have it.
  let layers: Int
  /// Effective GFLOP/s of the value, of the image's gradient and of the filter's.
  let forward: Double
  let imageGradient: Double
  let filterGradient: Double
  /// GFLOP/s of the products of im2row: `[pixels, taps] [taps, out]` and its two adjoints.
  let product: Double
  let imageProduct: Double
  let filterProduct: Double

  /// Images of a replay.
  private static let batch = 8

  private struct Key: Hashable {
    let convolution: Convolution
    let image: Shape
    let filter: Shape
  }

  /// Measures every shape of convolution of a network, as its plan has them.
  static func measure(_ preset: Preset) throws -> [ConvolutionRates] {
    let run = try preset.configuration()
    let graph = Graph()
    let tokenizer = Tokenizer(run.tokenizer, in: Scope(graph))
    let side = run.data.imageSize
    let result = tokenizer(graph.input("images", [batch, side, side, 3]))
    let plan = Plan(graph, outputs: ["images": result.images]) { _, _, _ in 0 }
    var layers: [Key: Int] = [:]
    var keys: [Key] = []
    for instruction in plan.instructions {
      guard let convolution = instruction.operation as? Convolution else { continue }
      let key = Key(
        convolution: convolution, image: instruction.inputs[0].shape,
        filter: instruction.inputs[1].shape)
      if layers[key] == nil { keys.append(key) }
      layers[key, default: 0] += 1
    }
    return keys.map { key in
      say("\(preset.rawValue): convolution \(key.filter) of \(key.image)")
      return measure(key, layers: layers[key]!)
    }
  }

  private static func measure(_ key: Key, layers: Int) -> ConvolutionRates {
    let graph = Graph()
    let scope = Scope(graph)
    // A parameter in the sum makes the image one whose gradient is wanted.
    let x = graph.input("x", key.image) + scope.parameter("p", key.image, .constant(0))
    let bound = 1 / Float(key.filter[0] * key.filter[1] * key.filter[2]).squareRoot()
    let filter = scope.parameter("w", key.filter, .uniform(bound: bound), layout: .convolution)
    let bias = scope.parameter("b", [key.filter[3]], .constant(0))
    let y = x.convolved(with: filter, bias: bias, key.convolution)
    graph.differentiate(meanSquaredError(y, graph.input("t", y.shape)))
    let rows = TracedGraph(graph).rows()
    func rate(_ name: String) -> Double {
      // A kind begins with the name of its operation, and extents of the filter follow.
      let row = rows.first { row in
        row.name.hasPrefix(name + " ") && row.name.dropFirst(name.count + 1).first!.isNumber
      }
      return row.map { Double($0.cost.operations) / $0.seconds / 1e9 } ?? 0
    }
    let (pixels, taps) = (y.shape.rows / batch, key.filter[0] * key.filter[1] * key.filter[2])
    let outputs = key.filter[3]
    return ConvolutionRates(
      image: key.image.dimensions, filter: key.filter.dimensions, stride: key.convolution.stride,
      layers: layers, forward: rate("convolution"),
      imageGradient: rate("convolution image gradient"),
      filterGradient: rate("convolution filter gradient"),
      product: BareProduct.rate(pixels, outputs, taps),
      imageProduct: BareProduct.rate(pixels, taps, outputs, transposesSecond: true),
      filterProduct: BareProduct.rate(taps, outputs, pixels, transposesFirst: true))
  }

  /// The shapes of a network, as Markdown.
  static func table(_ preset: Preset, _ rates: [ConvolutionRates]) -> String {
    var table = MarkdownTable(
      [
        "\(preset.rawValue): image", "filter", "layers", "forward", "image gradient",
        "filter gradient", "sgemm forward", "sgemm image", "sgemm filter",
      ], textColumns: 2)
    for rate in rates {
      let stride = rate.stride == 1 ? "" : " / \(rate.stride)"
      table.add(
        [
          rate.image.map(String.init).joined(separator: "x"),
          rate.filter.map(String.init).joined(separator: "x") + stride, String(rate.layers),
        ]
          + [
            rate.forward, rate.imageGradient, rate.filterGradient, rate.product,
            rate.imageProduct, rate.filterProduct,
          ].map { Cell.decimals($0, 0) })
    }
    return table.text
      + "\n\nOne thread. Effective GFLOP/s, counting what direct convolution computes; sgemm is "
      + "OpenBLAS alone on a patch matrix of one image that is there already."
  }
}

/// OpenBLAS's sgemm by itself.
enum BareProduct {
  /// GFLOP/s of `op(A) op(B)`, `[m, k]` times `[k, n]`.
  static func rate(
    _ m: Int, _ n: Int, _ k: Int, transposesFirst: Bool = false, transposesSecond: Bool = false
  ) -> Double {
    let (a, b) = (randomNumbers(m * k), randomNumbers(k * n))
    var c = [Float](repeating: 0, count: m * n)
    let seconds = medianSeconds(atLeast: 0.1) {
      gemm(
        m, n, k, a, leading: transposesFirst ? m : k, transposed: transposesFirst, b,
        leading: transposesSecond ? k : n, transposed: transposesSecond, into: &c, leading: n)
    }
    return 2 * Double(m * n * k) / seconds / 1e9
  }
}
