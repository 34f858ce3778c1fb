import FileTestSupport

extension ScratchFolder {
  /// A folder with images, `in`, and a configuration, `c.json`, of a small network that trains on
  /// them, tells of each step and saves at the end only.
  static func forTraining(steps: Int, lanes: Int = 1) throws -> ScratchFolder {
    let folder = try ScratchFolder()
    for number in 0..<8 {
      try folder.write(SampleImages.png(32, 32, number: number), to: "in/\(number).png")
    }
    try folder.write(
      """
      {
        "data": {"train": "in", "imageSize": 16},
        "model": {"channels": [32], "latentChannels": 4}, "quantizer": {"type": "fsq"},
        "training": {"steps": \(steps), "batchSize": 2, "lanes": \(lanes)},
        "monitor": {"logEvery": 1, "checkpointEvery": 1000000, "evaluateEvery": 1000000}
      }
      """, to: "c.json")
    return folder
  }
}
