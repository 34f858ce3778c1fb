import Tokenizers

/// What families compute in another way, brought into our form: exact but for rounding.
extension Renaming {
  /// A decoder that puts out [0, 1] puts out [-1, 1].
  mutating func scaleOutput() {
    for (name, offset) in [("decoder.conv_out.weight", Float(0)), ("decoder.conv_out.bias", -1)] {
      if let tensor = tensors[name] { tensors[name] = tensor.map { 2 * $0 + offset } }
    }
  }

  /// RQ-VAE's codebooks have a row more than codes, and often are one and the same.
  mutating func repeatCodebooks() throws -> Int {
    let depth = count { weights.tensors["quantizer.codebooks.\($0).weight"] != nil }
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
  mutating func reverseBits() {
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
  mutating func foldShortcuts() throws {
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
    let levels = count { tensors["encoder.down_blocks.\($0).resnets.0.conv2.weight"] != nil }
    for level in 0..<max(1, levels) - 1 {
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
  mutating func foldLogits() throws {
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
    guard hasDecoder else { return }
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
  mutating func foldWavelets() throws {
    let mismatch = ImportError(
      "\(weights.path): expected 48 channels into the encoder and out of the decoder, wavelets of 4x4 pixels"
    )
    guard let first = tensors["encoder.conv_in.weight"], first.shape.count == 4,
      first.shape[1] == 48
    else { throw mismatch }
    tensors["encoder.conv_in.weight"] = Self.pixels(
      ofWavelets: first, rows: first.shape[0], scale: 1)
    guard hasDecoder else { return }
    guard let last = tensors["decoder.conv_out.weight"],
      let bias = tensors["decoder.conv_out.bias"], last.shape.count == 4, last.shape[0] == 48
    else { throw mismatch }
    // The matrix is orthogonal but for its scale: its rows have the squared length 1/16.
    tensors["decoder.conv_out.weight"] = Self.pixels(ofWavelets: last, rows: 1, scale: 16)
    tensors["decoder.conv_out.bias"] = Self.pixels(ofWavelets: bias, rows: 1, scale: 16)
  }

  /// Channels that were wavelets as those of pixels: `[rows, wavelet, color, ...]` to `[rows, color, pixel, ...]`,
  /// summed over wavelets by their matrix, times `scale`.
  private static func pixels(
    ofWavelets tensor: ForeignTensor, rows: Int, scale: Double
  ) -> ForeignTensor {
    let wavelets = HaarWavelets.ofFourByFour.map { $0 * scale }
    let length = tensor.count / (rows * 48)
    return ForeignTensor(shape: tensor.shape) {
      let floats = try tensor.floats()
      var result: [Float] = []
      result.reserveCapacity(floats.count)
      for row in 0..<rows {
        for color in 0..<3 {
          for pixel in 0..<16 {
            for place in 0..<length {
              var sum = 0.0
              for wavelet in 0..<16 {
                let channel = row * 48 + wavelet * 3 + color
                sum += wavelets[wavelet * 16 + pixel] * Double(floats[channel * length + place])
              }
              result.append(Float(sum))
            }
          }
        }
      }
      return result
    }
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
