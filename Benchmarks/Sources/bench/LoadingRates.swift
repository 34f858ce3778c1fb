import ArgumentParser
import Datasets
import Foundation
import Imaging
import Reports
import Training

/// Training from JPEG files that are decoded for every batch, beside pixels that stay in memory.
struct LoadingRates: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "loading",
    abstract: "Measures training from JPEG files beside training from pixels in memory.")

  @OptionGroup var options: BenchOptions

  func run() throws {
    var results = Results(machine: Machine(options))
    for preset in try options.presets(else: [.tiny, .small]) {
      results.networks.append(try measure(preset))
    }
    var table = MarkdownTable(
      ["network", "images come from", "images/s", "of memory's"], textColumns: 2)
    for network in results.networks {
      let memory = median(network.rates[.memory]!)
      for source in Source.allCases {
        let rate = median(network.rates[source]!)
        table.add([
          network.preset.rawValue, source.title, Cell.decimals(rate, 2),
          Cell.decimals(rate / memory, 3),
        ])
      }
    }
    print(table.text)
    print("\nTraining, medians of steps and of rounds; decoding shares the processor's cores.\n")
    print(results.machine.text)
    try Places.write(results, to: "loading.json")
  }

  private struct Results: Codable {
    let machine: Machine
    var networks: [Network] = []
  }

  /// One network's images a second, round by round.
  private struct Network: Codable {
    let preset: Preset
    var rates: [Source: [Double]] = [:]
  }

  /// Where a batch's pixels come from.
  private enum Source: String, Codable, CaseIterable, CodingKeyRepresentable {
    case memory
    case files
    case largeFiles

    var title: String {
      switch self {
      case .memory: "memory"
      case .files: "JPEG files of the network's size"
      case .largeFiles: "JPEG files of 256x256, scaled down"
      }
    }
  }

  private func measure(_ preset: Preset) throws -> Network {
    let size = try preset.configuration().data.imageSize
    var network = Network(preset: preset)
    for round in 1...(options.rounds ?? preset.rounds) {
      for source in Source.allCases {
        let data = try folder(size: source == .largeFiles ? 256 : size)
        let measurement = try TrainingMeasurement(
          config: preset.path,
          overrides: source == .memory ? [] : ["data.cacheMegabytes=0"], data: data,
          steps: preset.steps, lanes: options.threads
        ).run()
        network.rates[source, default: []].append(measurement.imagesPerSecond)
        say(
          "\(preset.rawValue) round \(round): from \(source.title) "
            + "\(Cell.decimals(measurement.imagesPerSecond, 2)) images/s")
      }
    }
    return network
  }

  /// A folder of JPEG files, `train/` and `validation/`.
  private func folder(size: Int) throws -> String {
    let train = try ImageFiles.scenes(size: size, count: 256, as: .jpeg)
    let folder = try Places.scratch("loading-\(size)")
    for name in ["train", "validation"] {
      let link = folder + "/" + name
      guard !FileManager.default.fileExists(atPath: link) else { continue }
      try FileManager.default.createSymbolicLink(
        atPath: link, withDestinationPath: URL(fileURLWithPath: train).path)
    }
    return folder
  }
}
