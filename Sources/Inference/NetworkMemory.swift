import Autodiff
import Execution
import Tokenizers

extension TokenizerConfiguration {
  /// Bytes without which no plan for images of a size gets by, without planning it: the largest value
  /// between two operations, or the weights.
  public func leastBytes(images: Int, height: Int, width: Int) -> Double {
    var most = max(
      leastWeights,
      Double(images) * Double(height) * Double(width) * 3)
    for (level, channels) in model.channels.enumerated() {
      let scale = Double(1 << level)
      let places = Double(height) / scale * (Double(width) / scale)
      most = max(most, Double(images) * places * Double(channels))
      let isLast = level == model.channels.count - 1
      if model.attentionLevels.contains(level) || (isLast && model.middleAttention) {
        most = max(most, Double(images) * places * places)
      }
    }
    return most * Double(MemoryLayout<Float>.stride)
  }

  /// Fewer than all weights: those of one convolution a level, and of the codebooks.
  private var leastWeights: Double {
    let convolutions = model.channels.reduce(0.0) { $0 + 9 * Double($1) * Double($1) }
    let entries = quantizer.codebook.map {
      Double($0.size) * Double($0.dimension)
    }
    return convolutions + (entries ?? 0)
  }
}

extension MemoryNeed {
  /// Memory of a codec that reconstructs images of a size in all lanes.
  ///
  /// - Parameter lender: the words of arenas that may be used, see ``Codec/borrowArenas(of:)``.
  public mutating func addReconstruction<B: Backend>(
    _ configuration: TokenizerConfiguration, height: Int, width: Int, lanes: Int, on backend: B,
    lender: Int = 0
  ) {
    let name = "activations of \(lanes) \(lanes == 1 ? "lane" : "lanes")"
    let keys = ["data.imageSize", "model.channels"]
    let images = CodecSessions<B>.mostImages(height, width, on: backend)
    let least = configuration.leastBytes(images: images, height: height, width: width)
    guard least < Self.mostPlanned else { return add(name, bytes: least, keys: keys) }
    let plan = CodecSessions.plan(
      configuration, .reconstruct, images: images, height: height, width: width, on: backend)
    add(
      name, bytes: plan.bytes(lanes: lanes, borrowsArenas: plan.arenaWords <= lender), keys: keys)
  }

  /// Memory of a tokenizer's weights in a number of blocks.
  public mutating func addWeights(
    _ name: String, of configuration: TokenizerConfiguration, layout: ParameterLayout, blocks: Int
  ) {
    let codebook = quantizerKeys(configuration)
    add(
      name, bytes: Double(blocks) * Double(layout.words) * Double(MemoryLayout<Float>.stride),
      keys: codebook.isEmpty || !isMostlyCodebook(configuration, layout)
        ? ["model.channels", "model.blocksPerLevel"] + codebook : codebook)
  }

  private func quantizerKeys(_ configuration: TokenizerConfiguration) -> [String] {
    configuration.quantizer.codebook == nil
      ? [] : ["quantizer.codebookSize", "quantizer.codeDimension"]
  }

  private func isMostlyCodebook(
    _ configuration: TokenizerConfiguration, _ layout: ParameterLayout
  ) -> Bool {
    let entries = layout.parameters.filter { $0.name.hasPrefix("quantize.") }
    return entries.reduce(0) { $0 + Double($1.shape.count) } > Double(layout.words) / 2
  }
}
