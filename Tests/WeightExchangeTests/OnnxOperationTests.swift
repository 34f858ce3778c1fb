import Autodiff
import FileTestSupport
import Foundation
import Safetensors
import TestSupport
import Testing
import WeightExchange

/// Each operation that ONNX export knows: ONNX Runtime computes what the engine does.
@Suite("ONNX operations")
struct OnnxOperationTests {
  static let script = """
    import sys, numpy, onnx, onnxruntime
    from safetensors.numpy import load_file
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for name in sys.argv[2:]:
        path = f"{sys.argv[1]}/{name}"
        onnx.checker.check_model(onnx.load(path + ".onnx"), full_check=True)
        session = onnxruntime.InferenceSession(path + ".onnx", options, providers=["CPUExecutionProvider"])
        file = load_file(path + ".safetensors")
        feeds = {port.name: file[port.name].astype(numpy.int64 if "int64" in port.type else numpy.float32)
                 for port in session.get_inputs()}
        found, expected = session.run(None, feeds)[0].astype(numpy.float32), file["output"]
        assert found.shape == expected.shape, (name, found.shape, expected.shape)
        # Of what is not finite the engine makes -1 or NaN, to be refused.
        counts = numpy.isfinite(expected) & ~((expected == -1) & (found >= 0) & (found == found.round()))
        error = numpy.abs(found - expected) / numpy.maximum(1, numpy.abs(expected))
        print("RESULT", name, f"{error[counts].max(initial=0):.3g}", counts.sum())
    """

  /// Every case of `OperationCases` that can be translated; every operation that is known occurs.
  @Test(.enabled(if: PythonPeer.onnx.isHere, "\(PythonPeer.onnx.absence)"))
  func operationsAreThoseOfTheEngine() throws {
    let folder = try ScratchFolder()
    var (cases, seen): ([String: OperationCase], Set<String>) = ([:], [])
    for (number, operation) in OperationCases.all.enumerated() {
      let (graph, inputs, output) = Self.record(operation)
      let name = String(number)
      do {
        try OnnxExport.write(output, of: inputs, to: folder.file(name + ".onnx"))
      } catch is ExportError { continue }
      cases[name] = operation
      seen.formUnion(graph.nodes.map { String(describing: type(of: $0.operation)) })
      try Self.run(operation, to: folder.file(name + ".safetensors"))
    }
    let known = try Self.knownOperations()
    try #require(known.count > 15)
    #expect(known.subtracting(seen).isEmpty, "no case for \(known.subtracting(seen).sorted())")
    let output = try PythonPeer.onnx.run(
      script: Self.script, [folder.path] + cases.keys.sorted())
    let results = output.split(separator: "\n").filter { $0.hasPrefix("RESULT ") }
      .map { $0.split(separator: " ").map(String.init) }
    #expect(Set(results.map { $0[1] }) == Set(cases.keys), "\(output)")
    for result in results {
      let operation = try #require(cases[result[1]])
      let error = try #require(Double(result[2]))
      #expect(error <= max(operation.tolerance * 5, 1e-4), "\(operation) is off by \(error)")
      #expect(Int(result[3])! > 0, "\(operation)")
    }
  }

  private static func record(
    _ operation: OperationCase
  ) -> (graph: Graph, inputs: [Tensor], output: Tensor) {
    let graph = Graph()
    let inputs = operation.inputs.enumerated().map { index, input in
      graph.input("input\(index)", input.shape, type: input.isIndex ? .index : .float32)
    }
    return (graph, inputs, operation.build(inputs))
  }

  /// Writes the inputs, and what the engine makes of them.
  private static func run(_ operation: OperationCase, to path: String) throws {
    let (graph, _, output) = record(operation)
    var numbers: [String: [Float]] = [:]
    var tensors: [(name: String, shape: [Int], values: [Float])] = []
    for (index, input) in operation.inputs.enumerated() {
      numbers["input\(index)"] = input.values
      tensors.append(("input\(index)", input.shape.dimensions, input.values))
    }
    let results = GraphRun(graph, outputs: ["output": output]).run(numbers)
    tensors.append(("output", output.shape.dimensions, try #require(results["output"])))
    try SafetensorsWriter.write(tensors, to: path)
  }

  /// The types that conform to `OnnxOperator` in the sources.
  private static func knownOperations() throws -> Set<String> {
    let folder = CommandRunner.repository
      .appendingPathComponent("Sources/WeightExchange/Export/ONNX")
    var names: Set<String> = []
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      for match in text.matches(of: /extension (\w+): OnnxOperator/) {
        names.insert(String(match.output.1))
      }
    }
    return names
  }

  /// An operation that is not known is refused by name, and its layer.
  @Test func unknownOperationsAreRefused() throws {
    let graph = Graph()
    let x = graph.input("x", [2, 3])
    let error = #expect(throws: ExportError.self) {
      try OnnxExport.write(x.maximum(axis: 1), of: [x], to: "/dev/null/none")
    }
    #expect(try #require(error).description.contains("axis maximum"))
  }
}
