import Autodiff

/// A convolution or linear map of a model, as the record of its forward pass shows it.
public struct CompressibleLayer: Sendable {
  /// The layer's name: that of its weight without `.weight`.
  public let name: String
  /// Channels of its input.
  public let inputs: Int
  /// Channels of its result.
  public let outputs: Int
  /// The side of its filter; 1 for a linear map.
  public let kernel: Int

  let convolution: Convolution
  /// The shape of its input, `[n, h, w, inputs]`.
  let input: Shape
  /// What it reads, in the record.
  package let source: ValueID

  /// Results of a channel, `n h w`.
  var places: Int {
    let padding = convolution.padding
    func extent(_ side: Int, _ zeros: Int) -> Int {
      (side + zeros - kernel) / convolution.stride + 1
    }
    return input[0] * extent(input[1], padding.top + padding.bottom)
      * extent(input[2], padding.left + padding.right)
  }

  /// Weights of the layer, and products that it sums.
  var cost: LayerCost {
    let weights = kernel * kernel * inputs * outputs
    return LayerCost(parameters: weights + outputs, multiplyAdds: places * weights)
  }

  /// The layers of a recorded model, in the order of the pass, but for those of its quantizer.
  ///
  /// A weight that several operations read is left out: no layer of these models has one.
  public static func all(in graph: Graph) -> [CompressibleLayer] {
    var layers: [CompressibleLayer] = []
    var seen: Set<Int> = []
    for node in graph.nodes {
      guard let convolution = node.operation as? Convolution,
        case .parameter(let index) = graph.values[node.inputs[1].index].role
      else { continue }
      let parameter = graph.parameters[index]
      guard parameter.name.hasSuffix(".weight"), !parameter.name.hasPrefix("quantize.") else {
        continue
      }
      guard seen.insert(index).inserted else {
        layers.removeAll { $0.name + ".weight" == parameter.name }
        continue
      }
      layers.append(
        CompressibleLayer(
          name: String(parameter.name.dropLast(".weight".count)), inputs: parameter.shape[2],
          outputs: parameter.shape[3], kernel: parameter.shape[0], convolution: convolution,
          input: graph.values[node.inputs[0].index].shape, source: node.inputs[0]))
    }
    return layers
  }
}

/// What a layer costs.
public struct LayerCost: Sendable, Equatable {
  /// Numbers in its weight and bias.
  public var parameters: Int
  /// Products that are summed in one forward pass of the recorded size.
  public var multiplyAdds: Int
  /// Measured seconds of that pass; 0 where nothing was measured.
  public var seconds = 0.0

  /// A cost that is counted, not measured.
  public init(parameters: Int, multiplyAdds: Int) {
    (self.parameters, self.multiplyAdds) = (parameters, multiplyAdds)
  }

  static func + (a: LayerCost, b: LayerCost) -> LayerCost {
    var sum = LayerCost(
      parameters: a.parameters + b.parameters, multiplyAdds: a.multiplyAdds + b.multiplyAdds)
    sum.seconds = a.seconds + b.seconds
    return sum
  }
}
