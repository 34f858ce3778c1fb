import Autodiff

/// Some neighbouring rows and columns of an image.
struct TileRegion: Hashable, Sendable {
  /// The rows.
  var rows: Range<Int>
  /// The columns.
  var columns: Range<Int>

  /// All of an image `[1, H, W, C]`.
  init(all shape: Shape) { self.init(0..<shape[1], 0..<shape[2]) }

  /// Rows and columns.
  init(_ rows: Range<Int>, _ columns: Range<Int>) { (self.rows, self.columns) = (rows, columns) }

  /// How many pixels it has.
  var count: Int { rows.count * columns.count }

  /// The smallest region that holds both.
  func union(_ other: TileRegion) -> TileRegion {
    TileRegion(
      min(rows.lowerBound, other.rows.lowerBound)..<max(rows.upperBound, other.rows.upperBound),
      min(
        columns.lowerBound, other.columns.lowerBound)..<max(
          columns.upperBound, other.columns.upperBound))
  }

  /// The region that a rule for ranges makes of rows and columns, each with the extent of its axis.
  func map(in shape: Shape, _ rule: (_ range: Range<Int>, _ extent: Int) -> Range<Int>)
    -> TileRegion
  {
    TileRegion(rule(rows, shape[1]), rule(columns, shape[2]))
  }
}

/// How a tile of an operation's result is computed from tiles of its inputs.
///
/// Operations without such a rule, attention among them, see the whole image.
enum TileRule {
  /// A window of the first input, zeros outside the image.
  case convolution(Convolution)
  /// The pixels that are repeated.
  case upsampling(factor: Int)
  /// The same pixels, and the moments of the whole image.
  case normalization(GroupNormalization)
  /// The same pixels of all inputs.
  case pointwise
  /// The same pixels of an input, which this is.
  case view(input: Int)
  /// Squares of pixels of an earlier value, as channels.
  case unshuffling(size: Int, of: ValueID)
  /// Channels of an earlier value as squares of pixels, by `shuffled` or by `depthToSpace`.
  case shuffling(size: Int, of: ValueID, isDepthToSpace: Bool)
  /// One vector `[1, C]` for all pixels.
  case spreading(of: ValueID)

  /// The rule of a node; nil where there is none, or the inputs are not images of one size.
  ///
  /// - Parameter kinds: of the values so far.
  init?(_ node: Graph.Node, in graph: Graph, kinds: [TileMap.Kind]) {
    func kind(_ position: Int) -> TileMap.Kind { kinds[node.inputs[position].index] }
    func isParameter(from first: Int) -> Bool {
      node.inputs.indices.dropFirst(first).allSatisfy { kind($0) == .parameter }
    }
    guard let output = node.outputs.first else { return nil }
    let shape = graph.values[output.index].shape
    guard shape.rank == 4, shape[0] == 1 else { return nil }
    switch node.operation {
    case let convolution as Convolution where kind(0) == .grid && isParameter(from: 1):
      self = .convolution(convolution)
    case let upsampling as NearestUpsampling where kind(0) == .grid:
      self = .upsampling(factor: upsampling.factor)
    case let normalization as GroupNormalization where kind(0) == .grid && isParameter(from: 1):
      self = .normalization(normalization)
    case is Elementwise
    where node.inputs.indices.contains { kind($0) == .grid }
      && node.inputs.indices.allSatisfy { kind($0) != .parameter }:
      self = .pointwise
    case is ChannelAffine where kind(0) == .grid:
      self = .pointwise
    case is Reshaping:
      guard let rule = Self.rearrangement(node, in: graph, kinds) else { return nil }
      self = rule
    default:
      guard let viewed = node.operation.viewedInput, kind(viewed) == .grid,
        graph.values[node.inputs[viewed].index].shape == shape
      else { return nil }
      self = .view(input: viewed)
    }
  }

  /// Views and permutations that together move squares of pixels, or repeat a vector.
  private static func rearrangement(
    _ node: Graph.Node, in graph: Graph, _ kinds: [TileMap.Kind]
  ) -> TileRule? {
    func maker(_ id: ValueID) -> Graph.Node? {
      guard case .result(let node, _) = graph.values[id.index].role else { return nil }
      return graph.nodes[node]
    }
    let shape = graph.values[node.outputs[0].index].shape
    guard let inner = maker(node.inputs[0]) else { return nil }
    if let repetition = inner.operation as? AxisRepetition {
      let source = graph.values[inner.inputs[0].index].shape
      guard repetition.axis == 1, repetition.factor == 1, source == [1, shape[3]],
        repetition.count == shape[1] * shape[2]
      else { return nil }
      return .spreading(of: inner.inputs[0])
    }
    guard let permutation = inner.operation as? Permutation,
      let outer = maker(inner.inputs[0]), let first = outer.operation as? Reshaping,
      kinds[outer.inputs[0].index] == .grid
    else { return nil }
    let source = outer.inputs[0]
    let (x, parts) = (graph.values[source.index].shape, first.shape)
    guard x.rank == 4, x[0] == 1, parts.rank == 5 else { return nil }
    switch permutation.order {
    case [0, 2, 4, 1, 3]:
      let size = parts[1]
      guard size > 0, x[1] % size == 0, x[2] % size == 0,
        parts == [x[1] / size, size, x[2] / size, size, x[3]],
        shape == [1, x[1] / size, x[2] / size, x[3] * size * size]
      else { return nil }
      return .unshuffling(size: size, of: source)
    case [0, 3, 1, 4, 2], [0, 2, 1, 3, 4]:
      let isDepthToSpace = permutation.order[1] == 2
      let size = parts[isDepthToSpace ? 2 : 4]
      let channels = x[3] / (size * size)
      guard
        parts
          == (isDepthToSpace
            ? [x[1], x[2], size, size, channels] : [x[1], x[2], channels, size, size]),
        shape == [1, x[1] * size, x[2] * size, channels]
      else { return nil }
      return .shuffling(size: size, of: source, isDepthToSpace: isDepthToSpace)
    default: return nil
    }
  }

  /// The region that is computed where one is wanted.
  ///
  /// Winograd's algorithm computes 4x4 results at once, with roundings of their own: regions are made of
  /// whole ones, counted from the image's first pixel.
  func computed(_ wanted: TileRegion, in shape: Shape, filter: Shape?) -> TileRegion {
    guard case .convolution(let convolution) = self, convolution.stride == 1,
      let filter, filter[0] == 3, filter[1] == 3
    else { return wanted }
    return wanted.map(in: shape) { range, extent in
      range.lowerBound / 4 * 4..<min(extent, (range.upperBound + 3) / 4 * 4)
    }
  }

  /// What a region of the result needs of the images among the inputs: each with its region.
  func needs(
    of node: Graph.Node, for region: TileRegion, in graph: Graph
  ) -> [(value: ValueID, region: TileRegion)] {
    func shape(_ id: ValueID) -> Shape { graph.values[id.index].shape }
    let first = node.inputs[0]
    switch self {
    case .convolution(let convolution):
      let filter = shape(node.inputs[1])
      let windows = Self.windows(of: region, convolution, filter)
      let x = shape(first)
      return [
        (
          first,
          TileRegion(windows.rows.clamped(to: 0..<x[1]), windows.columns.clamped(to: 0..<x[2]))
        )
      ]
    case .upsampling(let factor):
      return [(first, Self.divided(region, by: factor))]
    case .normalization: return [(first, region)]
    case .pointwise: return node.inputs.map { ($0, region) }
    case .view(let input): return [(node.inputs[input], region)]
    case .unshuffling(let size, let source):
      return [
        (
          source,
          TileRegion(
            region.rows.lowerBound * size..<region.rows.upperBound * size,
            region.columns.lowerBound * size..<region.columns.upperBound * size)
        )
      ]
    case .shuffling(let size, let source, _): return [(source, Self.divided(region, by: size))]
    case .spreading: return []
    }
  }

  /// The windows of a region's results, in rows and columns of the image and the zeros around it.
  private static func windows(
    of region: TileRegion, _ convolution: Convolution, _ filter: Shape
  ) -> TileRegion {
    func windows(_ range: Range<Int>, _ before: Int, _ side: Int) -> Range<Int> {
      let start = range.lowerBound * convolution.stride - before
      return start..<(range.upperBound - 1) * convolution.stride - before + side
    }
    return TileRegion(
      windows(region.rows, convolution.padding.top, filter[0]),
      windows(region.columns, convolution.padding.left, filter[1]))
  }

  /// The convolution of a tile: its zeros are those that lie around the image there.
  static func convolution(
    _ convolution: Convolution, for region: TileRegion, image: Shape, filter: Shape
  ) -> Convolution {
    let windows = windows(of: region, convolution, filter)
    return Convolution(
      stride: convolution.stride,
      padding: Convolution.Padding(
        top: max(0, -windows.rows.lowerBound),
        bottom: max(0, windows.rows.upperBound - image[1]),
        left: max(0, -windows.columns.lowerBound),
        right: max(0, windows.columns.upperBound - image[2])))
  }

  /// The pixels of which each becomes `factor` times as many on both axes.
  private static func divided(_ region: TileRegion, by factor: Int) -> TileRegion {
    func divided(_ range: Range<Int>) -> Range<Int> {
      range.lowerBound / factor..<(range.upperBound + factor - 1) / factor
    }
    return TileRegion(divided(region.rows), divided(region.columns))
  }
}
