#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// What transformers are made of beside products and normalizations.

// MARK: - Attention

/// Attention of each query to all keys, head by head, or to those up to its own place.
///
///     y[i] = the sum over j of p[i, j] v[j]      p[i] = softmax over j of q[i] . k[j] / sqrt(C / heads)
///
/// Queries `[N, T, C]`, keys and values `[N, S, C]`, result `[N, T, C]`; head `h` has the channels from
/// `h C / heads` on. Yields also the logarithms of the softmax's sums, `[N, T, heads]`, by which the
/// gradient finds the weights again: no matrix of T times S is ever stored. Sources: Vaswani et al.,
/// "Attention is all you need", 2017; Dao et al., "FlashAttention", 2022.
public struct Attention: Operator {
  /// Parts of the channels, each with weights of its own.
  public let heads: Int
  /// Whether each place attends to itself and those before it alone; then T is S.
  public let isCausal: Bool

  /// Whether it is causal.
  public func variant(inputs: [Shape]) -> String { isCausal ? ", causal" : "" }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let (q, k, v) = (inputs[0].shape, inputs[1].shape, inputs[2].shape)
    try require(
      heads >= 1 && [q, k, v].allSatisfy { $0.rank == 3 && $0.channels % heads == 0 },
      "takes [N, T, C] of a multiple of \(heads) channels")
    try require(
      k == v && q[0] == k[0] && q[2] == k[2], "needs keys and values that fit the queries")
    try require(!isCausal || q[1] == k[1], "is causal: needs as many keys as queries")
    return [OutputDeclaration(q), OutputDeclaration([q[0], q[1], heads])]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let (q, k, v) = (context.inputs[0], context.inputs[1], context.inputs[2])
    return q.graph.append(
      AttentionGradient(attention: self), [context.gradient, q, k, v] + context.outputs
    ).map { $0 }
  }

  /// Scores and means of values.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    let all = 2 * inputs[0].count * inputs[1][1]
    return isCausal ? all / 2 : all
  }
}

/// The gradients of attention with respect to queries, keys and values.
///
/// Inputs: upstream gradient, queries, keys, values, and both results of the attention.
public struct AttentionGradient: Operator {
  /// The attention that is differentiated.
  public let attention: Attention

  /// Whether it is causal.
  public func variant(inputs: [Shape]) -> String { attention.variant(inputs: inputs) }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1], inputs[2], inputs[3]]
  }

  /// Scores again, and the gradients of scores, queries, keys and values.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    attention.multiplyAdds(inputs: Array(inputs[1...3]), outputs: []) * 5 / 2
  }
}

extension Tensor {
  /// What these queries `[N, T, C]` find at keys and values `[N, S, C]`, head by head; in the causal form
  /// at those up to their own place.
  public func attending(
    key: Tensor, value: Tensor, heads: Int = 1, isCausal: Bool = false
  ) -> Tensor {
    apply(Attention(heads: heads, isCausal: isCausal), key, value)
  }
}

/// One step of causal attention with a cache: keys and values of the places before stay in two states.
///
/// Query, key and value `[N, C]` of the place that `position`, one index, names; states of
/// ``cacheWords(batch:channels:)`` numbers each, which are written. Yields what the query sees
/// of all places up to its own, `[N, C]`. It has no gradient.
public struct CachedAttention: Operator {
  /// Parts of the channels, each with weights of its own.
  public let heads: Int
  /// The most places of a sequence.
  public let places: Int

  /// The numbers of a state: keys, or values, of all places, of each head in whole blocks.
  public func cacheWords(batch: Int, channels: Int) -> Int {
    batch * heads * ((channels / heads + 15) / 16 * 16) * ((places + 63) / 64 * 64)
  }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let q = inputs[0].shape
    try require(
      heads >= 1 && q.rank == 2 && q.channels % heads == 0,
      "takes [N, C] of a multiple of \(heads) channels")
    try require(inputs[1].shape == q && inputs[2].shape == q, "needs three tensors of one shape")
    try require(
      inputs[3].shape.count == 1 && inputs[3].type == .index, "needs the index of a place")
    let words = cacheWords(batch: q[0], channels: q[1])
    try require(
      inputs[4].shape == [words] && inputs[5].shape == [words], "needs states of \(words) numbers")
    return [OutputDeclaration(q)]
  }
}

extension Tensor {
  /// What this query `[N, C]` sees of all places up to `position`, whose key and value are noted in
  /// states of the graph, named after `name`.
  public func attendingNext(
    key: Tensor, value: Tensor, position: Tensor, places: Int, heads: Int, cache name: String
  ) -> Tensor {
    let rule = CachedAttention(heads: heads, places: places)
    guard shape.rank == 2, heads >= 1 else {
      return graph.refuse("a step of attention takes [N, C]; it was given \(shape)", like: self)
    }
    let words = rule.cacheWords(batch: shape[0], channels: shape[1])
    return apply(
      rule, key, value, position, graph.state(name + ".keys", [words]),
      graph.state(name + ".values", [words]))
  }
}

// MARK: - Rotary positions

/// The angles by which the pairs of channels of a head are turned, for each place: `[places, head / 2]`.
public struct RotaryTable: Sendable, Hashable {
  /// The places.
  public let places: Int
  /// Channels of a head, an even number.
  public let head: Int
  /// The cosines of the angles, row by row.
  public let cosines: [Float]
  /// Their sines.
  public let sines: [Float]

  private init(places: Int, head: Int, angle: (_ place: Int, _ pair: Int) -> Double) {
    (self.places, self.head) = (places, head)
    let angles = (0..<places).flatMap { place in (0..<head / 2).map { angle(place, $0) } }
    cosines = angles.map { Float(cos($0)) }
    sines = angles.map { Float(sin($0)) }
  }

  /// Places on a line: angle `t base^(-2 c / head)` for place t and pair c, as in Llama.
  ///
  /// Source: Su et al., "RoFormer", 2021.
  public init(line places: Int, head: Int, base: Double = 10_000) {
    self.init(places: places, head: head) { place, pair in
      Double(place) * pow(base, -2 * Double(pair) / Double(head))
    }
  }

  /// Places on a plane: the first half of the pairs turns with the row, the second with the column.
  ///
  /// `head` is a multiple of 4.
  ///
  /// - Parameter positions: row and column of each place.
  public init(plane positions: [(row: Int, column: Int)], head: Int, base: Double = 10_000) {
    let half = head / 4
    self.init(places: positions.count, head: head) { place, pair in
      let position = pair < half ? positions[place].row : positions[place].column
      return Double(position) * pow(base, -2 * Double(pair % max(half, 1)) / Double(head / 2))
    }
  }
}

/// Turns pairs of channels of each head by the angles of a row's place.
///
///     y[c] = x[c] cos a[c] - x[c + head / 2] sin a[c]
///     y[c + head / 2] = x[c + head / 2] cos a[c] + x[c] sin a[c]
///
/// `x` is `[..., T, C]` with C a multiple of the table's head; row t is at place t, or at the place that
/// the second input, indices `[T]`, says. The gradient turns back.
public struct RotaryRotation: Operator {
  /// The angles.
  public let table: RotaryTable
  /// Whether angles are negative.
  public var isInverse = false

  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(
      x.rank >= 2 && table.head >= 2 && table.head % 2 == 0 && x.channels % table.head == 0,
      "takes [..., T, C] of a multiple of \(table.head) channels, an even number")
    if inputs.count > 1 {
      try require(
        inputs[1].type == .index && inputs[1].shape == [x[x.rank - 2]],
        "needs the index of a place for each row")
    } else {
      try require(
        x[x.rank - 2] <= table.places,
        "has angles of \(table.places) places, fewer than there are rows")
    }
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let inverse = RotaryRotation(table: table, isInverse: !isInverse)
    return [
      context.gradient.graph.append(inverse, [context.gradient] + context.inputs.dropFirst())[0]
    ] + Array(repeating: nil, count: context.inputs.count - 1)
  }
}

extension Tensor {
  /// The rows `[..., T, C]` turned by the angles of their places: t of row t, or those that are named.
  public func rotated(by table: RotaryTable, at places: Tensor? = nil) -> Tensor {
    graph.append(RotaryRotation(table: table), [self] + [places].compactMap { $0 })[0]
  }
}

// MARK: - Gated units

/// The SiLU of a gate times a value, element by element.
///
///     y = a sigmoid(a) b
///
/// Gate and value of one shape, which the result has. As formulas its two gradients would compute the
/// sigmoid once each. Source: Shazeer, "GLU variants improve transformer", 2020.
public struct SwiGLU: Operator {
  /// "swiglu".
  public var name: String { "swiglu" }

  /// Both.
  public var overwritableInputs: [Int] { [0, 1] }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(
      inputs[0] == inputs[1] && inputs[0].type == .float32, "needs two tensors of one shape")
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    context.gradient.graph.append(SwiGLUGradient(), [context.gradient] + context.inputs)
      .map { $0 }
  }
}

/// The gradients of SwiGLU with respect to gate and value, with s = sigmoid(a).
///
///     da = g b s (1 + a (1 - s))        db = g a s
///
/// Inputs: upstream gradient, gate, value.
public struct SwiGLUGradient: Operator {
  /// "swiglu gradient".
  public var name: String { "swiglu gradient" }

  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1], inputs[2]]
  }
}

/// The SiLU of a gate times a value, element by element: `y = a sigmoid(a) b`.
public func swiGLU(_ gate: Tensor, _ value: Tensor) -> Tensor { gate.apply(SwiGLU(), value) }

// MARK: - Dropout

/// Sets elements to zero at random, and scales the others so that the mean stays.
///
///     y[n, i] = x[n, i] m[n, i] / (1 - rate)        m = 0 with probability rate, else 1
///
/// `x` is `[N, ...]`. The mask of an item is a hash of its key (the second input, indices `[N]`), of
/// `site` and of the element's place: no state, nothing stored, and the same whatever the lanes. Source:
/// Srivastava et al., "Dropout", 2014.
public struct Dropout: Operator {
  /// The probability that an element is dropped, below 1.
  public let rate: Float
  /// What tells this place of the model from others.
  public let site: UInt32

  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(rate >= 0 && rate < 1, "needs a rate from 0 to below 1, not \(rate)")
    try require(
      x.rank >= 1 && inputs[1].shape == [x[0]] && inputs[1].type == .index, "needs a key an item")
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(self, context.inputs[1]), nil]
  }
}

extension Tensor {
  /// This tensor `[N, ...]` with elements dropped at random, by a key an item.
  public func droppedOut(rate: Float, site: UInt32, keys: Tensor) -> Tensor {
    apply(Dropout(rate: rate, site: site), keys)
  }
}
