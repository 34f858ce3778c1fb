import Autodiff
import Execution

/// The way from stored values to a tile of some values of one size: which regions are computed of what.
struct TileRecipe {
  /// A node, and the region of its result that is computed.
  struct Step {
    let node: Int
    let region: TileRegion
  }

  /// The tile.
  let tile: TileRegion
  /// The values that it is a tile of.
  let targets: [ValueID]
  /// What is read: images, with the region, and vectors for all pixels.
  let images: [(value: ValueID, region: TileRegion)]
  let vectors: [ValueID]
  /// What is computed, in order.
  let steps: [Step]
  /// Equal for tiles that one plan computes: all extents, all places within them, all zeros around them.
  let key: [Int]

  private let map: TileMap
  private let regions: [ValueID: TileRegion]

  /// Finds the way.
  ///
  /// - Parameter isStored: whether a value's region is read instead of computed; the map's input always is.
  init(
    _ tile: TileRegion, of targets: [ValueID], in map: TileMap,
    isStored: (ValueID, TileRegion) -> Bool
  ) {
    (self.tile, self.targets, self.map) = (tile, targets, map)
    var regions: [ValueID: TileRegion] = [:]
    var vectors: [ValueID] = []
    var (steps, images): ([Step], [(value: ValueID, region: TileRegion)]) = ([], [])
    func want(_ region: TileRegion, of value: ValueID) {
      regions[value] = regions[value]?.union(region) ?? region
    }
    for target in targets { want(tile, of: target) }
    var wanted = Set(targets)
    // Values are numbered in the order of their making.
    for index in stride(from: targets.map(\.index).max() ?? -1, through: 0, by: -1) {
      let value = ValueID(index)
      guard wanted.contains(value), let region = regions[value] else { continue }
      if value == map.input || map.kind(value) == .whole || isStored(value, region) {
        images.append((value, region))
        continue
      }
      guard let maker = map.maker(value), let rule = map.rules[maker] else {
        preconditionFailure("an image that is made in tiles")
      }
      let computed = rule.computed(region, in: map.shape(value), filter: map.filter(maker))
      regions[value] = computed
      steps.append(Step(node: maker, region: computed))
      for need in rule.needs(of: map.graph.nodes[maker], for: computed, in: map.graph) {
        want(need.region, of: need.value)
        wanted.insert(need.value)
      }
      if case .spreading(let source) = rule, map.kind(source) != .parameter,
        !vectors.contains(source)
      {
        vectors.append(source)
      }
    }
    self.steps = steps.reversed()
    (self.images, self.vectors, self.regions) = (images, vectors, regions)
    key = Self.key(tile, targets, self.steps, images, vectors, regions, map)
  }

  /// What the plan depends on, as numbers.
  private static func key(
    _ tile: TileRegion, _ targets: [ValueID], _ steps: [Step],
    _ images: [(value: ValueID, region: TileRegion)],
    _ vectors: [ValueID], _ regions: [ValueID: TileRegion], _ map: TileMap
  ) -> [Int] {
    var key = [tile.rows.count, tile.columns.count]
    func add(_ region: TileRegion, within whole: TileRegion) {
      key += [
        region.rows.lowerBound - whole.rows.lowerBound, region.rows.count,
        region.columns.lowerBound - whole.columns.lowerBound, region.columns.count,
      ]
    }
    for target in targets {
      key.append(target.index)
      add(tile, within: regions[target] ?? tile)
    }
    for (value, region) in images { add(region, within: region); key.append(value.index) }
    key += vectors.map(\.index)
    for step in steps {
      let node = map.graph.nodes[step.node]
      key.append(step.node)
      add(step.region, within: step.region)
      guard let rule = map.rules[step.node] else { continue }
      for need in rule.needs(of: node, for: step.region, in: map.graph) {
        guard let whole = regions[need.value] else { continue }
        add(need.region, within: whole)
      }
      switch rule {
      case .convolution(let convolution):
        let padding = TileRule.convolution(
          convolution, for: step.region, image: map.shape(node.inputs[0]),
          filter: map.shape(node.inputs[1])
        ).padding
        key += [padding.top, padding.bottom, padding.left, padding.right]
      case .upsampling(let size), .shuffling(let size, _, _):
        // Where the region begins within its first repeated pixel.
        key += [step.region.rows.lowerBound % size, step.region.columns.lowerBound % size]
      default: break
      }
    }
    return key
  }

  /// The cost of a number that an operation writes, in multiply-adds of a convolution, and of one that is copied
  /// out of a larger region; measured with 16 and 32 channels.
  static var resultCost: Double { 36 }
  private static var copyCost: Double { 28 }

  /// What the tile's pixels cost: multiply-adds, results, copies.
  var cost: Double {
    steps.reduce(0.0) { sum, step in
      let node = map.graph.nodes[step.node]
      let shape = map.shape(node.outputs[0])
      let output: Shape = [1, step.region.rows.count, step.region.columns.count, shape[3]]
      let products = node.operation.multiplyAdds(
        inputs: node.inputs.map { map.shape($0) }, outputs: [output])
      return sum + Double(products) + Self.resultCost * Double(output.count) + copies(for: step)
    }
  }

  /// What it costs to cut what a step needs out of regions that hold more.
  private func copies(for step: Step) -> Double {
    guard let rule = map.rules[step.node] else { return 0 }
    let needs = rule.needs(of: map.graph.nodes[step.node], for: step.region, in: map.graph)
    return needs.reduce(0.0) { sum, need in
      guard let whole = regions[need.value] else { return sum }
      let axes =
        (need.region.rows == whole.rows ? 0 : 1) + (need.region.columns == whole.columns ? 0 : 1)
      return sum + Double(axes * need.region.count * map.shape(need.value)[3]) * Self.copyCost
    }
  }

  /// What a tile costs however small it is, on the same scale: filters are transformed, operations begun.
  var fixedCost: Double {
    steps.reduce(200_000) { $0 + 20_000 + 16 * Double(map.filter($1.node)?.count ?? 0) }
  }

  /// Bytes that any plan needs: the largest result.
  var leastBytes: Int {
    steps.reduce(0) { most, step in
      let channels = map.shape(map.graph.nodes[step.node].outputs[0])[3]
      return max(most, step.region.count * channels * MemoryLayout<Float>.stride)
    }
  }

  /// The moments of the image that a normalization reads, as inputs of a plan.
  static func momentNames(_ node: Int) -> (mean: String, reciprocalDeviation: String) {
    ("mean \(node)", "deviation \(node)")
  }

  /// The name of a stored value, as input of a plan.
  static func name(_ value: ValueID) -> String { "value \(value.index)" }

  /// The name of a target's tile, `[rows, columns * C]`, as output of a plan.
  static func name(target: Int) -> String { "tile \(target)" }

  /// The normalizations among the steps.
  var normalizations: [Int] {
    steps.map(\.node).filter {
      if case .normalization = map.rules[$0] { true } else { false }
    }
  }

  /// Plans it, with the shapes of the tile.
  func plan<B: Backend>(on backend: B) -> Plan {
    let graph = Graph()
    map.declare(graph)
    var tensors: [ValueID: Tensor] = [:]
    for (value, region) in images {
      let channels = map.shape(value)[3]
      tensors[value] = graph.input(
        Self.name(value), [region.rows.count, region.columns.count, channels]
      ).reshaped([1, region.rows.count, region.columns.count, channels])
    }
    for value in vectors { tensors[value] = graph.input(Self.name(value), map.shape(value)) }
    for step in steps { record(step, &tensors, on: graph) }
    var outputs: [String: Tensor] = [:]
    for (index, target) in targets.enumerated() {
      let part = slice(tensors[target]!, from: regions[target]!, to: tile)
      outputs[Self.name(target: index)] = part.reshaped([
        tile.rows.count, tile.columns.count * map.shape(target)[3],
      ])
    }
    return Plan(graph, outputs: outputs, on: backend)
  }

  private func record(_ step: Step, _ tensors: inout [ValueID: Tensor], on graph: Graph) {
    let node = map.graph.nodes[step.node]
    guard let rule = map.rules[step.node] else { return }
    let parts = rule.needs(of: node, for: step.region, in: map.graph).map {
      slice(tensors[$0.value]!, from: regions[$0.value]!, to: $0.region)
    }
    func parameter(_ position: Int) -> Tensor {
      map.parameterTensor(node.inputs[position], on: graph, &tensors)
    }
    let (rows, columns) = (step.region.rows, step.region.columns)
    let result: Tensor
    switch rule {
    case .convolution(let convolution):
      let tiled = TileRule.convolution(
        convolution, for: step.region, image: map.shape(node.inputs[0]),
        filter: map.shape(node.inputs[1]))
      result = parts[0].convolved(
        with: parameter(1), bias: node.inputs.count > 2 ? parameter(2) : nil, tiled)
    case .upsampling(let factor):
      result = slice(parts[0].upsampled(by: factor), after: (rows, columns), factor)
    case .normalization(let normalization):
      let names = Self.momentNames(step.node)
      func moments(_ name: String) -> Tensor { graph.input(name, [1, normalization.groups]) }
      result = parts[0].groupNormalized(
        normalization, scale: parameter(1), shift: parameter(2), mean: moments(names.mean),
        reciprocalDeviation: moments(names.reciprocalDeviation))
    case .pointwise: result = graph.append(node.operation, parts)[0]
    case .view: result = parts[0]
    case .unshuffling(let size, _): result = parts[0].unshuffled(by: size)
    case .shuffling(let size, _, let isDepthToSpace):
      result = slice(
        isDepthToSpace ? parts[0].depthToSpace(by: size) : parts[0].shuffled(by: size),
        after: (rows, columns), size)
    case .spreading(let source):
      let vector =
        map.kind(source) == .parameter
        ? map.parameterTensor(source, on: graph, &tensors) : tensors[source]!
      result = vector.repeated(step.region.count, at: 1)
        .reshaped([1, rows.count, columns.count, vector.shape.channels])
    }
    tensors[node.outputs[0]] = result
  }

  /// A region of a region.
  private func slice(_ x: Tensor, from whole: TileRegion, to part: TileRegion) -> Tensor {
    func local(_ part: Range<Int>, _ whole: Range<Int>) -> Range<Int> {
      part.lowerBound - whole.lowerBound..<part.upperBound - whole.lowerBound
    }
    return slice(x, local(part.rows, whole.rows), local(part.columns, whole.columns))
  }

  /// What a region is of whole pixels that became `factor` times as many.
  private func slice(
    _ x: Tensor, after region: (rows: Range<Int>, columns: Range<Int>), _ factor: Int
  ) -> Tensor {
    func local(_ range: Range<Int>) -> Range<Int> {
      let start = range.lowerBound % factor
      return start..<start + range.count
    }
    return slice(x, local(region.rows), local(region.columns))
  }

  private func slice(_ x: Tensor, _ rows: Range<Int>, _ columns: Range<Int>) -> Tensor {
    var y = x
    if rows.count < y.shape[1] { y = y.slice(rows, axis: 1) }
    if columns.count < y.shape[2] { y = y.slice(columns, axis: 2) }
    return y
  }
}

extension TileMap {
  /// A value that depends on parameters alone, recorded on another graph.
  func parameterTensor(
    _ id: ValueID, on graph: Graph, _ tensors: inout [ValueID: Tensor]
  ) -> Tensor {
    if let known = tensors[id] { return known }
    switch self.graph.values[id.index].role {
    case .parameter(let index):
      tensors[id] = graph.tensor(ofParameter: index)
    case .result(let index, _):
      let node = self.graph.nodes[index]
      var inputs: [Tensor] = []
      for input in node.inputs { inputs.append(parameterTensor(input, on: graph, &tensors)) }
      for (output, tensor) in zip(node.outputs, graph.append(node.operation, inputs)) {
        tensors[output] = tensor
      }
    default: preconditionFailure("a value that depends on parameters alone")
    }
    return tensors[id]!
  }

  /// The images that values which are computed as wholes are made of.
  func reads(of values: [ValueID]) -> [ValueID] { way(to: values).reads }

  private func way(to values: [ValueID]) -> (needed: Set<ValueID>, reads: [ValueID]) {
    var needed: Set<ValueID> = []
    var (pending, reads) = (values, [ValueID]())
    while let value = pending.popLast() {
      guard needed.insert(value).inserted else { continue }
      if kind(value) == .grid { reads.append(value) } else { pending += sources(value) }
    }
    return (needed, reads.sorted { $0.index < $1.index })
  }

  /// The plan of values that are computed as wholes, from stored images.
  func plan<B: Backend>(
    of values: [ValueID], on backend: B
  ) -> (plan: Plan, reads: [ValueID]) {
    let graph = Graph()
    declare(graph)
    var tensors: [ValueID: Tensor] = [:]
    let (needed, reads) = way(to: values)
    for value in reads { tensors[value] = graph.input(TileRecipe.name(value), shape(value)) }
    for node in self.graph.nodes where node.outputs.contains(where: needed.contains) {
      guard node.outputs.contains(where: { tensors[$0] == nil && needed.contains($0) }) else {
        continue
      }
      var inputs: [Tensor] = []
      for input in node.inputs {
        inputs.append(
          kind(input) == .parameter
            ? parameterTensor(input, on: graph, &tensors) : tensors[input]!)
      }
      for (output, tensor) in zip(node.outputs, graph.append(node.operation, inputs)) {
        tensors[output] = tensor
      }
    }
    let outputs = Dictionary(
      uniqueKeysWithValues: values.map { (TileRecipe.name($0), tensors[$0]!) })
    return (Plan(graph, outputs: outputs, on: backend), reads)
  }
}
