import Autodiff
import CPUBackend
import Execution
import Testing

/// Parameters between the order of a checkpoint and that of memory.
struct FileOrderTests {
  /// Extents in memory, with ones, and channels beside a multiple of the block.
  static let shapes: [(Shape, Parameter.FileLayout)] = [
    ([3, 3, 5, 7], .convolution), ([3, 3, 1, 33], .convolution), ([1, 1, 4, 16], .convolution),
    ([2, 3, 17, 1], .convolution), ([1, 1, 9, 40], .linear), ([1, 1, 1, 1], .linear),
    ([4, 6], .same), ([11], .same),
  ]

  /// Where an element of a file lies in memory.
  static func memoryIndex(_ shape: Shape, _ layout: Parameter.FileLayout, _ element: Int) -> Int {
    switch layout {
    case .same: return element
    case .linear: return element % shape[2] * shape[3] + element / shape[2]
    case .convolution:
      let (height, width, inputs, outputs) = (shape[0], shape[1], shape[2], shape[3])
      let (column, row) = (element % width, element / width % height)
      let input = element / (width * height) % inputs
      let output = element / (width * height * inputs)
      return ((row * width + column) * inputs + input) * outputs + output
    }
  }

  @Test(arguments: shapes)
  func memoryHoldsTheTranspose(_ shape: Shape, _ layout: Parameter.FileLayout) {
    let graph = Graph()
    let scope = Scope(graph)
    _ = scope.parameter("before", [3], .constant(0))
    let weight = scope.parameter("weight", shape, .constant(0), layout: layout)
    _ = scope.parameter("behind", [3], .constant(0))
    let backend = CPUBackend()
    // The weight as it lies in memory, read through a plan.
    let plan = Plan(graph, outputs: ["weight": weight * 1], on: backend)
    let parameters = ParameterMemory(plan.parameters, on: backend)
    let file = (0..<shape.count).map { Float($0 + 1) }
    parameters.write(file, toParameter: 1)
    #expect(parameters.read(parameter: 1) == file)
    #expect(parameters.read(parameter: 0) == [0, 0, 0])
    #expect(parameters.read(parameter: 2) == [0, 0, 0])

    let session = Session(plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    nonisolated(unsafe) var memory = [Float](repeating: 0, count: shape.count)
    session.collect = { $0.read("weight", intoWords: &memory) }
    session.run(items: 1)
    for (element, number) in file.enumerated() {
      #expect(memory[Self.memoryIndex(shape, layout, element)] == number)
    }
  }

  /// Moments take memory once they are written or an optimizer asks for them, and are zero before.
  @Test func momentsAreMadeWhenTheyAreNeeded() {
    let graph = Graph()
    _ = Scope(graph).parameter("weight", [2, 3], .constant(1))
    let parameters = ParameterMemory(ParameterLayout(graph.parameters), on: CPUBackend())
    #expect(parameters.hasMemory(.values) && !parameters.hasMemory(.firstMoment))
    #expect(parameters.read(parameter: 0, of: .firstMoment) == Array(repeating: 0, count: 6))
    #expect(!parameters.hasMemory(.firstMoment))
    parameters.write(Array(repeating: 2, count: 6), toParameter: 0, of: .firstMoment)
    #expect(parameters.hasMemory(.firstMoment) && !parameters.hasMemory(.secondMoment))
    #expect(parameters.read(parameter: 0, of: .firstMoment) == Array(repeating: 2, count: 6))
  }
}
