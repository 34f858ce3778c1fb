import Configuration
import Datasets
import Training

/// How many images a command line of `train` would train on, if that can be determined.
///
/// Files are counted by their names, not opened.
struct TrainingImageCount {
  /// Images to train on.
  let images: Int
  /// Images of a step.
  let batchSize: Int

  /// Reads what a command line says of configuration and folders; nil where that is not enough.
  init?(commandLine arguments: [String]) {
    var (config, data, validation): (String?, String?, String?)
    var overrides: [String] = []
    let flags = UnknownOption.flags(of: TrainCommand.self).map { "--" + $0 }
    var index = 0
    while index < arguments.count {
      let word = arguments[index]
      index += 1
      guard word.hasPrefix("--") else {
        config = config ?? word
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      var value = parts.count > 1 ? parts[1] : nil
      if value == nil, !flags.contains(word), index < arguments.count {
        value = arguments[index]
        index += 1
      }
      switch parts.first {
      case "--config": config = value
      case "--data": data = value
      case "--validation": validation = value
      case "--set": if let value { overrides.append(value) }
      default: break
      }
    }
    guard let config else { return nil }
    if let data {
      overrides += ["data.train=" + JSONValue.string(data).compactText, "data.validation=null"]
    }
    if let validation {
      overrides.append("data.validation=" + JSONValue.string(validation).compactText)
    }
    guard let run = try? Preset.load(config, overrides: overrides),
      let folder = try? ImageFolder(path: run.data.train)
    else { return nil }
    let share = run.data.validation == nil ? run.data.validationShare : 0
    images = max(1, Int((Double(folder.files.count) * (1 - share)).rounded()))
    batchSize = run.training.batchSize
  }
}
