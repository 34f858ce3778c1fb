import ArgumentParser
import Foundation
import Reports

/// Training that says nothing of itself, beside training that diagnoses itself and keeps averages.
struct MonitorCost: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "monitor",
    abstract: "Measures what diagnoses and averages of the weights cost a training step.")

  @OptionGroup var options: BenchOptions

  func run() throws {
    var results = Results(machine: Machine(options))
    for preset in try options.presets(else: [.tiny, .small]) {
      results.networks.append(try measure(preset))
    }
    var table = MarkdownTable(
      ["network", "the run", "images/s", "time of a step", "in pairs", "peak memory"],
      textColumns: 2)
    for network in results.networks {
      let silent = network.measurements[.silent]!
      for telling in Telling.allCases {
        let own = network.measurements[telling]!
        let rates = (own.map(\.imagesPerSecond), silent.map(\.imagesPerSecond))
        table.add([
          network.preset.rawValue, telling.title, Cell.decimals(median(rates.0), 2),
          Cell.decimals(median(rates.1) / median(rates.0), 3),
          Cell.decimals(median(zip(rates.0, rates.1).map { $1 / $0 }), 3),
          Cell.megabytes(own.compactMap(\.peakBytes).max()),
        ])
      }
    }
    print(table.text)
    print(
      "\nTraining, means over \(Self.stepsPerLine) steps and medians of rounds, in turns; a diagnosis "
        + "every \(Self.stepsPerLine) steps, as by default. Times are relative to the silent run's.\n"
    )
    print(results.machine.text)
    try Places.write(results, to: "monitor.json")
  }

  /// Steps in a measurement, of which one is diagnosed: the standard `monitor.diagnoseEvery`.
  private static let stepsPerLine = 50

  private struct Results: Codable {
    let machine: Machine
    var networks: [Network] = []
  }

  /// One network's measurements, round by round.
  private struct Network: Codable {
    let preset: Preset
    var measurements: [Telling: [Measurement]] = [:]
  }

  /// What a run says of itself.
  private enum Telling: String, Codable, CaseIterable, CodingKeyRepresentable {
    case silent
    case diagnosing
    case averaging
    case everything

    var title: String {
      switch self {
      case .silent: "says nothing"
      case .diagnosing: "diagnoses itself, as by default"
      case .averaging: "keeps all five averages"
      case .everything: "both"
      }
    }

    var overrides: [String] {
      func diagnoses(_ isOn: Bool) -> [String] {
        ["averageLoss", "cosines", "decrease", "quantizer", "tensorBoard"].map {
          "monitor.\($0)=\(isOn)"
        }
      }
      let averages = ["uniform", "rateWeighted", "tail", "polynomial", "ema"].map {
        "training.averaging.\($0)=true"
      }
      switch self {
      case .silent: return diagnoses(false)
      case .diagnosing: return diagnoses(true)
      case .averaging: return diagnoses(false) + averages
      case .everything: return diagnoses(true) + averages
      }
    }
  }

  private func measure(_ preset: Preset) throws -> Network {
    var network = Network(preset: preset)
    for round in 1...(options.rounds ?? 3) {
      // There and back, so that a machine that grows slower or faster does not favour one.
      let order = Telling.allCases
      for telling in round.isMultiple(of: 2) ? order.reversed() : order {
        let measurement = try TrainingMeasurement(
          config: preset.path, overrides: telling.overrides, steps: 2,
          stepsPerLine: Self.stepsPerLine, lanes: options.threads
        ).run()
        network.measurements[telling, default: []].append(measurement)
        say(
          "\(preset.rawValue) round \(round): a run that \(telling.title) "
            + "\(Cell.decimals(measurement.imagesPerSecond, 2)) images/s")
      }
    }
    return network
  }
}
