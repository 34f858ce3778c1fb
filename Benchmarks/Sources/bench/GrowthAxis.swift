/// One extent that grows while all others stay.
struct GrowthAxis: Codable {
  /// Its name, for files.
  let name: String
  /// Its name, for people.
  let title: String
  /// What stays.
  let network: String
  /// Where it starts from.
  let preset: Preset
  /// The values it takes.
  let values: [Int]
  /// Training steps at each.
  let steps: Int

  /// The configuration's values at a point.
  func overrides(_ value: Int) -> [String] {
    switch name {
    case "imageSize": return ["data.imageSize=\(value)", "training.batchSize=8"]
    case "batchSize": return ["training.batchSize=\(value)"]
    case "channels": return ["model.channels=[\(value),\(2 * value)]", "training.batchSize=16"]
    case "codes":
      return [
        "quantizer={\"type\": \"vq\", \"codebookSize\": \(value), \"codeDimension\": 8}",
        "model.latentChannels=8", "training.batchSize=16",
      ]
    default: return []
    }
  }

  /// All that is measured.
  static let all = [
    GrowthAxis(
      name: "imageSize", title: "side of the image in pixels",
      network: "the tiny network, 8 images a step", preset: .tiny, values: [32, 64, 128, 256],
      steps: 3),
    GrowthAxis(
      name: "batchSize", title: "images in a step", network: "the tiny network, 32x32 pixels",
      preset: .tiny, values: [2, 4, 8, 16, 32, 64, 128], steps: 6),
    GrowthAxis(
      name: "channels", title: "channels of the first level, c of c, 2c",
      network: "the tiny network, 32x32 pixels, 16 images a step", preset: .tiny,
      values: [32, 64, 128, 256], steps: 4),
    GrowthAxis(
      name: "codes", title: "codes K of a codebook of 8 numbers each",
      network: "the tiny network with VQ, 32x32 pixels, 16 images a step", preset: .tiny,
      values: [256, 1024, 4096, 16384, 65536], steps: 4),
    GrowthAxis(
      name: "lanes", title: "lanes", network: "the small network, 64x64 pixels, 16 images a step",
      preset: .small, values: [1, 2], steps: 4),
  ]
}
