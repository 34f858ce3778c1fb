import Autodiff
import Randomness

/// The parameters of a model on a device, with whatever else is laid out as they are.
///
/// Several sessions may share one: training and evaluation see the same weights. The optimizer's
/// moments and all other blocks take memory only once they are asked for: weights that only encode
/// have none.
public final class ParameterMemory<B: Backend> {
  /// Where each parameter lies.
  public let layout: ParameterLayout
  /// Grows with every change, so that sessions know when to prepare again.
  public private(set) var version = 0

  /// The device.
  public let backend: B
  let values: B.Memory
  private var others: [ParameterBlock: B.Memory] = [:]

  /// Memory for parameters, all zero.
  public init(_ layout: ParameterLayout, on backend: B) {
    self.layout = layout
    self.backend = backend
    values = backend.allocate(words: layout.words)
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
  public func read(parameter index: Int, of block: ParameterBlock = .values) -> [Float] {
    let count = layout.parameters[index].shape.count
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      read(parameter: index, of: block, into: buffer.baseAddress!)
      initialized = count
    }
  }

  /// Copies the numbers of one parameter, in the order of a checkpoint, to where there is room.
  public func read(
    parameter index: Int, of block: ParameterBlock, into target: UnsafeMutablePointer<Float>
  ) {
    let parameter = layout.parameters[index]
    let count = parameter.shape.count
    guard block == .values || hasMemory(block) else {
      target.update(repeating: 0, count: count)
      return
    }
    let (memory, offset) = (self[block], layout.offsets[index])
    guard parameter.fileLayout != .same else {
      return backend.read(memory, at: offset, words: count, into: target)
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { staging in
      backend.read(memory, at: offset, words: count, into: staging.baseAddress!)
      parameter.copy(inMemoryOrder: staging.baseAddress!, toFile: target)
    }
  }

  /// Replaces the numbers of one parameter, given in the order of a checkpoint.
  public func write(_ numbers: [Float], toParameter index: Int, of block: ParameterBlock = .values)
  {
    numbers.withUnsafeBufferPointer { write($0, toParameter: index, of: block) }
  }

  /// Replaces the numbers of one parameter, given in the order of a checkpoint.
  public func write(
    _ numbers: UnsafeBufferPointer<Float>, toParameter index: Int,
    of block: ParameterBlock = .values
  ) {
    let parameter = layout.parameters[index]
    let count = parameter.shape.count
    precondition(
      numbers.count == count, "\(parameter.name) has \(count) elements, not \(numbers.count)")
    guard let source = numbers.baseAddress else { return }
    guard parameter.fileLayout != .same else {
      return writeInMemoryOrder(source, index, block)
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { staging in
      parameter.copy(inFileOrder: source, toMemory: staging.baseAddress!)
      writeInMemoryOrder(staging.baseAddress!, index, block)
    }
  }

  /// Whether a block takes memory; one that does not is all zero.
  public func hasMemory(_ block: ParameterBlock) -> Bool {
    block == .values || others[block] != nil
  }

  /// The name of the first parameter that holds a number that is not finite, if any does.
  public func firstNonFinite() -> String? {
    layout.parameters.indices.first {
      !backend.isFinite(
        values, at: layout.offsets[$0], words: layout.parameters[$0].shape.count)
    }.map { layout.parameters[$0].name }
  }

  // MARK: Whole blocks, as far as they are trained

  /// Copies a block to another.
  public func copy(_ source: ParameterBlock, to target: ParameterBlock) {
    backend.copy(self[source], to: self[target], range: trained)
    version += 1
  }

  /// Exchanges two blocks, bit by bit.
  public func exchange(_ a: ParameterBlock, _ b: ParameterBlock) {
    backend.exchange(self[a], self[b], range: trained)
    version += 1
  }

  /// Lerp of an average towards a block: average += share (block - average).
  public func moveAverage(_ name: String, towards target: ParameterBlock, share: Double) {
    backend.moveAverage(
      self[.average(name)], rest: self[.averageRest(name)], after: nil, towards: self[target],
      share: Float(share), range: trained)
  }

  /// The squared distance of two blocks.
  public func squaredDistance(_ a: ParameterBlock, _ b: ParameterBlock) -> Double {
    backend.squaredDistance(self[a], self[b], range: trained)
  }

  /// The sum of the products of two blocks.
  public func innerProduct(_ a: ParameterBlock, _ b: ParameterBlock) -> Double {
    backend.innerProduct(self[a], self[b], range: trained)
  }

  private var trained: Range<Int> { 0..<layout.trainedWords }

  func didChange() { version += 1 }

  /// The memory of a block, made at its first use.
  ///
  /// Not to be asked for the first time by several threads at once.
  subscript(block: ParameterBlock) -> B.Memory {
    if block == .values { return values }
    if let memory = others[block] { return memory }
    let memory = backend.allocate(words: layout.words)
    others[block] = memory
    return memory
  }

  private func writeInMemoryOrder(
    _ numbers: UnsafePointer<Float>, _ index: Int, _ block: ParameterBlock
  ) {
    backend.write(
      numbers, words: layout.parameters[index].shape.count, to: self[block],
      at: layout.offsets[index])
    version += 1
  }
}

// MARK: - First values

extension Parameter {
  /// The first values of a parameter, in the order of memory.
  func firstValues(_ generator: inout Generator) -> [Float] {
    switch initializer {
    case .constant(let value):
      return Array(repeating: value, count: shape.count)
    case .uniform(let bound):
      return (0..<shape.count).map { _ in (2 * generator.uniform() - 1) * bound }
    case .normal(let deviation):
      return (0..<shape.count).map { _ in generator.normal() * deviation }
    case .orthogonal:
      let (inputs, outputs) = (shape[shape.rank - 2], shape[shape.rank - 1])
      precondition(shape.count == inputs * outputs, "\(name): an orthogonal start needs a matrix")
      return orthogonalMatrix(inputs, outputs, &generator)
    }
  }
}

/// A random matrix `[inputs, outputs]` whose shorter side's vectors are orthogonal.
///
/// Gram and Schmidt's process in double precision over normal vectors; scaled so that a vector of
/// independent inputs keeps the variance of its elements.
private func orthogonalMatrix(
  _ inputs: Int, _ outputs: Int, _ generator: inout Generator
) -> [Float] {
  let (count, length) = (min(inputs, outputs), max(inputs, outputs))
  var basis: [[Double]] = []
  while basis.count < count {
    var vector = (0..<length).map { _ in Double(generator.normal()) }
    for other in basis {
      let along = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
      for index in vector.indices { vector[index] -= along * other[index] }
    }
    let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    // A draw that lies almost in the span of the others is drawn again.
    if norm > 1e-3 { basis.append(vector.map { $0 / norm }) }
  }
  // Outputs that outnumber the inputs share their variance.
  let scale = (Double(max(inputs, outputs)) / Double(inputs)).squareRoot()
  return (0..<(inputs * outputs)).map { place in
    let (input, output) = place.quotientAndRemainder(dividingBy: outputs)
    return Float(scale * (inputs >= outputs ? basis[output][input] : basis[input][output]))
  }
}
