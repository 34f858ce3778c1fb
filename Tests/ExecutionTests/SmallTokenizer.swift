import Autodiff
import TestSupport
import Tokenizers

/// A whole tokenizer, small: two levels, attention, and the quantizer in question.
struct SmallTokenizer: Sendable, CustomStringConvertible {
  let description: String
  let quantizer: QuantizerConfiguration

  static let all = [
    SmallTokenizer(
      description: "FSQ", quantizer: .fsq(FiniteScalarConfiguration(levels: [5, 4, 3]))),
    SmallTokenizer(
      description: "VQ with rotation",
      quantizer: .vq(
        VectorConfiguration(
          codebookSize: 32, codeDimension: 3, gradient: .rotation, codebookWeight: 1,
          commitmentWeight: 0.25, initialization: .normal))),
    SmallTokenizer(
      description: "VQ with DiVeQ",
      quantizer: .vq(
        VectorConfiguration(
          codebookSize: 32, codeDimension: 3, gradient: .diveq, codebookWeight: 0,
          commitmentWeight: 0, initialization: .normal))),
    SmallTokenizer(
      description: "cosine VQ",
      quantizer: .cosine(
        CosineConfiguration(codebookSize: 32, codeDimension: 3, initialization: .normal))),
    SmallTokenizer(
      description: "SimVQ",
      quantizer: .simvq(SimVQConfiguration(codebookSize: 32, codeDimension: 3))),
    SmallTokenizer(
      description: "residual VQ",
      quantizer: .residual(
        ResidualConfiguration(
          depth: 3, codebookSize: 32, codeDimension: 3, initialization: .normal))),
    SmallTokenizer(
      description: "BSQ",
      quantizer: .bsq(BinarySphericalConfiguration(bits: 5, entropyGroup: 3))),
  ]

  let imageSide = 8
  var imageCount: Int { imageSide * imageSide * 3 }

  private init(description: String, quantizer: QuantizerConfiguration) {
    self.description = description
    self.quantizer = quantizer
  }

  /// A training step over one image a replay, `items` replays an update.
  func run(lanes: Int, threads: Int, items: Int) -> GraphRun {
    let graph = Graph()
    let model = Tokenizer(
      TokenizerConfiguration(
        model: ModelConfiguration(
          channels: [8, 16], latentChannels: 4, attentionLevels: [1], middleAttention: true,
          normGroups: 4),
        quantizer: quantizer),
      in: Scope(graph))
    let images = graph.input("images", [1, imageSide, imageSide, 3])
    let result = model(images)
    let reconstruction = meanSquaredError(result.images, images)
    let loss = result.quantized.auxiliaryLoss.map { reconstruction + $0 } ?? reconstruction
    graph.differentiate(loss, seed: 1 / Float(items))
    var statistics = result.quantized.statistics
    statistics["loss"] = loss
    statistics["counts"] = result.quantized.indices.codeCounts(of: quantizer.codebookSize)
    return GraphRun(graph, statistics: statistics, lanes: lanes, threads: threads)
  }
}
