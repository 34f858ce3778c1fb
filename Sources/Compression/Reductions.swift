import Autodiff
import Layers
import LowRank

/// A way to make one part of a model smaller, at several sizes.
///
/// A size is a rank or a number of channels. Each has two forms: the tensors of the smaller part, and
/// weights for the whole part that compute the same, by which its effect is measured without another plan.
package protocol Reduction: Sendable {
  /// The layer or block.
  var name: String { get }
  /// The size at which nothing is reduced.
  var wholeSize: Int { get }
  /// Sizes worth trying, smallest first.
  var sizes: [Int] { get }
  /// What the whole part costs.
  var wholeCost: LayerCost { get }
  /// What the part costs at a size.
  func cost(size: Int) -> LayerCost
  /// The smallest size that keeps a share of the energy.
  func size(keepingEnergy share: Double) -> Int
  /// Weights of the whole model that compute what the part does at a size, by the parameter's name.
  func standIns(size: Int) throws(LowRankError) -> [String: [Float]]
  /// The part's own tensors at a size, in the order of a checkpoint.
  func tensors(size: Int) throws(LowRankError) -> [String: [Float]]
  /// Notes a size in a model's configuration.
  func note(size: Int, in layers: inout ReducedLayers)
  /// Records the part by itself, whole or at a size, to be timed.
  func record(size: Int?, _ x: Tensor, in scope: Scope) -> Tensor
  /// The shape that it is recorded for.
  var input: Shape { get }
}

extension [any Reduction] {
  /// Of several ways to reduce one part, the way and size that keep a share of its energy at the least
  /// cost; nil where that saves nothing.
  package func chosen(keepingEnergy share: Double) -> (reduction: any Reduction, size: Int)? {
    let ways = map { ($0, $0.size(keepingEnergy: share)) }
    guard
      let (reduction, size) = ways.min(by: {
        $0.0.cost(size: $0.1).multiplyAdds < $1.0.cost(size: $1.1).multiplyAdds
      }), size < reduction.wholeSize,
      reduction.cost(size: size).multiplyAdds < reduction.wholeCost.multiplyAdds
    else { return nil }
    return (reduction, size)
  }
}

extension [Int] {
  /// At most six of the sizes, evenly spread: enough to see how a part's loss grows.
  fileprivate var thinned: [Int] {
    let step = Swift.max(1, (count + 5) / 6)
    return enumerated().filter { $0.offset % step == step - 1 }.map(\.element)
  }
}

// MARK: - Two factors

/// A layer as a product of two, by the singular value decomposition of its weight.
///
/// The filter comes first, `W [O, I k k] ~ A [O, r] B [r, I k k]`: a k x k convolution to r channels and a 1x1
/// one to O. Or the 1x1 comes first, `W [O k k, I] ~ A [O k k, r] B [r, I]`. Each is the best approximation of
/// that form by Eckart and Young's theorem; the roots of the singular values are on both sides.
package struct Factorization: Reduction {
  package let layer: CompressibleLayer
  package let isPointwiseFirst: Bool
  private let decomposition: SingularValueDecomposition
  private let weight: [Float]
  private let bias: [Float]?

  /// Layers with fewer channels on one side have no rank to lose.
  package static let leastChannels = 16

  /// Decomposes a layer's weight, given in the order of a checkpoint, `[O, I, k, k]`.
  package init(
    _ layer: CompressibleLayer, weight: [Float], bias: [Float]?, isPointwiseFirst: Bool
  ) throws(LowRankError) {
    (self.layer, self.isPointwiseFirst) = (layer, isPointwiseFirst)
    (self.weight, self.bias) = (weight, bias)
    let (i, k) = (layer.inputs, layer.kernel * layer.kernel)
    let matrix =
      isPointwiseFirst
      ? Matrix(rows: layer.outputs * k, columns: i) { row, column in
        Double(weight[(row / k * i + column) * k + row % k])
      }
      : Matrix(rows: layer.outputs, columns: i * k) { Double(weight[$0 * i * k + $1]) }
    decomposition = try SingularValueDecomposition(matrix)
  }

  /// The layers with enough channels, each with the filter first and, where that differs, the 1x1 first.
  package static func families(
    of layers: [CompressibleLayer], _ weights: [String: [Float]]
  ) throws -> [[any Reduction]] {
    try layers.filter { min($0.inputs, $0.outputs) >= leastChannels }.map { layer in
      do throws(LowRankError) {
        var ways: [any Reduction] = []
        for isPointwiseFirst in layer.kernel == 1 ? [false] : [false, true] {
          ways.append(
            try Factorization(
              layer, weight: weights[layer.name + ".weight"]!,
              bias: weights[layer.name + ".bias"], isPointwiseFirst: isPointwiseFirst))
        }
        return ways
      } catch { throw CompressionError.layer(layer.name, error) }
    }
  }

  package var name: String { layer.name }
  package var wholeSize: Int { min(layer.inputs, layer.outputs) }
  package var wholeCost: LayerCost { layer.cost }
  package var input: Shape { layer.input }

  package var sizes: [Int] {
    let useful = stride(from: 8, to: wholeSize, by: 8).filter {
      cost(size: $0).multiplyAdds < wholeCost.multiplyAdds
    }
    return useful.thinned
  }

  package func cost(size: Int) -> LayerCost {
    let k = layer.kernel * layer.kernel
    let (first, second) = isPointwiseFirst ? (1, k) : (k, 1)
    // A pointwise map before a filter with a stride is computed at all places.
    let before = isPointwiseFirst ? layer.input.count / layer.inputs : layer.places
    return LayerCost(
      parameters: size * (first * layer.inputs + second * layer.outputs) + layer.outputs,
      multiplyAdds: size * (before * first * layer.inputs + layer.places * second * layer.outputs))
  }

  package func size(keepingEnergy share: Double) -> Int { decomposition.rank(keepingEnergy: share) }

  package func standIns(size: Int) throws(LowRankError) -> [String: [Float]] {
    let (left, right) = try decomposition.factors(rank: size)
    let product = left.times(right)
    let (i, k) = (layer.inputs, layer.kernel * layer.kernel)
    guard isPointwiseFirst else { return [name + ".weight": product.elements.map(Float.init)] }
    return [
      name + ".weight": weight.indices.map { place in
        let (row, tap) = place.quotientAndRemainder(dividingBy: k)
        return Float(product[row / i * k + tap, row % i])
      }
    ]
  }

  package func tensors(size: Int) throws(LowRankError) -> [String: [Float]] {
    let (left, right) = try decomposition.factors(rank: size)
    let k = layer.kernel * layer.kernel
    var tensors = [name + ".0.weight": right.elements.map(Float.init)]
    tensors[name + ".1.weight"] =
      isPointwiseFirst
      ? (0..<layer.outputs * size * k).map { place in
        let (row, tap) = place.quotientAndRemainder(dividingBy: k)
        return Float(left[row / size * k + tap, row % size])
      } : left.elements.map(Float.init)
    tensors[name + ".1.bias"] = bias
    return tensors
  }

  package func note(size: Int, in layers: inout ReducedLayers) {
    layers.ranks[name] = size
    if isPointwiseFirst { layers.pointwiseFirst.insert(name) }
  }

  package func record(size: Int?, _ x: Tensor, in scope: Scope) -> Tensor {
    var reduced = ReducedLayers()
    if let size {
      reduced.ranks["layer"] = size
      if isPointwiseFirst { reduced.pointwiseFirst = ["layer"] }
    }
    return Conv2D(
      layer.inputs, layer.outputs, kernel: layer.kernel, stride: layer.convolution.stride,
      padding: layer.convolution.padding, in: scope.reducing(reduced)["layer"])(x)
  }
}

// MARK: - Fewer channels

/// A residual block with fewer channels between its convolutions, by an interpolative decomposition of
/// what these channels hold on given images.
///
///     A ~ A[:, S] Z,  A [n h w, C] what conv2 reads      W2'[o, s] = sum over c of Z[s, c] W2[o, c]
///
/// Channels are actual ones, so that the activation between the convolutions sees what it saw; what the
/// others held is folded into conv2. They are kept by whole groups of norm2, whose statistics so stay what
/// they were; the sum with the block's input keeps all of its channels.
package struct ChannelSelection: Reduction {
  package let name: String
  /// The block's two convolutions.
  private let first, second: CompressibleLayer
  private let groupSize: Int
  private let groups: Int
  private let residual: (inputs: Int, outputs: Int)
  private let weights: [String: [Float]]
  private let activations: Matrix

  /// Decomposes what conv2 of a block reads.
  ///
  /// - Parameters:
  ///   - block: the block's name.
  ///   - layers: the model's layers.
  ///   - groups: groups of its normalization.
  ///   - activations: rows of what conv2 reads, `[n, C]`.
  ///   - weights: the model's tensors by name.
  package init(
    _ block: String, _ layers: [CompressibleLayer], groups: Int, activations: Matrix,
    weights: [String: [Float]]
  ) throws(LowRankError) {
    name = block
    first = layers.first { $0.name == block + ".conv1" }!
    second = layers.first { $0.name == block + ".conv2" }!
    self.groups = groups
    self.activations = activations
    residual = (first.inputs, second.outputs)
    groupSize = first.outputs / groups
    self.weights = weights.filter { $0.key.hasPrefix(block + ".") }
    // Whether it can be decomposed at all is found out here.
    _ = try kept(groupSize)
  }

  package var wholeSize: Int { first.outputs }
  package var wholeCost: LayerCost { first.cost + second.cost }
  package var input: Shape { first.input }

  package var sizes: [Int] {
    let unit = (7 + groupSize) / groupSize * groupSize
    return stride(from: unit, to: wholeSize, by: unit).map { $0 }.thinned
  }

  package func cost(size: Int) -> LayerCost {
    let share = { (number: Int) in number / wholeSize * size }
    let (a, b) = (first.cost, second.cost)
    return LayerCost(
      parameters: (a.parameters - wholeSize + b.parameters - second.outputs) / wholeSize * size
        + size + second.outputs,
      multiplyAdds: share(a.multiplyAdds) + share(b.multiplyAdds))
  }

  package func size(keepingEnergy share: Double) -> Int {
    let most = (1 - share).squareRoot() * activations.frobeniusNorm
    // Errors fall with the number of groups.
    var (least, enough) = (1, groups)
    while least < enough {
      let middle = (least + enough) / 2
      if ((try? decompose(middle).error) ?? .infinity) <= most {
        enough = middle
      } else {
        least = middle + 1
      }
    }
    return enough * groupSize
  }

  private func decompose(_ count: Int) throws(LowRankError) -> BlockInterpolativeDecomposition {
    try BlockInterpolativeDecomposition(of: activations, groupSize: groupSize, rank: count)
  }

  /// The channels that are kept, in their order, and Z for them.
  private func kept(_ size: Int) throws(LowRankError) -> (channels: [Int], coefficients: Matrix) {
    let found = try decompose(size / groupSize)
    // Where fewer groups have all there is, others come along and count for nothing.
    let spare = (0..<groups).filter { !found.groups.contains($0) }
    let missing = spare.prefix(size / groupSize - found.groups.count).flatMap {
      ($0 * groupSize)..<(($0 + 1) * groupSize)
    }
    let channels = found.skeleton + missing
    let order = channels.indices.sorted { channels[$0] < channels[$1] }
    let known = found.skeleton.count
    return (
      order.map { channels[$0] },
      Matrix(rows: channels.count, columns: wholeSize) { row, column in
        order[row] < known ? found.coefficients[order[row], column] : 0
      }
    )
  }

  /// conv2's weight `[O, s, k, k]` with what is left out folded in.
  private func folded(_ coefficients: Matrix) -> [Float] {
    let (o, c, k) = (second.outputs, second.inputs, second.kernel * second.kernel)
    let weight = weights[second.name + ".weight"]!
    // Channels by taps of all outputs.
    let turned = Matrix(rows: c, columns: o * k) { channel, column in
      Double(weight[(column / k * c + channel) * k + column % k])
    }
    let product = coefficients.times(turned)
    let s = product.rows
    return (0..<o * s * k).map { place in
      let (row, tap) = place.quotientAndRemainder(dividingBy: k)
      return Float(product[row % s, row / s * k + tap])
    }
  }

  package func standIns(size: Int) throws(LowRankError) -> [String: [Float]] {
    let (channels, coefficients) = try kept(size)
    let (small, k) = (folded(coefficients), second.kernel * second.kernel)
    let (c, s) = (second.inputs, channels.count)
    var weight = [Float](repeating: 0, count: second.outputs * c * k)
    for output in 0..<second.outputs {
      for (place, channel) in channels.enumerated() {
        for tap in 0..<k {
          weight[(output * c + channel) * k + tap] = small[(output * s + place) * k + tap]
        }
      }
    }
    return [second.name + ".weight": weight]
  }

  package func tensors(size: Int) throws(LowRankError) -> [String: [Float]] {
    let (channels, coefficients) = try kept(size)
    func selected(_ tensor: String) -> [Float] {
      let numbers = weights[name + "." + tensor]!
      let each = numbers.count / wholeSize
      return channels.flatMap { numbers[$0 * each..<($0 + 1) * each] }
    }
    var tensors: [String: [Float]] = [:]
    for tensor in ["conv1.weight", "conv1.bias", "norm2.weight", "norm2.bias"] {
      tensors[name + "." + tensor] = selected(tensor)
    }
    tensors[second.name + ".weight"] = folded(coefficients)
    return tensors
  }

  package func note(size: Int, in layers: inout ReducedLayers) { layers.widths[name] = size }

  package func record(size: Int?, _ x: Tensor, in scope: Scope) -> Tensor {
    var reduced = ReducedLayers()
    reduced.widths["block"] = size
    return ResidualBlock(
      residual.inputs, residual.outputs, groups: groups, in: scope.reducing(reduced)["block"])(x)
  }
}
