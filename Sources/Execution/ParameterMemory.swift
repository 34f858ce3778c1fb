import Autodiff
import Randomness

/// The parameters of a model on a device, with the optimizer's moments.
///
/// Several sessions may share one: training and evaluation see the same weights.
public final class ParameterMemory<B: Backend> {
  /// Where each parameter lies.
  public let layout: ParameterLayout
  /// Grows with every change, so that sessions know when to prepare anew.
  public private(set) var version = 0

  /// The device.
  public let backend: B
  let values: B.Memory
  let firstMoment: B.Memory
  let secondMoment: B.Memory

  /// What a block of parameter memory holds.
  public enum Block: String, Sendable, CaseIterable {
    /// The parameters themselves.
    case values = "parameters"
    /// Adam's first moment, or the velocity of SGD.
    case firstMoment = "moment1"
    /// Adam's second moment.
    case secondMoment = "moment2"
  }

  /// Memory for parameters, all zero.
  public init(_ layout: ParameterLayout, on backend: B) {
    self.layout = layout
    self.backend = backend
    values = backend.allocate(words: layout.words)
    firstMoment = backend.allocate(words: layout.words)
    secondMoment = backend.allocate(words: layout.words)
  }

  /// Draws the first values of every parameter.
  ///
  /// Each parameter has a stream of its own, named by the parameter, so that its values do not
  /// depend on which others there are.
  public func initialize(seed: UInt64) {
    let root = Generator(seed: seed)
    for (index, parameter) in layout.parameters.enumerated() {
      var generator = root.split(named: parameter.name)
      writeInMemoryOrder(parameter.firstValues(&generator), index, .values)
    }
  }

  /// The numbers of one parameter, in the order of a checkpoint.
  public func read(parameter index: Int, of block: Block = .values) -> [Float] {
    let parameter = layout.parameters[index]
    let memory = readInMemoryOrder(index, block)
    guard parameter.fileLayout != .same else { return memory }
    return memory.indices.map { memory[parameter.memoryIndex(ofFileElement: $0)] }
  }

  /// Replaces the numbers of one parameter, given in the order of a checkpoint.
  public func write(_ numbers: [Float], toParameter index: Int, of block: Block = .values) {
    let parameter = layout.parameters[index]
    precondition(
      numbers.count == parameter.shape.count,
      "\(parameter.name) has \(parameter.shape.count) elements, not \(numbers.count)")
    var memory = numbers
    if parameter.fileLayout != .same {
      for (element, number) in numbers.enumerated() {
        memory[parameter.memoryIndex(ofFileElement: element)] = number
      }
    }
    writeInMemoryOrder(memory, index, block)
  }

  /// The name of the first parameter that holds a number that is not finite, if any does.
  public func firstNonFinite() -> String? {
    layout.parameters.indices.first {
      !backend.isFinite(
        values, at: layout.offsets[$0], words: layout.parameters[$0].shape.count)
    }.map { layout.parameters[$0].name }
  }

  func didChange() { version += 1 }

  subscript(block: Block) -> B.Memory {
    switch block {
    case .values: return values
    case .firstMoment: return firstMoment
    case .secondMoment: return secondMoment
    }
  }

  private func writeInMemoryOrder(_ numbers: [Float], _ index: Int, _ block: Block) {
    backend.write(numbers, words: numbers.count, to: self[block], at: layout.offsets[index])
    version += 1
  }

  private func readInMemoryOrder(_ index: Int, _ block: Block) -> [Float] {
    let count = layout.parameters[index].shape.count
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      backend.read(
        self[block], at: layout.offsets[index], words: count, into: buffer.baseAddress!)
      initialized = count
    }
  }
}
