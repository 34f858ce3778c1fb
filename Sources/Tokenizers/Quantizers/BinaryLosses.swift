import Autodiff

/// Losses of quantizers whose codes are corners of a cube: `+length` or `-length` in
/// every channel, by a vector's signs.
struct BinaryLosses {
  let configuration: BinaryConfiguration
  /// The magnitude of every element of a code.
  let length: Float

  private var levels: [Int32] { Array(repeating: 2, count: configuration.bits) }

  /// Bits to a group: as few groups as `entropyGroup` allows, as even as can be.
  private var group: Int {
    let (bits, most) = (configuration.bits, configuration.entropyGroup)
    let groups = (bits + most - 1) / most
    return (bits + groups - 1) / groups
  }

  /// The codes of tokens, from their bits, channel 0 least significant.
  func codes(of indices: Tensor) -> Tensor {
    codes(ofBits: indices.unpackedDigits(levels: levels))
  }

  /// Replaces vectors `[N, h, w, bits]` by the corners with their signs, gradients straight through.
  func quantize(_ z: Tensor) -> Quantized {
    let bits = z.signBits()
    let q = codes(ofBits: bits)
    let error = meanSquaredError(z, q.stoppingGradient()) * Float(configuration.bits)
    var loss = error * Float(configuration.commitmentWeight)
    var statistics = ["quantizationError": error]
    if configuration.entropyWeight > 0 {
      let scale = 4 * length / Float(configuration.temperature)
      let sure = z.entropyOfBits(scale: scale)
      let diverse = z.entropyOfMeanBits(scale: scale, group: group)
      let entropies = sure + diverse * Float(-configuration.diversity)
      loss = loss + entropies * Float(configuration.entropyWeight)
      statistics["entropyOfVectors"] = sure
      statistics["entropyOfMean"] = diverse
    }
    return Quantized(
      codes: z.straightThrough(to: q), vectors: z, target: z,
      indices: bits.packedDigits(levels: levels), auxiliaryLoss: loss, statistics: statistics)
  }

  private func codes(ofBits bits: Tensor) -> Tensor {
    let count = configuration.bits
    return bits.channelAffine(
      scale: Array(repeating: 2 * length, count: count),
      offset: Array(repeating: -length, count: count))
  }
}
