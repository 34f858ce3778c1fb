import Autodiff
import TestSupport

/// A graph of random operations, its gradient included: what planners trip over.
struct RandomGraph {
  let graph = Graph()
  /// Values to read after a replay.
  private(set) var outputs: [String: Tensor] = [:]
  /// Every floating-point value of the forward pass.
  private(set) var all: [Tensor] = []

  private var state: UInt64
  private var layers = 0

  private mutating func draw(_ count: Int) -> Int {
    state &+= 1
    return Int(HashedNumbers.splitMix(state) >> 33) % count
  }

  init(seed: Int, operations: Int = 24) {
    state = UInt64(seed) << 32
    let scope = Scope(graph)
    let images: Shape = [2, 4, 4, 8]
    all = [graph.input("a", images), graph.input("b", images)]
    var skips = 0
    for _ in 0..<operations {
      layers += 1
      let layer = scope["layer\(layers)"]
      let x = all[draw(all.count)]
      switch draw(13) {
      case 0: all.append(silu(x))
      case 1: all.append(x * 0.5)
      case 2: all.append(x + all[draw(all.count)])
      case 3: all.append(x * Autodiff.tanh(all[draw(all.count)]))
      case 4: all.append(x - all[draw(all.count)].stoppingGradient())
      case 5: all.append(x.softmax(scale: 1.5))
      case 6:
        let (scale, shift) = (
          layer.parameter("weight", [8], .constant(1)), layer.parameter("bias", [8], .constant(0))
        )
        all.append(
          x.groupNormalized(groups: 4, scale: scale, shift: shift, epsilon: 1e-6, activation: .silu)
        )
      case 7:
        let filter = layer.parameter(
          "weight", [3, 3, 8, 8], .uniform(bound: 0.1), layout: .convolution, decays: true)
        let bias = layer.parameter("bias", [8], .uniform(bound: 0.1))
        all.append(x.convolved(with: filter, bias: bias, Convolution(padding: .init(all: 1))))
      case 8:
        let rows = x.reshaped([2, 16, 8])
        all.append(
          matrixProduct(
            matrixProduct(rows, rows, transposingSecond: true).softmax(scale: 0.3), rows
          )
          .reshaped(images))
      case 9:
        let filter = layer.parameter("weight", [2, 2, 8, 8], .uniform(bound: 0.1))
        all.append(x.convolved(with: filter, bias: nil, Convolution(stride: 2)).upsampled(by: 2))
      case 10:
        let codebook = layer.parameter("weight", [5, 8], .uniform(bound: 1))
        let indices = x.nearestCodes(in: codebook)
        outputs["indices\(layers)"] = indices
        all.append(x.rotated(to: codebook.gathered(at: indices)))
      case 11:
        // What depends on parameters alone is computed once an update, and views of it live on.
        let codebook = layer.parameter("weight", [256, 1], .uniform(bound: 1))
        all.append((codebook * 0.25).reshaped(images) * x)
      default:
        skips += 1  // leaves a value that nothing needs
        _ = silu(x) * Float(skips)
      }
    }
    for index in 0..<3 {
      let tensor = all[draw(all.count)]
      outputs["kept\(index)"] = index == 1 ? tensor.reshaped([256]) : tensor
    }
    let loss = all.suffix(3).map { ($0 * $0).mean() }.reduce(all[0].mean()) { $0 + $1 }
    outputs["loss"] = loss
    graph.differentiate(loss)
  }

  /// The numbers of the inputs for one replay.
  static func inputs(_ name: String) -> [String: [Float]] {
    [
      "a": HashedNumbers.values(name + ".a", count: 256),
      "b": HashedNumbers.values(name + ".b", count: 256),
    ]
  }
}
