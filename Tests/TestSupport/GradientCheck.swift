import Autodiff

/// Compares an operation's value and gradient with its slow twin's.
public enum GradientCheck {
  /// The largest error of the value, relative to the tolerance's scale `1 + |value|`.
  public static func valueError(_ operation: OperationCase) -> Double {
    let (graph, _, output, _) = operation.record()
    let expected = operation.reference(operation.doubles)
    precondition(expected.shape.count == output.shape.count, "\(operation): shapes differ")
    let numbers = operation.numbers(outputCount: output.shape.count)
    let value = evaluate(graph, inputs: numbers, outputs: [output])[0]
    return largestError(value, expected.values)
  }

  /// The largest error of the gradient with respect to any input.
  ///
  /// The engine's gradient is compared with central differences of the twin, in double
  /// precision, for a loss that weighs every element of the output by a number of its own.
  public static func gradientError(_ operation: OperationCase) -> Double {
    let (graph, tensors, output, loss) = operation.record()
    let differentiated = operation.inputs.indices.filter {
      operation.inputs[$0].isDifferentiated
    }
    let gradients = graph.differentiate(loss, withRespectTo: differentiated.map { tensors[$0] })
    let numbers = operation.numbers(outputCount: output.shape.count)
    let values = evaluate(graph, inputs: numbers, outputs: gradients)
    let weights = numbers["weights"]!.map(Double.init)

    var worst = 0.0
    for (place, index) in differentiated.enumerated() {
      var expected: [Double] = []
      for element in operation.inputs[index].values.indices {
        func lossAt(_ step: Double) -> Double {
          var moved = operation.doubles
          moved[index].values[element] += step
          return zip(operation.surrogate(moved).values, weights).reduce(0) { $0 + $1.0 * $1.1 }
        }
        let step = 1e-5
        expected.append((lossAt(step) - lossAt(-step)) / (2 * step))
      }
      worst = max(worst, largestError(values[place], expected))
    }
    return worst
  }

  private static func largestError(_ values: [Float], _ expected: [Double]) -> Double {
    zip(values, expected).reduce(0) { worst, pair in
      let error = abs(Double(pair.0) - pair.1) / (1 + abs(pair.1))
      return error.isNaN ? .infinity : max(worst, error)
    }
  }
}

extension OperationCase {
  fileprivate var doubles: [DoubleTensor] {
    inputs.map { DoubleTensor($0.shape, $0.values.map(Double.init)) }
  }
}
