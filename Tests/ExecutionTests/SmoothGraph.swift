import Autodiff
import TestSupport

/// A graph of random smooth operations that share their values in every way a reverse sweep can trip
/// over: fan-out, dense skips, one handle as two gradients, normalizations whose parameters are used
/// again, frozen, computed or one and the same.
struct SmoothGraph {
  static let shape: Shape = [1, 4, 4, 8]

  let graph = Graph()
  /// The inputs by name.
  private(set) var inputs: [String: Tensor] = [:]
  /// What the loss weighs, element by element, by inputs "weight0" and so on.
  private(set) var terms: [Tensor] = []
  /// The sum of the weighed terms.
  private(set) var loss: Tensor

  private var state: UInt64
  private var values: [Tensor]
  /// About how large the elements of each value are: what has grown too large is normalized next.
  private var magnitudes: [ValueID: Double] = [:]
  private var layers = 0
  private var norms: [(scale: Tensor, shift: Tensor)] = []

  init(seed: Int, operations: Int = 18) {
    state = UInt64(seed) << 32
    let (a, b) = (graph.input("a", Self.shape), graph.input("b", Self.shape))
    (inputs["a"], inputs["b"]) = (a, b)
    values = [a, b]
    loss = a
    for _ in 0..<operations { appendNext() }
    terms = Array(values.suffix(3)) + (0..<3).map { _ in values[draw(values.count)] }
    let weighed = terms.enumerated().map { index, term in
      (term * graph.input("weight\(index)", Self.shape)).sum()
    }
    loss = weighed.dropFirst().reduce(weighed[0], +)
  }

  /// The numbers of all inputs.
  func numbers() -> [String: [Float]] {
    var numbers: [String: [Float]] = [:]
    for name in ["a", "b"] + terms.indices.map({ "weight\($0)" }) {
      numbers[name] = HashedNumbers.values(name, count: Self.shape.count)
    }
    return numbers
  }

  private mutating func draw(_ count: Int) -> Int {
    state &+= 1
    return Int(HashedNumbers.splitMix(state) >> 33) % count
  }

  /// A value: often one of the last, so that graphs are deep and neighbours are shared.
  private mutating func pick() -> Tensor {
    values[draw(2) == 0 ? values.count - 1 - draw(min(3, values.count)) : draw(values.count)]
  }

  private func magnitude(_ x: Tensor) -> Double { magnitudes[x.id] ?? 1 }

  private mutating func append(_ x: Tensor, _ magnitude: Double) {
    values.append(x)
    magnitudes[x.id] = magnitude
  }

  private mutating func appendNext() {
    layers += 1
    let layer = Scope(graph)["layer\(layers)"]
    let x = pick()
    let size = magnitude(x)
    switch size > 8 ? 0 : draw(28) {
    case 0...3, 26, 27:
      let norm = (
        scale: layer.parameter("weight", [8], .uniform(bound: 1)),
        shift: layer.parameter("bias", [8], .uniform(bound: 1))
      )
      norms.append(norm)
      append(normalized(x, norm.scale, norm.shift), 2)
    case 4:
      guard let norm = norms.last else { return }
      append(normalized(x, norm.scale, norm.shift), 2)
    case 5:
      let p = layer.parameter("weight", [8], .uniform(bound: 1))
      append(normalized(x, p, draw(2) == 0 ? p : p * 0.5), 2)
    case 6:
      let frozen = layer.parameter("weight", [8], .uniform(bound: 1), isTrained: false)
      let trained = layer.parameter("bias", [8], .uniform(bound: 1))
      let isScale = draw(2) == 0
      append(normalized(x, isScale ? frozen : trained, isScale ? trained : frozen), 2)
    case 7...9:
      let others = (0..<(1 + draw(3))).map { _ in pick() }
      append(others.reduce(x, +), others.reduce(size) { $0 + magnitude($1) })
    case 10:
      let other = pick()
      append(x - other, size + magnitude(other))
    case 11: append(silu(x), size)
    case 12:
      let filter = layer.parameter(
        "weight", [3, 3, 8, 8], .uniform(bound: 0.1), layout: .convolution)
      let bias = layer.parameter("bias", [8], .uniform(bound: 0.2))
      append(x.convolved(with: filter, bias: bias, Convolution(padding: .init(all: 1))), size)
    case 13:
      let filter = layer.parameter("weight", [1, 1, 8, 8], .uniform(bound: 0.3))
      let y = x.convolved(with: filter, bias: nil, Convolution())
      append(y, size)
      append(y + x, 2 * size)
    case 14: append(x * Autodiff.tanh(pick()), size)
    case 15: append(x * 0.5, size / 2)
    case 16:
      let other = pick()
      append(
        (x.reshaped([16, 8]) + other.reshaped([16, 8])).reshaped(Self.shape),
        size + magnitude(other))
    case 17: append(x.straightThrough(to: x.stoppingGradient() * 1), size)
    case 18:
      let other = pick()
      append(
        .concatenatingChannels(of: [x.channels(0..<4), other.channels(4..<8)]),
        max(size, magnitude(other)))
    case 19: append(Autodiff.tanh(x).softmax(scale: 1.5), 1)
    case 20:
      let scale = layer.parameter("weight", [8], .uniform(bound: 1))
      append(x.rootMeanSquareNormalized(scale: scale, epsilon: 0.05), 2)
    case 21:
      guard let norm = norms.last else { return }
      append(x.layerNormalized(scale: norm.scale, shift: norm.shift, epsilon: 0.05), 2)
    case 22: append(x.permuted([0, 2, 1, 3]) + x, 2 * size)
    case 23:
      let other = pick()
      append(
        .concatenating([x.slice(0..<1, axis: 1), other.slice(1..<4, axis: 1)], axis: 1),
        max(size, magnitude(other)))
    case 24:
      let mean = x.mean(axis: -1).reshaped([1, 4, 4, 1])
      append(x - mean.broadcast(to: Self.shape), 2 * size)
    default: append(gelu(x) / (exp(Autodiff.tanh(pick())) + 1), size)
    }
  }

  private mutating func normalized(_ x: Tensor, _ scale: Tensor, _ shift: Tensor) -> Tensor {
    x.groupNormalized(
      groups: 2, scale: scale, shift: shift, epsilon: 0.05,
      activation: draw(2) == 0 ? .silu : .identity)
  }
}
