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
}
