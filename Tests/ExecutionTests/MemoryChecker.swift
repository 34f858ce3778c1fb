import Autodiff
import Execution

/// Watches who owns each word while a plan is walked through, without believing the planner.
///
/// The order of values is taken from the graph by rules of its own: what is needed, what depends
/// on parameters alone, whose memory a view shares. Then the plan's instructions are played one
/// by one on a map from words to owners, and every claim that does not hold is a complaint.
struct MemoryChecker {
  private let graph: Graph
  private let plan: Plan
  private var owners: [Region: [Int: Int]] = [.arena: [:], .shared: [:]]
  private(set) var complaints: [String] = []
  /// How often an output took over the memory of an input.
  private(set) var overwritten = 0

  private static let scratch = -1

  /// Walks through a plan of a graph with the given results.
  static func check(_ graph: Graph, _ plan: Plan, results: [String: Tensor]) -> MemoryChecker {
    var checker = MemoryChecker(graph: graph, plan: plan)
    checker.walk(results)
    return checker
  }

  private init(graph: Graph, plan: Plan) {
    self.graph = graph
    self.plan = plan
  }

  private mutating func walk(_ results: [String: Tensor]) {
    let executed = neededNodes(results.values.map(\.id))
    let once = executed.filter { dependsOnParametersAlone(graph.nodes[$0].outputs[0]) }
    let replayed = executed.filter { !once.contains($0) }
    guard once.count == plan.preparation.count, replayed.count == plan.instructions.count else {
      complaints.append("the plan has other instructions than the graph needs")
      return
    }
    for (node, instruction) in zip(once, plan.preparation) { play(node, instruction, .shared) }
    for (index, value) in graph.values.enumerated() {
      if case .input(let name) = value.role, let operand = plan.inputs[name] {
        claim(operand, for: index)
      }
    }
    for (node, instruction) in zip(replayed, plan.instructions) { play(node, instruction, .arena) }
    for (name, tensor) in results {
      verify(plan.outputs[name]!, of: root(tensor.id), "result \(name)")
    }
  }

  private mutating func play(_ index: Int, _ instruction: Instruction, _ region: Region) {
    let node = graph.nodes[index]
    let name = "\(instruction.operation.name) \(index)"
    if AnyHashable(node.operation) != AnyHashable(instruction.operation) {
      complaints.append("\(name) is out of order")
    }
    if let scratch = instruction.workspace {
      if scratch.region != region { complaints.append("\(name): scratch in another region") }
      claim(scratch, for: Self.scratch)
    }
    for (id, operand) in zip(node.inputs, instruction.inputs) {
      verify(operand, of: root(id), name)
    }
    for (position, (id, operand)) in zip(node.outputs, instruction.outputs).enumerated() {
      if case .gradient(let parameter) = graph.values[id.index].role {
        let isRight =
          operand.region == .gradients && operand.offset == plan.parameters.offsets[parameter]
        if !isRight { complaints.append("\(name): a gradient goes elsewhere") }
        continue
      }
      for (place, input) in instruction.inputs.enumerated() where overlap(operand, input) {
        let isAllowed =
          position == 0 && node.operation.overwritableInputs.contains(place)
          && operand.offset == input.offset && operand.shape.count == input.shape.count
        // Another input in the same place is the same value read twice.
        let isTwin = instruction.inputs.enumerated().contains { other, twin in
          node.operation.overwritableInputs.contains(other) && twin.offset == operand.offset
            && twin.region == operand.region
        }
        if isAllowed { overwritten += 1 }
        if !isAllowed && !(position == 0 && isTwin && operand.offset == input.offset) {
          complaints.append("\(name): output \(position) lies on input \(place)")
        }
      }
      if let scratch = instruction.workspace, overlap(operand, scratch) {
        complaints.append("\(name): output \(position) lies on scratch memory")
      }
      for (other, second) in instruction.outputs.enumerated()
      where other != position && overlap(operand, second) {
        complaints.append("\(name): outputs \(position) and \(other) overlap")
      }
      if operand.region != region { complaints.append("\(name): an output in another region") }
      claim(operand, for: id.index)
    }
  }

  private mutating func claim(_ operand: Operand, for owner: Int) {
    let size = operand.region == .arena ? plan.arenaWords : plan.sharedWords
    if operand.offset < 0 || operand.offset + operand.shape.count > size {
      complaints.append("value \(owner) lies outside its memory")
    }
    for word in 0..<operand.shape.count { owners[operand.region]![operand.offset + word] = owner }
  }

  /// A value is read where its producer wrote it, and nobody has written there since.
  private mutating func verify(_ operand: Operand, of owner: ValueID, _ reader: String) {
    if case .parameter(let index) = graph.values[owner.index].role {
      if operand.region != .parameters || operand.offset != plan.parameters.offsets[index] {
        complaints.append("\(reader): a parameter is read elsewhere")
      }
      return
    }
    let words = owners[operand.region] ?? [:]
    let isWhole = (0..<operand.shape.count).allSatisfy {
      words[operand.offset + $0] == owner.index
    }
    if !isWhole { complaints.append("\(reader): value \(owner.index) was overwritten") }
  }

  private func overlap(_ a: Operand, _ b: Operand) -> Bool {
    a.region == b.region && a.offset < b.offset + b.shape.count
      && b.offset < a.offset + a.shape.count
  }

  // MARK: The graph, read anew

  private func neededNodes(_ results: [ValueID]) -> [Int] {
    var seen: Set<Int> = []
    var open = results
    for value in graph.values.indices {
      if case .gradient = graph.values[value].role { open.append(ValueID(value)) }
    }
    while let id = open.popLast() {
      guard let node = maker(id), seen.insert(node).inserted else { continue }
      open += graph.nodes[node].inputs
    }
    return seen.sorted().filter { graph.nodes[$0].operation.viewedInput == nil }
  }

  private func maker(_ id: ValueID) -> Int? {
    graph.nodes.firstIndex { $0.outputs.contains(id) }
  }

  private func root(_ id: ValueID) -> ValueID {
    guard let node = maker(id), let viewed = graph.nodes[node].operation.viewedInput else {
      return id
    }
    return root(graph.nodes[node].inputs[viewed])
  }

  private func dependsOnParametersAlone(_ id: ValueID) -> Bool {
    if case .parameter = graph.values[id.index].role { return true }
    if case .gradient = graph.values[id.index].role { return false }
    guard let node = maker(id), !graph.nodes[node].inputs.isEmpty else { return false }
    return graph.nodes[node].inputs.allSatisfy(dependsOnParametersAlone)
  }
}
