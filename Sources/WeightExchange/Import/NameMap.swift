/// How the names of one program become those of another: pairs of patterns, the first of which that fits counts.
///
/// Parts of a name stand between points. In a pattern `#` is a number, `@` is `encoder` or `decoder`, and `*` is the
/// rest. In what it becomes they are what they were; `~` is a level that was counted from the other end.
struct NameMap {
  private let rules: [(from: [Substring], to: [Substring])]

  init(_ rules: KeyValuePairs<String, String>) {
    self.rules = rules.map { ($0.key.split(separator: "."), $0.value.split(separator: ".")) }
  }

  /// The new name; nil where no pattern fits.
  func renamed(_ name: String, levels: Int) -> String? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    for rule in rules {
      if let found = match(rule.from, parts) { return fill(rule.to, found, levels) }
    }
    return nil
  }

  private struct Found {
    var numbers: [Int] = []
    var half: Substring = ""
    var rest: [Substring] = []
  }

  private func match(_ pattern: [Substring], _ parts: [Substring]) -> Found? {
    var found = Found()
    for (index, piece) in pattern.enumerated() {
      guard index < parts.count else { return nil }
      switch piece {
      case "*":
        found.rest = Array(parts[index...])
        return found
      case "#":
        guard let number = Int(parts[index]), number >= 0, number < 1000 else { return nil }
        found.numbers.append(number)
      case "@":
        guard parts[index] == "encoder" || parts[index] == "decoder" else { return nil }
        found.half = parts[index]
      default: guard piece == parts[index] else { return nil }
      }
    }
    return pattern.count == parts.count ? found : nil
  }

  private func fill(_ pattern: [Substring], _ found: Found, _ levels: Int) -> String {
    var numbers = found.numbers[...]
    let isAttention = pattern.contains("attentions")
    var parts: [Substring] = []
    for piece in pattern {
      switch piece {
      case "*":
        parts += found.rest.map { (isAttention ? Self.attention[$0] : Self.block[$0]) ?? $0 }
      case "#": parts.append(Substring(String(numbers.popFirst() ?? 0)))
      case "~": parts.append(Substring(String(levels - 1 - (numbers.popFirst() ?? 0))))
      case "@": parts.append(found.half)
      default: parts.append(piece)
      }
    }
    return parts.joined(separator: ".")
  }

  /// The parts of an attention block, as they have been called.
  private static let attention: [Substring: Substring] = [
    "norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0",
    "query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0",
  ]

  /// The parts of a residual block, as they have been called.
  private static let block: [Substring: Substring] = ["nin_shortcut": "conv_shortcut"]

  // MARK: The programs

  /// What all name alike.
  private static let common: KeyValuePairs<String, String> = [
    "@.conv_in.*": "@.conv_in.*", "@.conv_out.*": "@.conv_out.*",
    "@.norm_out.*": "@.conv_norm_out.*",
    "quant_conv.*": "quant_conv.*", "post_quant_conv.*": "post_quant_conv.*",
    "encoder.quant_conv.*": "quant_conv.*", "decoder.post_quant_conv.*": "post_quant_conv.*",
    "quantize.embedding.weight": "quantize.embedding.weight",
  ]

  /// diffusers.
  static let diffusers = NameMap([
    "encoder.down_blocks.#.attentions.#.*": "encoder.down_blocks.#.attentions.#.*",
    "decoder.up_blocks.#.attentions.#.*": "decoder.up_blocks.#.attentions.#.*",
    "@.mid_block.attentions.#.*": "@.mid_block.attentions.#.*",
    "encoder.down_blocks.*": "encoder.down_blocks.*", "decoder.up_blocks.*": "decoder.up_blocks.*",
    "@.mid_block.*": "@.mid_block.*", "@.conv_norm_out.*": "@.conv_norm_out.*",
  ]).and(common)

  /// taming-transformers, and most that came after it; the decoder counts its levels from the image.
  static let taming = NameMap([
    "encoder.down.#.block.#.*": "encoder.down_blocks.#.resnets.#.*",
    "encoder.down.#.attn.#.*": "encoder.down_blocks.#.attentions.#.*",
    "encoder.down.#.downsample.conv.*": "encoder.down_blocks.#.downsamplers.0.conv.*",
    "@.mid.block_1.*": "@.mid_block.resnets.0.*",
    "@.mid.attn_1.*": "@.mid_block.attentions.0.*",
    "@.mid.block_2.*": "@.mid_block.resnets.1.*",
    "decoder.up.#.block.#.*": "decoder.up_blocks.~.resnets.#.*",
    "decoder.up.#.attn.#.*": "decoder.up_blocks.~.attentions.#.*",
    "decoder.up.#.upsample.conv.*": "decoder.up_blocks.~.upsamplers.0.conv.*",
  ]).and(common)

  /// Janus in transformers: names of taming, and a decoder that counts its levels as images pass them.
  static let janus = NameMap([
    "decoder.up.#.block.#.*": "decoder.up_blocks.#.resnets.#.*",
    "decoder.up.#.attn.#.*": "decoder.up_blocks.#.attentions.#.*",
    "decoder.up.#.upsample.conv.*": "decoder.up_blocks.#.upsamplers.0.conv.*",
  ]).and(taming)

  /// LlamaGen: both halves count levels in the order in which images pass them.
  static let llamagen = NameMap([
    "encoder.conv_blocks.#.res.#.*": "encoder.down_blocks.#.resnets.#.*",
    "encoder.conv_blocks.#.attn.#.*": "encoder.down_blocks.#.attentions.#.*",
    "encoder.conv_blocks.#.downsample.conv.*": "encoder.down_blocks.#.downsamplers.0.conv.*",
    "decoder.conv_blocks.#.res.#.*": "decoder.up_blocks.#.resnets.#.*",
    "decoder.conv_blocks.#.attn.#.*": "decoder.up_blocks.#.attentions.#.*",
    "decoder.conv_blocks.#.upsample.conv.*": "decoder.up_blocks.#.upsamplers.0.conv.*",
    "@.mid.0.*": "@.mid_block.resnets.0.*", "@.mid.1.*": "@.mid_block.attentions.0.*",
    "@.mid.2.*": "@.mid_block.resnets.1.*",
  ]).and(common)

  /// MaskGIT's VQGAN in PyTorch.
  static let maskgit = NameMap([
    "encoder.down.#.block.#.*": "encoder.down_blocks.#.resnets.#.*",
    "@.mid.#.*": "@.mid_block.resnets.#.*",
    "decoder.up.#.block.#.*": "decoder.up_blocks.~.resnets.#.*",
    "decoder.up.#.upsample_conv.*": "decoder.up_blocks.~.upsamplers.0.conv.*",
  ]).and(common)

  /// Open-MAGVIT2.
  static let magvit2 = NameMap([
    "encoder.down.#.block.#.*": "encoder.down_blocks.#.resnets.#.*",
    "encoder.down.#.downsample.*": "encoder.down_blocks.#.downsamplers.0.conv.*",
    "@.mid_block.#.*": "@.mid_block.resnets.#.*",
    "decoder.up.#.block.#.*": "decoder.up_blocks.~.resnets.#.*",
    "decoder.up.#.upsample.conv1.*": "decoder.up_blocks.~.upsamplers.0.conv.*",
    "decoder.adaptive.#.*": "decoder.up_blocks.~.adaptive_norm.*",
  ]).and(common)

  private init(rules: [(from: [Substring], to: [Substring])]) { self.rules = rules }

  private func and(_ more: KeyValuePairs<String, String>) -> NameMap { and(NameMap(more)) }

  private func and(_ more: NameMap) -> NameMap { NameMap(rules: rules + more.rules) }
}
