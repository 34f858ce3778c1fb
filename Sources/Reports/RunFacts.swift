import Configuration

/// Where a run comes from: its configuration, its data, its program and machine, its cost.
///
/// Made from the configuration that is saved with the run and from its log; what neither tells
/// is nil.
public struct RunFacts: Sendable {
  /// Every setting by its key path, in the configuration's order.
  public let settings: [(key: String, value: String)]
  /// Starts and resumptions.
  public let sessions: [RunSession]
  /// Images, epochs and hours by step.
  public let clock: RunClock
  /// Updates that were made.
  public let steps: Int
  /// Numbers that were trained.
  public let parameters: Int?
  /// Images to train on.
  public let trainingImages: Int?
  /// The highest PSNR among the log's evaluations.
  public let best: (step: Int, psnr: Double)?

  /// Facts.
  ///
  /// - Parameters:
  ///   - configuration: the resolved configuration.
  ///   - history: the log.
  ///   - steps: updates that the weights have had.
  ///   - parameters: numbers that were trained.
  ///   - listedImages: images in the training folder now, where the log tells no number.
  public init(
    configuration: JSONObject?, history: RunHistory, steps: Int, parameters: Int?,
    listedImages: Int?
  ) {
    var settings: [(key: String, value: String)] = []
    func walk(_ value: JSONValue, _ path: String) {
      if case .object(let object) = value {
        for member in object.members {
          walk(member.value, path.isEmpty ? member.key : path + "." + member.key)
        }
      } else if !["$schema", "description"].contains(path) {
        settings.append((path, Self.shown(path, value)))
      }
    }
    if let configuration { walk(.object(configuration), "") }
    self.settings = settings
    sessions = history.sessions
    self.steps = steps
    self.parameters = parameters
    trainingImages =
      history.sessions.last { $0.numbers["trainingImages"] != nil }?
      .numbers["trainingImages"] ?? listedImages
    func setting(_ key: String) -> String? { settings.first { $0.key == key }?.value }
    clock = RunClock(
      history, batchSize: setting("training.batchSize").flatMap { Int($0) },
      trainingImages: trainingImages)
    let evaluations = history[.evaluation, "psnr"]
    best = zip(evaluations.steps, evaluations.values).max { $0.1 < $1.1 }
  }

  /// A setting as text; nil where the configuration has none.
  public func setting(_ key: String) -> String? {
    settings.first { $0.key == key }.map(\.value)
  }

  /// A number of the last session that tells it.
  public func number(_ key: String) -> Int? {
    sessions.last { $0.numbers[key] != nil }?.numbers[key]
  }

  /// Seconds of training.
  public var seconds: Double? { clock.hours.last.map { $0.value * 3600 } }

  /// Settings that differ between runs: a row each, a value or nil for each run.
  public static func differences(
    _ runs: [RunFacts]
  ) -> [(key: String, values: [String?])] {
    var keys: [String] = []
    for run in runs {
      for setting in run.settings where !keys.contains(setting.key) { keys.append(setting.key) }
    }
    return keys.compactMap { key in
      let values = runs.map { $0.setting(key) }
      return Set(values).count > 1 ? (key, values) : nil
    }
  }

  /// Text without quotes; folders without what only says where they lie on a machine.
  private static func shown(_ path: String, _ value: JSONValue) -> String {
    guard case .string(let text) = value else { return value.compactText }
    return path.hasPrefix("data.") ? PrivatePath.shown(text) : text
  }
}
