import Autodiff
import Files
import Safetensors
import Tokenizers

/// A tokenizer as two files of the Open Neural Network Exchange format.
///
///     encode.onnx   `pixels`, bytes [N, H, W, 3]  ->  `tokens`, int64 [N, h, w] or [N, h, w, depth]
///     decode.onnx   `tokens`                      ->  `pixels`
///
/// N, H and W are free; H and W are multiples of the downsampling. Where nothing is quantized, `latents`, floats
/// `[N, h, w, d]`, take the place of `tokens`; of distributions they are the means. The networks are recorded as
/// for encoding and decoding, and each operation is translated: there is no second description of them, so
/// that compressed layers, all quantizers and all layouts come along.
public struct OnnxExport {
  /// The files that are written; of an encoder alone only the first.
  public var files: [String] { Array(["encode.onnx", "decode.onnx"].prefix(graphs.count)) }

  /// The most bytes of a file: it is one message of Protocol Buffers.
  private static let largestFile = Int(Int32.max)

  /// The numbers of operations of both.
  public var nodeCounts: [Int] { graphs.map(\.nodes.count) }

  private let graphs: [OnnxGraph]

  /// Translates a tokenizer.
  ///
  /// - Parameters:
  ///   - tokenizer: what the weights are of.
  ///   - name: what errors call the checkpoint.
  /// - Throws: where it has an operation that is not known, or more weights than a file holds.
  public init(_ tokenizer: TokenizerConfiguration, name: String) throws(ExportError) {
    var graphs: [OnnxGraph] = []
    for isEncoder in tokenizer.hasDecoder ? [true, false] : [true] {
      let graph = try Self.graph(of: tokenizer, isEncoder: isEncoder)
      // Recorded with other extents it has to become the same.
      let again = try Self.graph(of: tokenizer, isEncoder: isEncoder, skipping: 3)
      guard graph.skeleton.bytes == again.skeleton.bytes else {
        throw ExportError(
          "\(name) has an operation that depends on the size of images, which ONNX export does not know. "
            + "Use python/tessera.py.")
      }
      try Self.checkSize(graph.weightBytes + graph.skeleton.bytes.count, name: name)
      graphs.append(graph)
    }
    self.graphs = graphs
  }

  /// Refuses what no file holds.
  package static func checkSize(_ bytes: Int, name: String) throws(ExportError) {
    guard bytes > largestFile - (1 << 16) else { return }
    throw ExportError(
      "\(name) has \(bytes / 1_000_000) MB of weights in one of both directions, and an ONNX file holds at "
        + "most 2147 MB. Make it smaller by tessera compress, or use python/tessera.py.")
  }

  /// Writes the files, each complete or not at all.
  ///
  /// - Parameters:
  ///   - folder: an existing folder.
  ///   - weights: the path of the checkpoint's weights.
  ///   - metadata: texts by name, for whoever asks what the files are.
  public func write(
    to folder: String, weights path: String, metadata: [(String, String)]
  ) throws {
    let file = try SafetensorsFile(path: path)
    for (graph, name) in zip(graphs, files) {
      try graph.write(to: folder + "/" + name, metadata: metadata) { try file.floats($0) }
    }
  }

  /// Writes what a graph without parameters computes, for images of the recorded extents alone: how single
  /// operations are tested.
  package static func write(_ output: Tensor, of inputs: [Tensor], to path: String) throws {
    let graph = output.graph
    let primes = GridPrimes(avoiding: graph.values.flatMap(\.shape.dimensions))
    let translator = OnnxTranslator(graph, primes: primes, name: "operation")
    func port(_ name: String, _ tensor: Tensor) -> OnnxGraph.Port {
      OnnxGraph.Port(
        name: name, element: tensor.type == .index ? .int64 : .float,
        extents: tensor.shape.dimensions.map { .known($0) })
    }
    for (index, input) in inputs.enumerated() {
      translator.put(input.id, plain: translator.onnx.input(port("input\(index)", input)))
    }
    try translator.translate(upTo: output)
    translator.onnx.output(port("output", output), from: try translator.plain(output.id))
    try translator.onnx.write(to: path, metadata: []) { _ in [] }
  }

  // MARK: Recording

  /// The graph of one direction, recorded with primes as extents.
  private static func graph(
    of tokenizer: TokenizerConfiguration, isEncoder: Bool, skipping skipped: Int = 0
  ) throws(ExportError) -> OnnxGraph {
    let graph = Graph()
    let model = Tokenizer(tokenizer, in: Scope(graph))
    let (quantizer, side) = (tokenizer.quantizer, tokenizer.model.downsampling)
    let extents = graph.parameters.flatMap(\.shape.dimensions) + (quantizer.levels ?? [])
    let primes = GridPrimes(avoiding: Set(extents).union([quantizer.depth]), skipping: skipped)
    let translator = OnnxTranslator(graph, primes: primes, name: isEncoder ? "encode" : "decode")
    let code = code(of: quantizer, grid: ["N", "h", "w"].map { .named($0) })
    let image = OnnxGraph.Port(
      name: "pixels", element: .byte, extents: ["N", "H", "W"].map { .named($0) } + [.known(3)])
    let grid = primes.values
    if isEncoder {
      let images = graph.input("images", [grid[0], grid[1] * side, grid[2] * side, 3])
      let quantized = model.bottleneck.quantize(model.latents(of: images))
      let result = quantizer.isContinuous ? quantized.codes : quantized.indices
      let pixels = translator.onnx.input(image)
      translator.declareGrid(pixels, pixels: side)
      translator.put(images.id, plain: numbers(ofPixels: pixels, translator))
      try translator.translate(upTo: result)
      translator.onnx.output(code, from: try translator.plain(result.id))
    } else {
      let shape = Shape(grid + code.extents.dropFirst(3).map(\.count))
      let input = graph.input("codes", shape, type: quantizer.isContinuous ? .float32 : .index)
      let images = model.decode(
        quantizer.isContinuous ? input : model.bottleneck.codes(of: input))
      let name = translator.onnx.input(code)
      translator.declareGrid(name, pixels: 1)
      translator.put(input.id, plain: name)
      try translator.translate(upTo: images)
      let decoded = pixels(ofImage: try translator.plain(images.id), translator)
      translator.onnx.output(image, from: decoded)
    }
    return translator.onnx
  }

  /// Ids or latents, as an input or an output.
  private static func code(
    of quantizer: QuantizerConfiguration, grid: [OnnxGraph.Port.Extent]
  ) -> OnnxGraph.Port {
    guard !quantizer.isContinuous else {
      return OnnxGraph.Port(
        name: "latents", element: .float, extents: grid + [.known(quantizer.codeDimension)])
    }
    return OnnxGraph.Port(
      name: "tokens", element: .int64,
      extents: grid + (quantizer.depth > 1 ? [.known(quantizer.depth)] : []))
  }

  /// Byte b becomes `b / 127.5 - 1`.
  private static func numbers(ofPixels pixels: String, _ t: OnnxTranslator) -> String {
    let float = OnnxGraph.Element.float.rawValue
    let bytes = t.onnx.node("Cast", [pixels], [("to", .integer(float))])
    let scaled = t.onnx.node("Div", [bytes, t.onnx.number(127.5)])
    return t.onnx.node("Sub", [scaled, t.onnx.number(1)])
  }

  /// y, clamped to [-1, 1], becomes `(y + 1) 127.5`, rounded half to even.
  private static func pixels(ofImage image: String, _ t: OnnxTranslator) -> String {
    let clamped = t.onnx.node("Clip", [image, t.onnx.number(-1), t.onnx.number(1)])
    let shifted = t.onnx.node("Add", [clamped, t.onnx.number(1)])
    let scaled = t.onnx.node("Mul", [shifted, t.onnx.number(127.5)])
    let rounded = t.onnx.node("Round", [scaled])
    let byte = OnnxGraph.Element.byte.rawValue
    return t.onnx.node("Cast", [rounded], [("to", .integer(byte))])
  }
}

extension OnnxGraph.Port.Extent {
  /// The number that is known.
  fileprivate var count: Int {
    switch self {
    case .known(let count): count
    case .named: preconditionFailure("an extent that is not known has no number")
    }
  }
}
