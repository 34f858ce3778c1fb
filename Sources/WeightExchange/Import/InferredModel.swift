import Tokenizers

/// The shape of encoder and decoder, as the tensors of a checkpoint show it.
///
/// All but the groups of normalizations can be seen.
struct InferredModel {
  let model: ModelConfiguration

  /// - Parameters:
  ///   - shapes: extents by Tessera's names.
  ///   - outputsPerChannel: 2 where the encoder puts out means and log-variances.
  ///   - groups: groups of every normalization.
  init(_ shapes: [String: [Int]], outputsPerChannel: Int, groups: Int, path: String) throws {
    func fault(_ reason: String) -> ImportError { ImportError("\(path): \(reason)") }
    func shape(_ name: String, _ rank: Int = 4) throws -> [Int] {
      guard let shape = shapes[name] else {
        throw fault("it has no tensor that is \"\(name)\" here. Is it a whole tokenizer?")
      }
      guard shape.count == rank, shape.allSatisfy({ $0 > 0 }) else {
        throw fault("\"\(name)\" has shape \(shape), expected \(rank) extents")
      }
      return shape
    }
    func has(_ beginning: String) -> Bool { shapes.keys.contains { $0.hasPrefix(beginning) } }
    func count(_ beginning: String) -> Int {
      (0..<100).first { !has("\(beginning).\($0).") } ?? 100
    }
    let levels = count("encoder.down_blocks")
    guard levels > 0 else { throw fault("its encoder has no levels") }
    guard count("decoder.up_blocks") == levels else {
      throw fault(
        "its encoder has \(levels) levels and its decoder \(count("decoder.up_blocks")); expected as many"
      )
    }
    func down(_ level: Int) -> String { "encoder.down_blocks.\(level)" }
    func up(_ level: Int) -> String { "decoder.up_blocks.\(levels - 1 - level)" }
    var model = ModelConfiguration()
    var layout = ModelLayout()
    model.normGroups = groups
    model.channels = try (0..<levels).map { try shape("\(down($0)).resnets.0.conv2.weight")[0] }
    let encoderBlocks = (0..<levels).map { count("\(down($0)).resnets") }
    let decoderBlocks = (0..<levels).map { count("\(up($0)).resnets") }
    model.blocksPerLevel = encoderBlocks[0]
    if Set(encoderBlocks).count > 1 { layout.encoderBlocks = encoderBlocks }
    if decoderBlocks.contains(where: { $0 != model.blocksPerLevel + 1 }) {
      layout.decoderBlocks = decoderBlocks
    }
    let decoderChannels = try (0..<levels).map { try shape("\(up($0)).resnets.0.conv2.weight")[0] }
    if decoderChannels != model.channels { layout.decoderChannels = decoderChannels }

    let (seeing, drawing) = (
      (0..<levels).filter { has("\(down($0)).attentions.") },
      (0..<levels).filter { has("\(up($0)).attentions.") }
    )
    guard seeing == drawing else {
      throw fault(
        "its encoder has attention at levels \(seeing) and its decoder at \(drawing); expected the same"
      )
    }
    model.attentionLevels = seeing
    model.middleAttention = has("encoder.mid_block.attentions.")
    layout.middleBlocks = count("encoder.mid_block.resnets")

    let halvings = (0..<levels).filter { has("\(down($0)).downsamplers.") }
    let doublings = (0..<levels).filter { has("\(up($0)).upsamplers.") }
    if halvings != Array(0..<levels - 1) { layout.halvings = halvings }
    if doublings != Array(1..<max(1, levels)) { layout.doublings = doublings }
    if let level = doublings.first {
      let filter = try shape("\(up(level)).upsamplers.0.conv.weight")
      if filter[0] == 4 * filter[1] { layout.doubling = .depthToSpace }
    }
    layout.adaptiveNorm = has("\(up(0)).adaptive_norm.")
    model.latentChannels = try shape("decoder.conv_in.weight")[1]
    let outputs = try shape("encoder.conv_out.weight")[0]
    guard outputs == outputsPerChannel * model.latentChannels else {
      throw fault(
        "its encoder puts out \(outputs) channels and its decoder takes \(model.latentChannels); expected "
          + "\(outputsPerChannel * model.latentChannels) of the encoder")
    }
    let inputs = try shape("encoder.conv_in.weight")[1]
    guard let patch = (1...16).first(where: { 3 * $0 * $0 == inputs }) else {
      throw fault("its encoder takes \(inputs) channels; expected 3, those of RGB")
    }
    layout.patch = patch
    model.layout = layout
    self.model = model
  }
}
