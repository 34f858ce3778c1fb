/// Everything that a backend can be asked to execute: a closed list.
///
/// To add an operation:
/// 1. a file in `Operations/`: shape rule, gradient rule, the function that model code calls;
/// 2. a case here (the compiler then lists what is missing, here and in each backend);
/// 3. its kernel, and the line in the backend's switch;
/// 4. a case in the tests' list of operations (value and gradient run from it; a test fails
///    while an operation has no case);
/// 5. nothing else.
public enum Operation: Sendable, Hashable {
  // Layers.
  case convolution(Convolution)
  case convolutionImageGradient(ConvolutionImageGradient)
  case convolutionFilterGradient(ConvolutionFilterGradient)
  case groupNormalization(GroupNormalization)
  case groupNormalizationGradient(GroupNormalizationGradient)
  case groupNormalizationRecomputation(GroupNormalizationRecomputation)
  case activation(Activation)
  case activationGradient(ActivationGradient)
  case upsampling(NearestUpsampling)
  case upsamplingGradient(NearestUpsamplingGradient)
  case matrixProduct(MatrixProduct)
  case softmax(Softmax)
  case softmaxGradient(SoftmaxGradient)

  // Arithmetic.
  case arithmetic(Arithmetic)
  case scaling(Scaling)
  case channelAffine(ChannelAffine)
  case channelSlice(ChannelSlice)
  case channelPlacement(ChannelPlacement)
  case channelConcatenation(ChannelConcatenation)
  case total(Total)
  case spread(Spread)
  case seed(Seed)
  case accumulation(Accumulation)

  // Losses.
  case loss(PointwiseLoss)
  case lossGradient(PointwiseLossGradient)

  // Quantizers.
  case rowNormalization(RowNormalization)
  case rowNormalizationGradient(RowNormalizationGradient)
  case squaredNorms(SquaredNorms)
  case nearestCode(NearestCode)
  case gathering(Gathering)
  case scatterAddition(ScatterAddition)
  case codeCounts(CodeCounts)
  case rotation(Rotation)
  case rotationGradient(RotationGradient)
  case rotationFallbacks(RotationFallbacks)
  case directedPass(DirectedPass)
  case directedPassGradient(DirectedPassGradient)
  case levelBound(LevelBound)
  case levelBoundGradient(LevelBoundGradient)
  case rounding(Rounding)
  case digitPacking(DigitPacking)
  case digitUnpacking(DigitUnpacking)
  case signBits(SignBits)
  case entropyOfBits(EntropyOfBits)
  case entropyOfBitsGradient(EntropyOfBitsGradient)
  case entropyOfMeanBits(EntropyOfMeanBits)
  case entropyOfMeanBitsGradient(EntropyOfMeanBitsGradient)

  // Views: another handle to the same memory; nothing is executed.
  case reshaping(Reshaping)
  case gradientStop(GradientStop)
  case straightThrough(StraightThrough)

  /// The operation's own statement of shapes and gradient.
  var rule: any Operator {
    switch self {
    case .convolution(let o): return o
    case .convolutionImageGradient(let o): return o
    case .convolutionFilterGradient(let o): return o
    case .groupNormalization(let o): return o
    case .groupNormalizationGradient(let o): return o
    case .groupNormalizationRecomputation(let o): return o
    case .activation(let o): return o
    case .activationGradient(let o): return o
    case .upsampling(let o): return o
    case .upsamplingGradient(let o): return o
    case .matrixProduct(let o): return o
    case .softmax(let o): return o
    case .softmaxGradient(let o): return o
    case .arithmetic(let o): return o
    case .scaling(let o): return o
    case .channelAffine(let o): return o
    case .channelSlice(let o): return o
    case .channelPlacement(let o): return o
    case .channelConcatenation(let o): return o
    case .total(let o): return o
    case .spread(let o): return o
    case .seed(let o): return o
    case .accumulation(let o): return o
    case .loss(let o): return o
    case .lossGradient(let o): return o
    case .rowNormalization(let o): return o
    case .rowNormalizationGradient(let o): return o
    case .squaredNorms(let o): return o
    case .nearestCode(let o): return o
    case .gathering(let o): return o
    case .scatterAddition(let o): return o
    case .codeCounts(let o): return o
    case .rotation(let o): return o
    case .rotationGradient(let o): return o
    case .rotationFallbacks(let o): return o
    case .directedPass(let o): return o
    case .directedPassGradient(let o): return o
    case .levelBound(let o): return o
    case .levelBoundGradient(let o): return o
    case .rounding(let o): return o
    case .digitPacking(let o): return o
    case .digitUnpacking(let o): return o
    case .signBits(let o): return o
    case .entropyOfBits(let o): return o
    case .entropyOfBitsGradient(let o): return o
    case .entropyOfMeanBits(let o): return o
    case .entropyOfMeanBitsGradient(let o): return o
    case .reshaping(let o): return o
    case .gradientStop(let o): return o
    case .straightThrough(let o): return o
    }
  }

  /// The operation's name, for messages and traces.
  public var name: String {
    let words = String(describing: type(of: rule))
    return words.reduce(into: "") { name, letter in
      if letter.isUppercase && !name.isEmpty { name += " " }
      name += letter.lowercased()
    }
  }

  /// The multiply-adds of the direct algorithm: of convolutions, matrix products and the search
  /// for the nearest code; 0 for what a pass over memory does.
  ///
  /// A kernel may get by with fewer, as Winograd's do; a rate over this count is an effective one.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    rule.multiplyAdds(inputs: inputs, outputs: outputs)
  }

  /// The input whose memory the output shares, for views.
  public var viewedInput: Int? {
    switch self {
    case .reshaping, .gradientStop: return 0
    case .straightThrough, .rotation, .directedPass: return 1
    default: return nil
    }
  }

  /// The inputs that the first output may overwrite, if nobody reads them later.
  public var overwritableInputs: [Int] {
    switch self {
    case .activation, .activationGradient, .softmax, .softmaxGradient, .scaling, .channelAffine,
      .rounding, .groupNormalizationGradient, .rowNormalization, .rowNormalizationGradient,
      .signBits:
      return [0]
    case .arithmetic: return [0, 1]
    default: return []
    }
  }

  /// The outputs that can be added to what memory holds, as gradients of parameters are.
  public func accumulates(output: Int) -> Bool {
    switch self {
    case .convolutionFilterGradient, .scatterAddition, .accumulation: return true
    case .groupNormalizationGradient: return output > 0
    default: return false
    }
  }
}
