import Autodiff

/// Turns a graph into instructions with places in memory.
struct Planner {
  private let graph: Graph
  private let kept: Set<ValueID>
  private let workspace: (any Operator, [Shape], [Shape]) -> Int

  let parameters: ParameterLayout
  private(set) var instructions: [Instruction] = []
  private(set) var preparation: [Instruction] = []
  private(set) var arenaWords = 0
  private(set) var sharedWords = 0
  private(set) var wordsWithoutSharing = 0
  private(set) var hasGradients = false
  private(set) var hasStates = false

  /// The memory interval of each value that is not a parameter or a parameter's gradient.
  private var stretch: [ValueID: Int] = [:]
  private var lifetimes: [Lifetime] = []
  private var offsets: [Int] = []
  private var isStatic: Set<ValueID> = []

  init(
    _ graph: Graph, keeping kept: [ValueID],
    workspace: @escaping (any Operator, [Shape], [Shape]) -> Int
  ) {
    self.graph = graph
    self.kept = Set(kept)
    self.workspace = workspace
    parameters = ParameterLayout(graph.parameters)
  }

  mutating func run() {
    let needed = neededNodes()
    checkOrder(needed)
    findStaticValues(needed)
    let executed = needed.filter { graph.nodes[$0].operation.viewedInput == nil }
    let shared = executed.filter { isStatic.contains(graph.nodes[$0].outputs[0]) }
    let replayed = executed.filter { !isStatic.contains(graph.nodes[$0].outputs[0]) }
    let outcome = layOut(shared, region: .shared)
    preparation = outcome.instructions
    sharedWords = outcome.words
    let sharedStretches = lifetimes.count
    let outcomes = layOut(replayed, region: .arena)
    instructions = outcomes.instructions
    arenaWords = outcomes.words
    wordsWithoutSharing = lifetimes[sharedStretches...].reduce(0) { $0 + aligned($1.words) }
    hasGradients = instructions.contains { $0.outputs.contains { $0.region == .gradients } }
  }

  /// The nodes that results or gradients depend on, in order.
  private func neededNodes() -> [Int] {
    var wanted = kept
    var needed: [Int] = []
    for index in graph.nodes.indices.reversed() {
      let node = graph.nodes[index]
      let isWanted = node.outputs.contains { output in
        if case .gradient = graph.values[output.index].role { return true }
        return wanted.contains(output)
      }
      guard isWanted else { continue }
      wanted.formUnion(node.inputs)
      needed.append(index)
    }
    return needed.reversed()
  }

  /// Stops where an operation reads what is computed after it: a plan would read old memory.
  private func checkOrder(_ nodes: [Int]) {
    for index in nodes {
      let node = graph.nodes[index]
      for input in node.inputs {
        guard let late = laterMaker(of: input, than: index) else { continue }
        fatalError(
          "\(node.layer): \(node.operation.name) (node \(index)) reads what "
            + "\(graph.nodes[late].operation.name) (node \(late)) yields after it; record "
            + "operations in the order in which they are to be computed")
      }
    }
  }

  /// The node that yields a value, if it is not before another; none yields inputs and parameters,
  /// and nobody reads gradient memory.
  private func laterMaker(of id: ValueID, than index: Int) -> Int? {
    guard case .result(let maker, _) = graph.values[id.index].role, maker >= index else {
      return nil
    }
    return maker
  }

  /// Marks what depends on parameters alone.
  private mutating func findStaticValues(_ nodes: [Int]) {
    for (index, value) in graph.values.enumerated() {
      if case .parameter = value.role { isStatic.insert(ValueID(index)) }
    }
    for index in nodes {
      let node = graph.nodes[index]
      let isGradient = node.outputs.contains {
        if case .gradient = graph.values[$0.index].role { return true }
        return false
      }
      if !node.inputs.isEmpty, !isGradient, node.inputs.allSatisfy(isStatic.contains) {
        isStatic.formUnion(node.outputs)
      }
    }
  }

  /// The value whose memory a value shares.
  private func root(_ id: ValueID) -> ValueID {
    var id = id
    while case .result(let node, _) = graph.values[id.index].role,
      let viewed = graph.nodes[node].operation.viewedInput
    {
      id = graph.nodes[node].inputs[viewed]
    }
    return id
  }

  /// Gives each value of some nodes a stretch of memory and each stretch a place.
  private mutating func layOut(_ nodes: [Int], region: Region)
    -> (instructions: [Instruction], words: Int)
  {
    let firstStretch = lifetimes.count
    let lastUse = lastUses(nodes, keepingAll: region == .shared)
    if region == .arena { placeInputs(lastUse) }

    var scratch: [Int: Int] = [:]  // instruction to stretch
    for (step, index) in nodes.enumerated() {
      let node = graph.nodes[index]
      for (output, id) in node.outputs.enumerated() where needsStretch(id) {
        if output == 0, let overwritten = overwritable(node, at: step, lastUse, region) {
          stretch[id] = overwritten
        } else {
          let words = max(1, graph.values[id.index].shape.count)
          lifetimes.append(Lifetime(words: words, first: step, last: step))
          stretch[id] = lifetimes.count - 1
        }
        lifetimes[stretch[id]!].last = max(step, lastUse[id] ?? step)
      }
      let words = workspace(
        node.operation, node.inputs.map { graph.values[$0.index].shape },
        node.outputs.map { graph.values[$0.index].shape })
      if words > 0 {
        lifetimes.append(Lifetime(words: words, first: step, last: step))
        scratch[step] = lifetimes.count - 1
      }
    }

    let layout = ArenaLayout(Array(lifetimes[firstStretch...]))
    offsets += layout.offsets
    let instructions = nodes.enumerated().map { step, index in
      let node = graph.nodes[index]
      let scratchOperand = scratch[step].map {
        Operand(
          region: region, offset: offsets[$0], shape: [lifetimes[$0].words], type: .float32)
      }
      return Instruction(
        operation: node.operation, inputs: node.inputs.map { place($0, of: node) },
        outputs: node.outputs.map { place($0, of: node) }, workspace: scratchOperand,
        layer: node.layer)
    }
    return (instructions, layout.words)
  }

  /// The last instruction that reads each root value; none is the last where all are kept, as those are
  /// that replays may read after the last of these instructions.
  private func lastUses(_ nodes: [Int], keepingAll: Bool) -> [ValueID: Int] {
    var lastUse: [ValueID: Int] = [:]
    for (step, index) in nodes.enumerated() {
      let node = graph.nodes[index]
      for input in node.inputs { lastUse[root(input)] = keepingAll ? .max : step }
      if keepingAll {
        for output in node.outputs { lastUse[root(output)] = .max }
      }
    }
    for id in kept { lastUse[root(id)] = .max }
    return lastUse
  }

  /// Inputs are there from the start, and states after the end too.
  private mutating func placeInputs(_ lastUse: [ValueID: Int]) {
    for (index, value) in graph.values.enumerated() {
      guard var last = lastUse[ValueID(index)] else { continue }
      switch value.role {
      case .input: break
      case .state: (last, hasStates) = (.max, true)
      default: continue
      }
      lifetimes.append(Lifetime(words: max(1, value.shape.count), first: -1, last: last))
      stretch[ValueID(index)] = lifetimes.count - 1
    }
  }

  private func needsStretch(_ id: ValueID) -> Bool {
    if case .result = graph.values[id.index].role { return true }
    return false
  }

  /// The memory of an input that the first output may overwrite: it is not read later, nor as
  /// another input of the same operation.
  private func overwritable(
    _ node: Graph.Node, at step: Int, _ lastUse: [ValueID: Int], _ region: Region
  ) -> Int? {
    let words = graph.values[node.outputs[0].index].shape.count
    for position in node.operation.overwritableInputs {
      let id = root(node.inputs[position])
      guard case .result = graph.values[id.index].role,
        node.inputs.indices.allSatisfy({ $0 == position || root(node.inputs[$0]) != id }),
        isStatic.contains(id) == (region == .shared),
        lastUse[id] == step, graph.values[id.index].shape.count == words
      else { continue }
      return stretch[id]
    }
    return nil
  }

  /// Where an input or output of an operation lies.
  private func place(_ id: ValueID, of node: Graph.Node) -> Operand {
    guard let operand = operand(id) else {
      fatalError("\(node.layer): \(node.operation.name) has a value that has no place in memory")
    }
    return operand
  }

  /// Where a value lies, or nil if the plan does not need it.
  func operand(_ id: ValueID) -> Operand? {
    let value = graph.values[id.index]
    let root = root(id)
    switch graph.values[root.index].role {
    case .parameter(let index):
      return Operand(
        region: .parameters, offset: parameters.offsets[index], shape: value.shape,
        type: value.type)
    case .gradient(let index):
      return Operand(
        region: .gradients, offset: parameters.offsets[index], shape: value.shape,
        type: value.type)
    case .input, .state, .result:
      guard let place = stretch[root] else { return nil }
      return Operand(
        region: isStatic.contains(root) ? .shared : .arena, offset: offsets[place],
        shape: value.shape, type: value.type)
    }
  }
}

// MARK: - The layout of the arena

/// A stretch of memory that is needed from one instruction to another.
struct Lifetime: Sendable {
  /// How many words.
  let words: Int
  /// The instruction that first writes it; -1 for what is there from the start.
  var first: Int
  /// The last instruction that reads it.
  var last: Int

  func overlaps(_ other: Lifetime) -> Bool {
    first <= other.last && other.first <= last
  }
}

/// Offsets for stretches of memory, such that those needed at one time do not overlap.
///
/// Largest first, each at the lowest offset that is free throughout its life.
struct ArenaLayout: Sendable {
  /// The first word of each stretch.
  let offsets: [Int]
  /// The words of the whole arena.
  let words: Int

  init(_ lifetimes: [Lifetime]) {
    var offsets = [Int](repeating: 0, count: lifetimes.count)
    var placed: [Int] = []  // in the order of their offsets
    var total = 0
    let order = lifetimes.indices.sorted {
      (lifetimes[$0].words, $1) > (lifetimes[$1].words, $0)
    }
    for index in order {
      let lifetime = lifetimes[index]
      var offset = 0
      for other in placed where lifetimes[other].overlaps(lifetime) {
        if offsets[other] >= offset + lifetime.words { break }
        offset = max(offset, aligned(offsets[other] + lifetimes[other].words))
      }
      offsets[index] = offset
      total = max(total, aligned(offset + lifetime.words))
      let place = placed.firstIndex { offsets[$0] > offset } ?? placed.count
      placed.insert(index, at: place)
    }
    self.offsets = offsets
    words = total
  }
}
