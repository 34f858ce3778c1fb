import Autodiff
import Execution
import Foundation
import Kernels

/// Replays plans with single-threaded kernels, in register tiles or over OpenBLAS; parallelism is in the
/// lanes.
public struct CPUBackend: Backend {
  /// Device memory is the machine's.
  public typealias Memory = HostMemory

  /// "CPU".
  public let name = "CPU"
  /// How convolutions are computed.
  let convolutions: ConvolutionAlgorithm

  /// Whether an image of a batch gives the same bits as by itself: where BLAS is not needed.
  public var isBatchInvariant: Bool { kernelsAreBatchInvariant }

  /// A backend; OpenBLAS is set to one thread, as each lane has its own.
  ///
  /// - Parameter convolutions: how convolutions are computed; the results are the same to within
  ///   rounding.
  public init(convolutions: ConvolutionAlgorithm = .fastest) {
    self.convolutions = convolutions
    useSingleThreadedBLAS()
  }

  /// A block of zeros, aligned to cache lines.
  public func allocate(words: Int) -> HostMemory {
    HostMemory(words: words)
  }

  /// Copies words in.
  public func write(
    _ source: UnsafeRawPointer, words: Int, to memory: HostMemory, at offset: Int
  ) {
    memcpy(memory.start + offset * 4, source, words * 4)
  }

  /// Copies words out.
  public func read(
    _ memory: HostMemory, at offset: Int, words: Int, into target: UnsafeMutableRawPointer
  ) {
    memcpy(target, memory.start + offset * 4, words * 4)
  }

  /// Sets words to zero.
  public func clear(_ memory: HostMemory, words: Int) {
    memset(memory.start, 0, words * 4)
  }

  /// Whether every word of a value is a finite number.
  public func isFinite(_ memory: HostMemory, at offset: Int, words: Int) -> Bool {
    allFinite(count: words, memory.floats(at: offset, count: words))
  }

  /// The scratch words that an operation's kernel needs.
  public func workspace(for operation: Autodiff.Operation, inputs: [Shape], outputs: [Shape]) -> Int
  {
    switch operation {
    case .convolution(let convolution):
      return geometry(convolution, image: inputs[0], filter: inputs[1]).workspace
    case .convolutionImageGradient(let gradient):
      return geometry(gradient.convolution, image: gradient.image, filter: inputs[1]).workspace
    case .convolutionFilterGradient(let gradient):
      return geometry(gradient.convolution, image: inputs[1], filter: gradient.filter).workspace
    case .groupNormalization(let normalization):
      return normalization.geometry(inputs[0]).workspace
    case .groupNormalizationRecomputation(let recomputation):
      return recomputation.normalization.geometry(inputs[0]).workspace
    case .groupNormalizationGradient(let gradient):
      return gradient.normalization.geometry(inputs[1]).workspace
    case .nearestCode:
      return nearestCodeWorkspace(codes: inputs[1][0], dimension: inputs[1][1])
    case .entropyOfMeanBits(let entropy):
      return meanBitsWorkspace(group: entropy.group)
    case .entropyOfMeanBitsGradient(let gradient):
      return meanBitsWorkspace(group: gradient.entropy.group)
    default:
      return 0
    }
  }
}
