import Autodiff
import Forms

/// What a device must offer to replay plans: memory, kernels, and the optimizer's passes.
///
/// A backend knows no model and no trainer. All its functions may be called from several lanes
/// at once, on memories that do not overlap where anything is written.
public protocol Backend: Sendable {
  /// A block of words on the device.
  associatedtype Memory: AnyObject & Sendable

  /// The device's name, for messages.
  var name: String { get }

  /// Whether an image of a batch gives the same bits as by itself.
  var isBatchInvariant: Bool { get }

  /// What decides the last bits of results, in words: equal words, equal bits.
  var arithmetic: String { get }

  /// A block of zeros.
  func allocate(words: Int) -> Memory

  /// Copies words from the host to the device.
  func write(_ source: UnsafeRawPointer, words: Int, to memory: Memory, at offset: Int)

  /// Copies words from the device to the host.
  func read(_ memory: Memory, at offset: Int, words: Int, into target: UnsafeMutableRawPointer)

  /// Where the words of a memory are for the host, which sends them to other processes.
  func words(of memory: Memory) -> UnsafeMutableRawPointer

  /// Sets words to zero.
  func clear(_ memory: Memory, words: Int)

  /// The scratch words that an operation needs.
  func workspace(for operation: any Operator, inputs: [Shape], outputs: [Shape]) -> Int

  /// The form in which an instruction reads one of its inputs fastest, where that is worth the memory if
  /// the input does not change from replay to replay; nil where it is none.
  func preparedForm(of instruction: Instruction) -> PreparedForm?

  /// What executes one instruction in the memories of a lane; outputs in gradient memory are added to
  /// what is there.
  ///
  /// Asked for once for each lane, when a session is made, and called at every replay, where it allocates
  /// nothing. The program ends where the device has no kernel for the operation.
  func kernel(for instruction: Instruction, in memories: Memories<Memory>) -> Kernel

  /// What finds the moments of a group normalization over one image `[1, ..., C]` that comes in pieces.
  func moments(of normalization: GroupNormalization, image: Shape) -> any StreamedMoments

  /// Whether every word of a value is a finite number.
  func isFinite(_ memory: Memory, at offset: Int, words: Int) -> Bool

  /// Sums a range over several memories, in order, into the first.
  func sum(_ memories: [Memory], range: Range<Int>)

  /// Likewise words that lie at different places of their memories, into those of the first.
  func sum(_ terms: [(memory: Memory, offset: Int)], words: Int)

  /// The sum of the squares of a range, accumulated in double precision.
  func sumOfSquares(_ memory: Memory, range: Range<Int>) -> Double

  /// The sum of the products of a range of two memories, accumulated in double precision.
  func innerProduct(_ a: Memory, _ b: Memory, range: Range<Int>) -> Double

  /// The squared distance of a range of two memories, accumulated in double precision.
  func squaredDistance(_ a: Memory, _ b: Memory, range: Range<Int>) -> Double

  /// Copies a range to the same place in another memory.
  func copy(_ source: Memory, to target: Memory, range: Range<Int>)

  /// Exchanges a range of two memories, bit by bit.
  func exchange(_ a: Memory, _ b: Memory, range: Range<Int>)

  /// Lerp: average += share (target - average), over a range; the average is kept as a sum of two
  /// parts.
  ///
  /// - Parameter earlier: an earlier target, applied in the same pass, bit-identical to a
  ///   call of its own.
  func moveAverage(
    _ average: Memory, rest: Memory, after earlier: (target: Memory, share: Float)?,
    towards target: Memory, share: Float, range: Range<Int>)

  /// Moves a range of parameters by one step of an optimizer.
  func update(
    _ rule: UpdateRule, range: Range<Int>, decays: Bool, gradientScale: Float,
    parameters: Memory, gradients: Memory, firstMoment: Memory, secondMoment: Memory)
}

/// The moments of a group normalization over one image whose pixels come in pieces: bit by bit those that
/// the operation finds of the whole image, however it is divided.
public protocol StreamedMoments: AnyObject {
  /// The numbers of the pixels that come before all others.
  var sampledPixels: [Int] { get }

  /// Takes the sampled pixels `[samples, C]`.
  func begin(samples: UnsafePointer<Float>)

  /// Takes the next pixels in order, `[count, C]`.
  func add(_ pixels: UnsafePointer<Float>, count: Int)

  /// Mean and reciprocal deviation of each group, once all pixels have come.
  func end(mean: UnsafeMutablePointer<Float>, reciprocalDeviation: UnsafeMutablePointer<Float>)
}

/// What executes one instruction in the memories of a lane.
///
/// A type of its own, and not generic: a closure that comes out of an array of closures is wrapped anew
/// each time, which allocates.
public struct Kernel: Sendable {
  /// The phases in which several threads can execute the instruction together; 0 where one does it all.
  public let phases: Int
  private let body: @Sendable (WorkShare) -> Void

  /// A closure as a kernel.
  public init(phases: Int = 0, _ body: @escaping @Sendable (WorkShare) -> Void) {
    (self.phases, self.body) = (phases, body)
  }

  /// Executes the instruction.
  public func callAsFunction() { body(.whole) }

  /// Executes one thread's share of a phase.
  public func callAsFunction(_ share: WorkShare) { body(share) }
}

/// The memories that one lane sees.
public struct Memories<Memory: AnyObject & Sendable>: Sendable {
  /// The parameters, read only.
  public let parameters: Memory
  /// Values that depend only on parameters; read-only during a replay.
  public let shared: Memory
  /// The lane's values.
  public let arena: Memory
  /// The lane's sums of gradients.
  public let gradients: Memory
  /// Scratch memory of a thread that computes in the lane of another: for it, workspaces begin there; nil
  /// where they lie in the arena, as the plan has it.
  public let workspace: Memory?

  /// The memories of a lane.
  init(
    parameters: Memory, shared: Memory, arena: Memory, gradients: Memory, workspace: Memory? = nil
  ) {
    (self.parameters, self.shared, self.arena) = (parameters, shared, arena)
    (self.gradients, self.workspace) = (gradients, workspace)
  }

  /// Those of a thread that computes in this lane beside its own thread.
  func sharing(workspace: Memory) -> Memories {
    Memories(
      parameters: parameters, shared: shared, arena: arena, gradients: gradients,
      workspace: workspace)
  }

  /// The memory of a region.
  public subscript(region: Region) -> Memory {
    switch region {
    case .parameters: return parameters
    case .shared: return shared
    case .arena: return arena
    case .gradients: return gradients
    }
  }
}

/// One step of an optimizer: which one, with the numbers of this step.
public enum UpdateRule: Sendable, Hashable {
  /// Adam with decoupled weight decay (Loshchilov and Hutter, 2017).
  case adamW(Moments)
  /// Adam with weight decay added to the gradient (Kingma and Ba, 2014).
  case adam(Moments)
  /// Gradient descent with momentum; weight decay is added to the gradient.
  case sgd(learningRate: Float, momentum: Float, nesterov: Bool, decay: Float)

  /// The numbers of a step of Adam.
  public struct Moments: Sendable, Hashable {
    /// The step size.
    public var learningRate: Float
    /// The decay of the first moment.
    public var beta1: Float
    /// The decay of the second moment.
    public var beta2: Float
    /// Added to the square root of the second moment.
    public var epsilon: Float
    /// The weight decay.
    public var decay: Float
    /// `1 - beta1^t`.
    public var correction1: Float
    /// `1 - beta2^t`.
    public var correction2: Float

    /// The numbers of step `t`, counted from 1.
    public init(
      learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float, step: Int
    ) {
      self.learningRate = learningRate
      self.beta1 = beta1
      self.beta2 = beta2
      self.epsilon = epsilon
      self.decay = decay
      correction1 = Float(1 - power(Double(beta1), step))
      correction2 = Float(1 - power(Double(beta2), step))
    }
  }
}

/// `base` to a whole power, by repeated squaring: the same on every platform.
private func power(_ base: Double, _ exponent: Int) -> Double {
  var (result, factor, rest) = (1.0, base, exponent)
  while rest > 0 {
    if rest & 1 == 1 { result *= factor }
    factor *= factor
    rest >>= 1
  }
  return result
}
