import Autodiff
import TestSupport
import Testing

/// Every operation: its value against its slow twin, its gradient against central differences.
struct OperationTests {
  @Test(arguments: OperationCases.all)
  func valueIsThatOfTheTwin(_ operation: OperationCase) {
    let error = GradientCheck.valueError(operation)
    #expect(error <= operation.tolerance, "\(operation) is off by \(error)")
  }

  @Test(arguments: OperationCases.all)
  func gradientIsThatOfTheTwin(_ operation: OperationCase) {
    let error = GradientCheck.gradientError(operation)
    #expect(error <= operation.tolerance * 10, "\(operation) is off by \(error)")
  }

  /// The harness itself: a gradient that is plainly wrong, and one that is off by a hundredth.
  @Test func plantedWrongGradientsAreCaught() {
    let dropped = OperationCase(
      "a square whose gradient passes straight through", [.numbers([7])],
      build: { $0[0].straightThrough(to: $0[0] * $0[0]) },
      reference: { $0[0].map { $0 * $0 } })
    #expect(GradientCheck.valueError(dropped) < dropped.tolerance)
    #expect(GradientCheck.gradientError(dropped) > 0.1)

    let slightlyOff = OperationCase(
      "an identity whose gradient is 1.01", [.numbers([7])],
      build: { ($0[0] * 1.01).straightThrough(to: $0[0]) },
      reference: { $0[0] })
    #expect(GradientCheck.valueError(slightlyOff) < slightlyOff.tolerance)
    #expect(GradientCheck.gradientError(slightlyOff) > slightlyOff.tolerance * 10)

    let wrongValue = OperationCase(
      "a value that is off", [.numbers([7])], build: { $0[0] * 1.001 }, reference: { $0[0] })
    #expect(GradientCheck.valueError(wrongValue) > wrongValue.tolerance)
  }

  /// A new operation does not compile here until it is named, and fails until it has a case.
  @Test func everyOperationHasACase() {
    var seen: Set<Kind> = []
    for operation in OperationCases.all {
      let (graph, tensors, _, loss) = operation.record()
      let differentiated = tensors.indices.filter { operation.inputs[$0].isDifferentiated }
      graph.differentiate(loss, withRespectTo: differentiated.map { tensors[$0] })
      seen.formUnion(graph.nodes.map { Kind($0.operation) })
    }
    // Accumulation serves parameters alone; `GradientTests` covers it.
    seen.insert(.accumulation)
    let missing = Set(Kind.allCases).subtracting(seen).map(\.rawValue).sorted()
    #expect(missing.isEmpty, "no case exercises: \(missing.joined(separator: ", "))")
  }
}

/// The cases of `Operation` without what they carry.
private enum Kind: String, CaseIterable {
  case convolution, convolutionImageGradient, convolutionFilterGradient
  case groupNormalization, groupNormalizationGradient, groupNormalizationRecomputation
  case activation, activationGradient
  case upsampling, upsamplingGradient, matrixProduct, softmax, softmaxGradient
  case arithmetic, scaling, channelAffine, channelSlice, channelPlacement, channelConcatenation
  case total, spread, seed, accumulation
  case rowNormalization, rowNormalizationGradient
  case loss, lossGradient, squaredNorms, nearestCode, gathering, scatterAddition, codeCounts
  case rotation, rotationGradient, rotationFallbacks, directedPass, directedPassGradient
  case levelBound, levelBoundGradient, rounding
  case signBits, entropyOfBits, entropyOfBitsGradient, entropyOfMeanBits
  case entropyOfMeanBitsGradient, digitPacking, digitUnpacking, reshaping, gradientStop,
    straightThrough

  init(_ operation: Autodiff.Operation) {
    switch operation {
    case .convolution: self = .convolution
    case .convolutionImageGradient: self = .convolutionImageGradient
    case .convolutionFilterGradient: self = .convolutionFilterGradient
    case .groupNormalization: self = .groupNormalization
    case .groupNormalizationGradient: self = .groupNormalizationGradient
    case .groupNormalizationRecomputation: self = .groupNormalizationRecomputation
    case .activation: self = .activation
    case .activationGradient: self = .activationGradient
    case .upsampling: self = .upsampling
    case .upsamplingGradient: self = .upsamplingGradient
    case .matrixProduct: self = .matrixProduct
    case .softmax: self = .softmax
    case .softmaxGradient: self = .softmaxGradient
    case .arithmetic: self = .arithmetic
    case .scaling: self = .scaling
    case .channelAffine: self = .channelAffine
    case .channelSlice: self = .channelSlice
    case .channelPlacement: self = .channelPlacement
    case .channelConcatenation: self = .channelConcatenation
    case .total: self = .total
    case .spread: self = .spread
    case .seed: self = .seed
    case .accumulation: self = .accumulation
    case .loss: self = .loss
    case .lossGradient: self = .lossGradient
    case .rowNormalization: self = .rowNormalization
    case .rowNormalizationGradient: self = .rowNormalizationGradient
    case .squaredNorms: self = .squaredNorms
    case .nearestCode: self = .nearestCode
    case .gathering: self = .gathering
    case .scatterAddition: self = .scatterAddition
    case .codeCounts: self = .codeCounts
    case .rotation: self = .rotation
    case .rotationGradient: self = .rotationGradient
    case .rotationFallbacks: self = .rotationFallbacks
    case .directedPass: self = .directedPass
    case .directedPassGradient: self = .directedPassGradient
    case .levelBound: self = .levelBound
    case .levelBoundGradient: self = .levelBoundGradient
    case .rounding: self = .rounding
    case .digitPacking: self = .digitPacking
    case .digitUnpacking: self = .digitUnpacking
    case .signBits: self = .signBits
    case .entropyOfBits: self = .entropyOfBits
    case .entropyOfBitsGradient: self = .entropyOfBitsGradient
    case .entropyOfMeanBits: self = .entropyOfMeanBits
    case .entropyOfMeanBitsGradient: self = .entropyOfMeanBitsGradient
    case .reshaping: self = .reshaping
    case .gradientStop: self = .gradientStop
    case .straightThrough: self = .straightThrough
    }
  }
}
