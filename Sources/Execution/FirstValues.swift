import Autodiff
import Randomness

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
