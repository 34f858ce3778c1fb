import Autodiff
import Foundation
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

  /// A new operation fails here until it has a case: the conformances that stand in the sources are held
  /// against the operations that the cases record.
  @Test func everyOperationHasACase() throws {
    var seen: Set<String> = []
    for operation in OperationCases.all {
      let (graph, tensors, _, loss) = operation.record()
      let differentiated = tensors.indices.filter { operation.inputs[$0].isDifferentiated }
      graph.differentiate(loss, withRespectTo: differentiated.map { tensors[$0] })
      seen.formUnion(graph.nodes.map { String(describing: type(of: $0.operation)) })
    }
    // Accumulation serves parameters alone; `GradientTests` covers it. `StateTests` covers what lasts from
    // replay to replay.
    seen.formUnion(["Accumulation", "CachedAttention"])
    let declared = try Self.declaredOperations()
    #expect(declared.count > 40 && declared.contains("Convolution"))
    let missing = declared.subtracting(seen).sorted()
    #expect(missing.isEmpty, "no case exercises: \(missing.joined(separator: ", "))")
  }

  /// The names of the types in `Sources/Autodiff/Operations` that are declared to be operators.
  private static func declaredOperations() throws -> Set<String> {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Sources/Autodiff/Operations")
    var names: Set<String> = []
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      for match in text.matches(of: /public (?:struct|enum) (\w+):[^{]*\bOperator\b/) {
        names.insert(String(match.output.1))
      }
    }
    return names
  }
}
