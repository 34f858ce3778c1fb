import Autodiff
import Tokenizers

/// The way from the tensors of a family to those of a tokenizer of ours.
struct Renaming {
  let family: TokenizerFamily
  /// What there is, by Tessera's names.
  private(set) var tensors: [String: ForeignTensor] = [:]
  /// Tensors of the tokenizer that are of no use, by what their names begin with.
  private(set) var dropped: [String: Int] = [:]
  /// How many tensors of the file are in use.
  private(set) var used = 0

  private let weights: ForeignWeights

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
    let levels = (0..<100).first { level in
      let beginnings = ["down", "down_blocks", "conv_blocks"].map { "encoder.\($0).\(level)." }
      return !weights.tensors.keys.contains { name in beginnings.contains { name.hasPrefix($0) } }
    }
    var unknown: [String] = []
    for (name, tensor) in weights.tensors {
      if let beginning = family.dropped.first(where: name.hasPrefix) {
        dropped[beginning.hasSuffix(".") ? beginning + "*" : beginning, default: 0] += 1
      } else if let target = map.renamed(name, levels: levels ?? 0) {
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
      // Levels of the published ones: no tensor shows them.
      return .finiteScalar([8, 8, 8, 5, 5, 5])
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
    case .kl: return .kl(KLConfiguration(channels: latentOutputs / 2))
    }
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

// MARK: - Surgery

extension Renaming {
  /// A decoder that puts out [0, 1] puts out [-1, 1].
  private mutating func scaleOutput() {
    for (name, offset) in [("decoder.conv_out.weight", Float(0)), ("decoder.conv_out.bias", -1)] {
      if let tensor = tensors[name] { tensors[name] = tensor.map { 2 * $0 + offset } }
    }
  }

  /// RQ-VAE's codebooks have a row more than codes, and often are one and the same.
  private mutating func repeatCodebooks() throws -> Int {
    let depth =
      (0..<100).first { weights.tensors["quantizer.codebooks.\($0).weight"] == nil } ?? 100
    for index in 0..<depth {
      let name = "quantizer.codebooks.\(index).weight"
      guard let codebook = weights.tensors[name], codebook.shape.count == 2, codebook.shape[0] > 2
      else { throw ImportError("\(weights.path): expected codes [K + 1, d] in \"\(name)\"") }
      tensors["quantize.\(index).embedding.weight"] = codebook.rows(
        Array(0..<codebook.shape[0] - 1))
      used += 1
    }
    guard depth > 0 else {
      throw ImportError("\(weights.path): expected \"quantizer.codebooks.0.weight\", found none")
    }
    return depth
  }

  /// Bits with the most significant one first, the other way round.
  private mutating func reverseBits() {
    for name in ["quant_conv.weight", "quant_conv.bias"] {
      if let tensor = tensors[name] {
        tensors[name] = tensor.rows((0..<tensor.shape[0]).reversed())
      }
    }
    if let tensor = tensors["post_quant_conv.weight"] {
      let (outputs, inputs) = (tensor.shape[0], tensor.shape[1])
      tensors["post_quant_conv.weight"] = ForeignTensor(shape: tensor.shape) {
        let floats = try tensor.floats()
        return (0..<outputs * inputs).map {
          floats[$0 / inputs * inputs + inputs - 1 - $0 % inputs]
        }
      }
    }
  }

  /// MaskGIT: a shortcut reads the block's own result, y = h + N h, so that 1 + N goes into the last filter; the
  /// image is halved by the mean of 2x2 pixels.
  private mutating func foldShortcuts() throws {
    for (name, shortcut) in tensors where name.hasSuffix(".conv_shortcut.weight") {
      let block = name.dropLast(".conv_shortcut.weight".count)
      guard let filter = tensors[block + ".conv2.weight"],
        let inner = tensors[block + ".conv1.weight"],
        filter.shape.count == 4, inner.shape.count == 4,
        shortcut.shape == [filter.shape[0], filter.shape[0], 1, 1]
      else {
        throw ImportError(
          "\(weights.path): the shortcut of \(block) has shape \(shortcut.shape), expected as many inputs as "
            + "outputs, as MaskGIT's VQGAN has them")
      }
      let (outputs, length) = (filter.shape[0], filter.count / filter.shape[0])
      tensors[block + ".conv2.weight"] = ForeignTensor(shape: filter.shape) {
        let (own, mixing) = (try filter.floats(), try shortcut.floats())
        var result = [Float](repeating: 0, count: own.count)
        for output in 0..<outputs {
          var row = own[output * length..<(output + 1) * length].map(Double.init)
          for other in 0..<outputs {
            let weight = Double(mixing[output * outputs + other])
            for place in 0..<length { row[place] += weight * Double(own[other * length + place]) }
          }
          for place in 0..<length { result[output * length + place] = Float(row[place]) }
        }
        return result
      }
      tensors[name] = .constant(0, [outputs, inner.shape[1], 1, 1])
    }
    let levels = (0..<100).first {
      tensors["encoder.down_blocks.\($0).resnets.0.conv2.weight"] == nil
    }
    for level in 0..<(levels ?? 1) - 1 {
      guard let last = tensors["encoder.down_blocks.\(level).resnets.0.conv2.weight"] else {
        continue
      }
      let channels = last.shape[0]
      let name = "encoder.down_blocks.\(level).downsamplers.0.conv.weight"
      tensors[name] = ForeignTensor(shape: [channels, channels, 3, 3]) {
        var filter = [Float](repeating: 0, count: channels * channels * 9)
        for channel in 0..<channels {
          for place in [0, 1, 3, 4] { filter[channel * (channels + 1) * 9 + place] = 0.25 }
        }
        return filter
      }
    }
  }

  /// Gumbel: the largest logit `w z + b`, and codes of another table v, as the nearest code of (w, s, v) to
  /// (z, 0, 0), where s makes all keys equally long but for their biases.
  private mutating func foldLogits() throws {
    let names = ["quantize.proj.weight", "quantize.proj.bias", "quantize.embed.weight"]
    let parts = names.compactMap { weights.tensors[$0] }
    guard parts.count == 3, parts[0].shape.count == 4, parts[2].shape.count == 2,
      parts[0].shape[0] == parts[2].shape[0], parts[1].shape == [parts[0].shape[0]]
    else { throw ImportError("\(weights.path): expected \(names.joined(separator: ", "))") }
    used += 3
    let (codes, d, e) = (parts[0].shape[0], parts[0].shape[1], parts[2].shape[1])
    let width = d + 1 + e
    tensors["quantize.embedding.weight"] = ForeignTensor(shape: [codes, width]) {
      let (keys, biases, values) = (
        try parts[0].floats(), try parts[1].floats(), try parts[2].floats()
      )
      func square(_ table: [Float], _ code: Int, _ width: Int) -> Double {
        table[code * width..<(code + 1) * width].reduce(0.0) { $0 + Double($1) * Double($1) }
      }
      var needed: [Double] = []
      for code in 0..<codes {
        let lengths = square(keys, code, d) + square(values, code, e)
        needed.append(lengths + 2 * Double(biases[code]))
      }
      let most = needed.max() ?? 0
      var table: [Float] = []
      table.reserveCapacity(codes * width)
      for code in 0..<codes {
        table += keys[code * d..<(code + 1) * d]
        table.append(Float((most - needed[code]).squareRoot()))
        table += values[code * e..<(code + 1) * e]
      }
      return table
    }
    // A map of zero in front of the new channels, and one that reads the values alone behind.
    let outputs = tensors["encoder.conv_out.weight"]?.shape.first ?? d
    let weight = tensors["quant_conv.weight"] ?? .identity(outputs)
    let bias = tensors["quant_conv.bias"] ?? .constant(0, [d])
    let inputs = weight.shape.count > 1 ? weight.shape[1] : outputs
    tensors["quant_conv.weight"] = ForeignTensor(shape: [width, inputs, 1, 1]) {
      try weight.floats() + [Float](repeating: 0, count: (width - d) * inputs)
    }
    tensors["quant_conv.bias"] = ForeignTensor(shape: [width]) {
      try bias.floats() + [Float](repeating: 0, count: width - d)
    }
    let after = tensors["post_quant_conv.weight"] ?? .identity(e)
    tensors["post_quant_conv.weight"] = ForeignTensor(shape: [after.shape[0], width, 1, 1]) {
      let floats = try after.floats()
      return (0..<after.shape[0]).flatMap {
        [Float](repeating: 0, count: d + 1) + floats[$0 * e..<($0 + 1) * e]
      }
    }
  }

  /// Cosmos: the wavelets of 4x4 pixels are a fixed map of the channels of a patch, and go into the first filter;
  /// their inverse goes into the last.
  private mutating func foldWavelets() throws {
    guard let first = tensors["encoder.conv_in.weight"],
      let last = tensors["decoder.conv_out.weight"],
      let bias = tensors["decoder.conv_out.bias"], first.shape.count == 4, first.shape[1] == 48,
      last.shape.count == 4, last.shape[0] == 48
    else {
      throw ImportError(
        "\(weights.path): expected 48 channels into the encoder and out of the decoder, wavelets of 4x4 pixels"
      )
    }
    let wavelets = HaarWavelets.ofFourByFour
    let (outputs, size) = (first.shape[0], first.shape[2] * first.shape[3])
    tensors["encoder.conv_in.weight"] = ForeignTensor(shape: first.shape) {
      let floats = try first.floats()
      var result = [Float](repeating: 0, count: floats.count)
      for output in 0..<outputs {
        for color in 0..<3 {
          for pixel in 0..<16 {
            for place in 0..<size {
              var sum = 0.0
              for wavelet in 0..<16 {
                sum +=
                  Double(floats[(output * 48 + wavelet * 3 + color) * size + place])
                  * wavelets[wavelet * 16 + pixel]
              }
              result[(output * 48 + color * 16 + pixel) * size + place] = Float(sum)
            }
          }
        }
      }
      return result
    }
    // The matrix is orthogonal but for its scale: its rows have the squared length 1/16.
    func folded(_ tensor: ForeignTensor, _ length: Int) -> ForeignTensor {
      ForeignTensor(shape: tensor.shape) {
        let floats = try tensor.floats()
        var result = [Float](repeating: 0, count: floats.count)
        for color in 0..<3 {
          for pixel in 0..<16 {
            for place in 0..<length {
              var sum = 0.0
              for wavelet in 0..<16 {
                sum +=
                  16 * wavelets[wavelet * 16 + pixel]
                  * Double(floats[(wavelet * 3 + color) * length + place])
              }
              result[(color * 16 + pixel) * length + place] = Float(sum)
            }
          }
        }
        return result
      }
    }
    tensors["decoder.conv_out.weight"] = folded(last, last.count / 48)
    tensors["decoder.conv_out.bias"] = folded(bias, 1)
  }
}

/// The Haar wavelets of a square of 4x4 pixels.
enum HaarWavelets {
  /// 16 wavelets by 16 pixels, `row * 4 + column`: two halvings, each of which yields sums and differences of
  /// four pixels, over 4; the four kinds of the second stand before those of the first.
  static let ofFourByFour: [Double] = {
    // Signs of the second pixel along a row, and of the second row.
    let kinds: [(across: Double, down: Double)] = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    var matrix = [Double](repeating: 0, count: 256)
    for (outer, second) in kinds.enumerated() {
      for (inner, first) in kinds.enumerated() {
        for row in 0..<4 {
          for column in 0..<4 {
            var value = 1.0 / 16
            if column % 2 == 1 { value *= first.across }
            if row % 2 == 1 { value *= first.down }
            if column / 2 == 1 { value *= second.across }
            if row / 2 == 1 { value *= second.down }
            matrix[(outer * 4 + inner) * 16 + row * 4 + column] = value
          }
        }
      }
    }
    return matrix
  }()
}
