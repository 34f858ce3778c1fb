import Autodiff
import Files
import Safetensors
import Tokenizers

/// The way from the tensors of a family to those of a tokenizer of ours.
struct Renaming {
  let family: TokenizerFamily
  /// What there is, by Tessera's names.
  var tensors: [String: ForeignTensor] = [:]
  /// Tensors of the tokenizer that are of no use, by what their names begin with.
  private(set) var dropped: [String: Int] = [:]
  /// How many tensors of the file are in use.
  var used = 0
  /// Whether there is a decoder.
  private(set) var hasDecoder = true

  /// The file that they came from.
  let weights: ForeignWeights

  /// A bottleneck, before its configuration is known.
  enum Bottleneck: Equatable {
    case vq(VectorConfiguration.Metric)
    case cosine
    case residual(depth: Int)
    case finiteScalar([Int])
    case lookupFree
    case kl

    var outputsPerChannel: Int { self == .kl ? 2 : 1 }
  }

  /// Renames; what is left over is an error.
  init(_ family: TokenizerFamily, _ weights: ForeignWeights) throws {
    (self.family, self.weights) = (family, weights)
    let map = family.names(weights.tensors.keys)
    let levels = count { level in
      let beginnings = ["down", "down_blocks", "conv_blocks"].map { "encoder.\($0).\(level)." }
      return weights.tensors.keys.contains { name in beginnings.contains { name.hasPrefix($0) } }
    }
    var unknown: [String] = []
    for (name, tensor) in weights.tensors {
      if let beginning = family.dropped.first(where: name.hasPrefix) {
        dropped[beginning.hasSuffix(".") ? beginning + "*" : beginning, default: 0] += 1
      } else if let target = map.renamed(name, levels: levels) {
        tensors[target] = tensor
        used += 1
      } else {
        unknown.append(name)
      }
    }
    guard unknown.isEmpty else {
      throw ImportError(
        "\(weights.path): \(unknown.count) tensors have no place in a tokenizer of family \(family.rawValue): "
          + TokenizerFamily.listing(unknown) + ". Name another family: --from "
          + TokenizerFamily.allCases.map(\.rawValue).joined(separator: "|") + ".")
    }
    hasDecoder = tensors.keys.contains { $0.hasPrefix("decoder.") }
    if !hasDecoder { dropWayBack() }
  }

  /// An encoder alone has no use for what stands in front of a decoder.
  private mutating func dropWayBack() {
    for name in tensors.keys where name.hasPrefix("post_quant_conv.") {
      tensors[name] = nil
      used -= 1
      dropped["post_quant_conv.*", default: 0] += 1
    }
  }

  // MARK: Surgery

  /// Brings what the family computes in another way into our form, and says what its bottleneck is.
  mutating func applySurgery() throws -> Bottleneck {
    if family.isUnitRange { scaleOutput() }
    switch family {
    case .gumbel:
      try foldLogits()
      return .vq(.euclidean)
    case .rqvae: return .residual(depth: try repeatCodebooks())
    case .maskgit:
      try foldShortcuts()
      return .vq(.euclidean)
    case .cosmos:
      try foldWavelets()
      return .finiteScalar(try levels())
    case .showO:
      reverseBits()
      return .lookupFree
    case .openMAGVIT2: return .lookupFree
    case .llamagen, .janus: return .cosine
    case .ibq: return .vq(.inner)
    case .diffusers, .amused, .taming, .chameleon, .openMUSE:
      return tensors["quantize.embedding.weight"] == nil ? .kl : .vq(.euclidean)
    }
  }

  /// Levels of FSQ: those that the halves of Cosmos hold, or of the published ones.
  private func levels() throws -> [Int] {
    let standard = [8, 8, 8, 5, 5, 5]
    guard let numbers = try weights.tensors["quantizer._levels"]?.floats() else { return standard }
    let levels = numbers.map { Int($0) }
    guard (1...64).contains(levels.count), levels.allSatisfy({ (2...4096).contains($0) }) else {
      throw ImportError(
        "\(weights.path): expected levels of FSQ in \"quantizer._levels\", found \(levels.prefix(16))"
      )
    }
    return levels
  }

  /// The configuration of the quantizer, once the tensors are renamed.
  func configuration(_ bottleneck: Bottleneck) throws -> QuantizerConfiguration {
    func codebook(_ name: String = "quantize.embedding.weight") throws -> (
      size: Int, dimension: Int
    ) {
      guard let shape = tensors[name]?.shape, shape.count == 2, shape.allSatisfy({ $0 > 1 }) else {
        throw ImportError(
          "\(weights.path): expected a codebook \"\(name)\" of entries and channels, found "
            + (tensors[name].map { "shape \($0.shape)" } ?? "none")
            + ". Family \(family.rawValue) has one.")
      }
      return (shape[0], shape[1])
    }
    switch bottleneck {
    case .vq(let metric):
      let (size, dimension) = try codebook()
      var quantizer = VectorConfiguration(codebookSize: size, codeDimension: dimension)
      quantizer.metric = metric
      return .vq(quantizer)
    case .cosine:
      let (size, dimension) = try codebook()
      return .cosine(CosineConfiguration(codebookSize: size, codeDimension: dimension))
    case .residual(let depth):
      let (size, dimension) = try codebook("quantize.0.embedding.weight")
      return .residual(
        ResidualConfiguration(depth: depth, codebookSize: size, codeDimension: dimension))
    case .finiteScalar(let levels):
      return .fsq(FiniteScalarConfiguration(levels: levels, bound: .tanhWide))
    case .lookupFree: return .lfq(LookupFreeConfiguration(bits: latentOutputs))
    case .kl: return .kl(try posterior())
    }
  }

  /// Means and log-variances, with the scale that `config.json` gives latents.
  private func posterior() throws -> KLConfiguration {
    var configuration = KLConfiguration(channels: latentOutputs / 2)
    let settings = weights.settings
    // What diffusers takes where an AutoencoderKL says nothing, as early ones of Stable Diffusion do.
    let standard = settings?["_class_name"] == .string("AutoencoderKL") ? 0.18215 : 1
    configuration.scalingFactor = settings?.number("scaling_factor") ?? standard
    configuration.shiftFactor = settings?.number("shift_factor") ?? 0
    guard (1e-6...1e6).contains(configuration.scalingFactor),
      (-1e6...1e6).contains(configuration.shiftFactor)
    else {
      throw ImportError(
        "\(weights.path): its config.json has scaling_factor \(configuration.scalingFactor) and shift_factor "
          + "\(configuration.shiftFactor), expected a factor of 0.000001 to 1000000 and a shift of at most that"
      )
    }
    return configuration
  }

  /// Channels in front of the bottleneck.
  private var latentOutputs: Int {
    (tensors["quant_conv.weight"] ?? tensors["encoder.conv_out.weight"])?.shape.first ?? 0
  }

  // MARK: The rest

  /// Fits the tensors to the parameters of the model, and fills in what the family has not: biases of zero, maps
  /// that change nothing.
  ///
  /// - Returns: what was filled in.
  mutating func complete(_ parameters: [Parameter]) throws -> [String] {
    var missing: [String] = []
    var filled: [String: Int] = [:]
    var names: Set<String> = []
    for parameter in parameters {
      let (name, needed) = (parameter.name, parameter.fileShape.dimensions)
      names.insert(name)
      guard let tensor = tensors[name] else {
        if name.hasSuffix(".bias") {
          tensors[name] = .constant(0, needed)
          filled["biases of 0", default: 0] += 1
        } else if name == "quant_conv.weight" || name == "post_quant_conv.weight",
          needed[0] == needed[1]
        {
          tensors[name] = .identity(needed[0])
          filled["\(name.dropLast(7)), which changes nothing", default: 0] += 1
        } else {
          missing.append(name)
        }
        continue
      }
      guard tensor.type.isFloat else {
        throw ImportError(
          "\(weights.path): the tensor that is \"\(name)\" here holds \(tensor.type.rawValue), expected "
            + "floating-point numbers. Quantized weights are not read: take the unquantized file.")
      }
      if tensor.shape == needed { continue }
      let isLinear = needed.count == 2 && Array(tensor.shape.prefix(2)) == needed
      if isLinear, tensor.shape.dropFirst(2).allSatisfy({ $0 == 1 }) {
        tensors[name] = tensor.reshaped(needed)
      } else if needed.count == 4, tensor.shape == [needed[0], needed[1], 1, 1], needed[2] == 3 {
        tensors[name] = tensor.centred()
      } else {
        throw ImportError(
          "\(weights.path): the tensor that is \"\(name)\" here has shape \(tensor.shape), and the model "
            + "that the other tensors show needs \(needed). Is it another family? --from names it.")
      }
    }
    guard missing.isEmpty else {
      throw ImportError(
        "\(weights.path): \(missing.count) tensors of the model are not there: "
          + TokenizerFamily.listing(missing)
          + ". Is the file complete, and of family \(family.rawValue)?")
    }
    let extra = tensors.keys.filter { !names.contains($0) }
    guard extra.isEmpty else {
      throw ImportError(
        "\(weights.path): \(extra.count) tensors have no place in the model that the others show: "
          + TokenizerFamily.listing(extra) + ".")
    }
    return filled.sorted { $0.key < $1.key }.map {
      $0.value == 1 ? "filled in: \($0.key)" : "filled in: \($0.value) \($0.key)"
    }
  }
}
