import Autodiff
import Execution
import Foundation
import Kernels

/// Replays plans with single-threaded kernels; parallelism is in the lanes.
public struct CPUBackend: Backend {
  /// Device memory is the machine's.
  public typealias Memory = HostMemory

  /// "CPU".
  public let name = "CPU"
  /// How convolutions are computed.
  let convolutions: ConvolutionAlgorithm

  /// Whether an image of a batch gives the same bits as by itself: sums of a row do not depend on other rows.
  public var isBatchInvariant: Bool { true }

  /// The processor's registers, as told to the compiler, and the compiler.
  public var arithmetic: String { kernelArithmetic }

  /// The processors for which the kernels that run are compiled, such as "x86-64-v3".
  public static var level: String { kernelLevel }

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

  /// Where the words of a memory are.
  public func words(of memory: HostMemory) -> UnsafeMutableRawPointer { memory.start }

  /// Sets words to zero.
  public func clear(_ memory: HostMemory, words: Int) {
    memset(memory.start, 0, words * 4)
  }

  /// A stream of the kernel that normalizes whole images.
  public func moments(
    of normalization: GroupNormalization, image: Shape
  ) -> any StreamedMoments {
    GroupMomentsStream(normalization.geometry(image))
  }

  /// Whether every word of a value is a finite number.
  public func isFinite(_ memory: HostMemory, at offset: Int, words: Int) -> Bool {
    allFinite(count: words, memory.floats(at: offset, count: words))
  }
}

extension GroupMomentsStream: StreamedMoments {}

/// A block of words in the machine's memory, zero at first, aligned to cache lines.
///
/// The zeros are those of pages that the system has not handed out yet: what is never touched costs
/// neither time nor memory. Large blocks ask for large pages, two megabytes each: that took the time
/// to encode one image of 256x256 pixels with 10 M weights from 156 to 124 ms.
public final class HostMemory: @unchecked Sendable {
  // Unchecked: sessions see to it that lanes write to disjoint places.

  /// The first word.
  ///
  /// Memory is raw: what lies at a place is bound to a type at each access.
  let start: UnsafeMutableRawPointer
  private let block: UnsafeMutableRawPointer

  /// A cache line, in bytes.
  private static let line = 64

  init(words count: Int) {
    let bytes = max(Self.line, count * MemoryLayout<Float>.stride)
    guard let block = calloc(1, bytes + Self.line) else { Self.endForLack(of: bytes) }
    self.block = block
    Self.askForLargePages(block, bytes)
    start = block.alignedUp(toMultipleOf: Self.line)
  }

  deinit { free(block) }

  /// Ends the program with a sentence and `EX_SOFTWARE`: there is no going on, and nothing is broken.
  private static func endForLack(of bytes: Int) -> Never {
    var text =
      "error: out of memory: \((bytes + 999_999) / 1_000_000) MB are not to be had. Lower the sizes "
      + "of batch, images or network, or raise the limit of memory.\n"
    text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    _exit(70)
  }

  /// Advice that the system may pass over; small blocks are left alone.
  private static func askForLargePages(_ block: UnsafeMutableRawPointer, _ bytes: Int) {
    #if os(Linux)
      let page = 1 << 21
      let start = block.alignedUp(toMultipleOf: page)
      let end = (block + bytes).alignedDown(toMultipleOf: page)
      if end > start { madvise(start, end - start, MADV_HUGEPAGE) }
    #endif
  }

  /// A number of words from an offset on, as floats.
  func floats(at offset: Int, count: Int) -> UnsafeMutablePointer<Float> {
    (start + offset * 4).bindMemory(to: Float.self, capacity: count)
  }

  /// The words of a range, as floats.
  func floats(_ range: Range<Int>) -> UnsafeMutablePointer<Float> {
    floats(at: range.lowerBound, count: range.count)
  }

  /// A number of words from an offset on, as token ids.
  func indices(at offset: Int, count: Int) -> UnsafeMutablePointer<Int32> {
    (start + offset * 4).bindMemory(to: Int32.self, capacity: count)
  }
}

/// Passes over ranges of memories that are laid out as parameters are.
extension CPUBackend {
  /// Sums a range over several memories, in order, into the first.
  public func sum(_ memories: [HostMemory], range: Range<Int>) {
    let target = memories[0].floats(range)
    for memory in memories.dropFirst() {
      accumulate(count: range.count, memory.floats(range), into: target)
    }
  }

  /// Likewise words at different places, into those of the first.
  public func sum(_ terms: [(memory: HostMemory, offset: Int)], words: Int) {
    func place(_ term: (memory: HostMemory, offset: Int)) -> UnsafeMutablePointer<Float> {
      term.memory.floats(at: term.offset, count: words)
    }
    guard let first = terms.first else { return }
    for term in terms.dropFirst() {
      accumulate(count: words, place(term), into: place(first))
    }
  }

  /// The sum of the squares of a range, accumulated in double precision.
  public func sumOfSquares(_ memory: HostMemory, range: Range<Int>) -> Double {
    Kernels.sumOfSquares(count: range.count, memory.floats(range))
  }

  /// The sum of the products of a range of two memories, accumulated in double precision.
  public func innerProduct(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) -> Double {
    return Kernels.innerProduct(count: range.count, a.floats(range), b.floats(range))
  }

  /// The squared distance of a range of two memories, accumulated in double precision.
  public func squaredDistance(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) -> Double {
    return Kernels.squaredDistance(count: range.count, a.floats(range), b.floats(range))
  }

  /// Copies a range to the same place in another memory.
  public func copy(_ source: HostMemory, to target: HostMemory, range: Range<Int>) {
    target.floats(range).update(from: source.floats(range), count: range.count)
  }

  /// Exchanges a range of two memories, bit by bit.
  public func exchange(_ a: HostMemory, _ b: HostMemory, range: Range<Int>) {
    Kernels.exchange(count: range.count, a.floats(range), b.floats(range))
  }

  /// Interpolates a double-float average towards a range: `average += share * (x - average)`.
  public func moveAverage(
    _ average: HostMemory, rest: HostMemory, after earlier: (target: HostMemory, share: Float)?,
    towards target: HostMemory, share: Float, range: Range<Int>
  ) {
    guard let earlier else {
      return Kernels.moveAverage(
        count: range.count, towards: target.floats(range), share: share,
        average: average.floats(range), rest: rest.floats(range))
    }
    Kernels.moveAverage(
      count: range.count, towards: earlier.target.floats(range), share: earlier.share,
      then: target.floats(range), share: share, average: average.floats(range),
      rest: rest.floats(range))
  }
}

extension CPUBackend {
  /// Moves a range of parameters by one step of an optimizer.
  public func update(
    _ rule: UpdateRule, range: Range<Int>, decays: Bool, gradientScale: Float,
    parameters: HostMemory, gradients: HostMemory, firstMoment: HostMemory,
    secondMoment: HostMemory
  ) {
    let (p, g) = (parameters.floats(range), gradients.floats(range))
    let (m, v) = (firstMoment.floats(range), secondMoment.floats(range))
    switch rule {
    case .adamW(let step):
      adamW(
        count: range.count, parameters: p, gradients: g, firstMoment: m, secondMoment: v,
        learningRate: step.learningRate, beta1: step.beta1, beta2: step.beta2,
        epsilon: step.epsilon, decay: decays ? step.decay : 0, gradientScale: gradientScale,
        correction1: step.correction1, correction2: step.correction2)
    case .adam(let step):
      adam(
        count: range.count, parameters: p, gradients: g, firstMoment: m, secondMoment: v,
        learningRate: step.learningRate, beta1: step.beta1, beta2: step.beta2,
        epsilon: step.epsilon, decay: decays ? step.decay : 0, gradientScale: gradientScale,
        correction1: step.correction1, correction2: step.correction2)
    case .sgd(let learningRate, let momentum, let nesterov, let decay):
      momentumSGD(
        count: range.count, parameters: p, gradients: g, velocity: m, learningRate: learningRate,
        momentum: momentum, nesterov: nesterov, decay: decays ? decay : 0,
        gradientScale: gradientScale)
    }
  }
}
