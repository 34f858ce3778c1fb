import Tokenizers

extension ModelConfiguration {
  /// The shape of encoder and decoder, as the tensors of a checkpoint show it.
  ///
  /// All but the groups of normalizations can be seen. Of an encoder alone, the decoder mirrors it.
  ///
  /// - Parameters:
  ///   - shapes: extents by Tessera's names.
  ///   - outputsPerChannel: 2 where the encoder puts out means and log-variances.
  ///   - groups: groups of every normalization.
  init(
    inferredFrom shapes: [String: [Int]], outputsPerChannel: Int, groups: Int, path: String
  ) throws {
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
    func numbered(_ beginning: String) -> Int { count { has("\(beginning).\($0).") } }
    let levels = numbered("encoder.down_blocks")
    guard levels > 0 else { throw fault("its encoder has no levels") }
    func down(_ level: Int) -> String { "encoder.down_blocks.\(level)" }
    var model = ModelConfiguration()
    var layout = ModelLayout()
    model.normGroups = groups
    model.channels = try (0..<levels).map { try shape("\(down($0)).resnets.0.conv2.weight")[0] }
    let encoderBlocks = (0..<levels).map { numbered("\(down($0)).resnets") }
    model.blocksPerLevel = encoderBlocks[0]
    if Set(encoderBlocks).count > 1 { layout.encoderBlocks = encoderBlocks }
    model.attentionLevels = (0..<levels).filter { has("\(down($0)).attentions.") }
    model.middleAttention = has("encoder.mid_block.attentions.")
    layout.middleBlocks = numbered("encoder.mid_block.resnets")
    let halvings = (0..<levels).filter { has("\(down($0)).downsamplers.") }
    if halvings != Array(0..<levels - 1) {
      layout.halvings = halvings
      layout.doublings = halvings.map { $0 + 1 }
    }
    let inputs = try shape("encoder.conv_in.weight")[1]
    guard let patch = (1...16).first(where: { 3 * $0 * $0 == inputs }) else {
      throw fault("its encoder takes \(inputs) channels; expected 3, those of RGB")
    }
    layout.patch = patch
    let outputs = try shape("encoder.conv_out.weight")[0]
    guard outputs % outputsPerChannel == 0 else {
      throw fault("its encoder puts out \(outputs) channels, expected means and log-variances")
    }
    model.latentChannels = outputs / outputsPerChannel
    model.layout = layout
    guard has("decoder.") else {
      self = model
      return
    }

    guard numbered("decoder.up_blocks") == levels else {
      throw fault(
        "its encoder has \(levels) levels and its decoder \(numbered("decoder.up_blocks")); expected as many"
      )
    }
    func up(_ level: Int) -> String { "decoder.up_blocks.\(levels - 1 - level)" }
    let decoderBlocks = (0..<levels).map { numbered("\(up($0)).resnets") }
    if decoderBlocks.contains(where: { $0 != model.blocksPerLevel + 1 }) {
      layout.decoderBlocks = decoderBlocks
    }
    let decoderChannels = try (0..<levels).map { try shape("\(up($0)).resnets.0.conv2.weight")[0] }
    if decoderChannels != model.channels { layout.decoderChannels = decoderChannels }
    let drawing = (0..<levels).filter { has("\(up($0)).attentions.") }
    guard drawing == model.attentionLevels else {
      throw fault(
        "its encoder has attention at levels \(model.attentionLevels) and its decoder at \(drawing); "
          + "expected the same")
    }
    let doublings = (0..<levels).filter { has("\(up($0)).upsamplers.") }
    layout.doublings = doublings == Array(1..<max(1, levels)) ? [] : doublings
    if let level = doublings.first {
      let filter = try shape("\(up(level)).upsamplers.0.conv.weight")
      if filter[0] == 4 * filter[1] { layout.doubling = .depthToSpace }
    }
    layout.adaptiveNorm = has("\(up(0)).adaptive_norm.")
    let taken = try shape("decoder.conv_in.weight")[1]
    guard taken == model.latentChannels else {
      throw fault(
        "its encoder puts out \(outputs) channels and its decoder takes \(taken); expected "
          + "\(outputsPerChannel * taken) of the encoder")
    }
    model.layout = layout
    self = model
  }
}
