import Datasets
import Foundation
import Imaging
import Training

/// Folders of image files to measure with, drawn from the built-in scenes at the first use.
enum ImageFiles {
  /// A folder of scenes as files of one format.
  static func scenes(size: Int, count: Int, as format: ImageFormat) throws -> String {
    let folder = try Places.scratch("\(format)-\(size)-\(count)")
    guard try self.count(folder) != count else { return folder }
    let source = try Places.scenes(size: size, count: count) + "/train"
    let decoder = ImageDecoder()
    for name in try FileManager.default.contentsOfDirectory(atPath: source) {
      let stem = URL(fileURLWithPath: name).deletingPathExtension().lastPathComponent
      try ImageEncoder().write(
        decoder.read(source + "/" + name), to: "\(folder)/\(stem).\(format.fileExtension)",
        as: format)
    }
    return folder
  }

  /// The files of a folder that are images by their endings, however deep.
  static func count(_ folder: String) throws -> Int {
    guard let paths = FileManager.default.enumerator(atPath: folder) else {
      throw BenchmarkError("\(folder) cannot be read; expected a folder of images")
    }
    var count = 0
    for case let path as String in paths
    where ["png", "jpg", "jpeg"].contains(URL(fileURLWithPath: path).pathExtension.lowercased()) {
      count += 1
    }
    return count
  }
}

/// Checkpoints to encode with: of the real networks, after one step.
enum Checkpoints {
  /// A checkpoint of a network; how good it is does not matter here.
  static func untrained(_ preset: Preset) throws -> String {
    let run = try preset.configuration()
    let scenes = try Places.scenes(size: run.data.imageSize)
    let folder = try Places.emptyScratch("checkpoint-\(preset.rawValue)")
    _ = try ChildProcess(
      Places.executable("train"),
      [
        "--config", preset.path, "--data", scenes + "/train", "--validation",
        scenes + "/validation", "--output", folder, "--steps", "1", "--quiet", "--set",
        "monitor.evaluationImages=1",
      ])
    return folder
  }
}
