import ArgumentParser
import Configuration
import Training

/// A network that is measured, of those in `configs/`.
enum Preset: String, CaseIterable, Codable, ExpressibleByArgument {
  /// 0.62 million parameters, 32x32 pixels, 64 images a step.
  case tiny
  /// 10.2 million parameters, 64x64 pixels, 16 images a step.
  case small
  /// 15.6 million parameters with attention, 128x128 pixels, 4 images a step.
  case vqgan

  /// Its configuration.
  var path: String { "configs/bench-\(rawValue).json" }

  /// Its configuration, with some values set, as in `training.lanes=1`.
  func configuration(_ overrides: [String] = []) throws -> RunConfiguration {
    try RunConfiguration.load(path: path, overrides: overrides)
  }

  /// How often it is measured beside others: what is over sooner, oftener.
  var rounds: Int { self == .tiny ? 5 : 3 }

  /// Training steps in a measurement, after two of warm-up.
  var steps: Int { self == .tiny ? 10 : 4 }
}

extension Array where Element: CaseIterable & RawRepresentable<String> {
  /// The presets of a list such as `tiny,small`.
  init(list: String) throws {
    self = try list.split(separator: ",").map { name in
      guard let preset = Element(rawValue: String(name)) else {
        throw ValidationError(
          "expected presets out of \(Element.allCases.map(\.rawValue).joined(separator: ",")), "
            + "found \(name)")
      }
      return preset
    }
  }
}
