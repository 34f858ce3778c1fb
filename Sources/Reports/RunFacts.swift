import Configuration
import Files
import Foundation

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
    let settings = Self.settings(of: configuration)
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

  /// Every setting of a configuration by its key path, without those that only describe it.
  static func settings(of configuration: JSONObject?) -> [(key: String, value: String)] {
    var settings: [(key: String, value: String)] = []
    func walk(_ value: JSONValue, _ path: String) {
      if case .object(let object) = value {
        for member in object.members {
          walk(member.value, path.isEmpty ? member.key : path + "." + member.key)
        }
      } else if !["$schema", "description"].contains(path) {
        settings.append((path, shown(path, value)))
      }
    }
    if let configuration { walk(.object(configuration), "") }
    return settings
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
    let isData = path.hasPrefix("data.")
    switch value {
    case .string(let text): return isData ? PrivatePath.shown(text) : text
    case .array(let list) where isData:
      let files = list.compactMap { if case .string(let file) = $0 { file } else { nil } }
      guard !files.isEmpty, files.count == list.count else { return value.compactText }
      return files.map(PrivatePath.shown).joined(separator: ", ")
    default: return value.compactText
    }
  }
}

/// A start or resumption of a run, from its log: when, by which program, on what machine.
///
/// Journals of older versions have none; whatever is missing is nil.
public struct RunSession: Sendable, Equatable {
  /// A setting that a resumption changed.
  public struct Change: Sendable, Equatable {
    /// Its key path, such as `training.steps`.
    public let key: String
    /// Its value before and since, as JSON.
    public let old, new: String
  }

  /// Updates that were made before.
  public var step: Int
  /// When, as ISO 8601.
  public var time: String?
  /// The program's version.
  public var version: String?
  /// The machine's processor.
  public var cpu: String?
  /// Numbers by name: `cores`, `threads`, `lanes`, `trainingImages`, `validationImages`, and of images
  /// that differ from those before `changedImages.missing` and `changedImages.new`.
  public var numbers: [String: Int] = [:]
  /// Settings that differ from those before.
  public var changes: [Change] = []
  /// What the weights were initialized from, by key; empty where they were drawn.
  public var origin: [(key: String, value: String)] = []

  /// Two sessions of equal members.
  public static func == (a: RunSession, b: RunSession) -> Bool {
    a.step == b.step && a.time == b.time && a.version == b.version && a.cpu == b.cpu
      && a.numbers == b.numbers && a.changes == b.changes
      && a.origin.map(\.key) == b.origin.map(\.key)
      && a.origin.map(\.value) == b.origin.map(\.value)
  }

  /// A session at a step, of which nothing else is known.
  public init(step: Int) { self.step = step }

  /// The session in a line of kind `run`; lists are read from the log's bytes.
  init(_ line: JournalScanner.Line, _ journal: [UInt8]) {
    step = line.step
    for (key, value) in line.texts {
      switch key {
      case "time": time = value
      case "version": version = value
      case "cpu": cpu = value
      case "from.fingerprint": break
      case _ where key.hasPrefix("from"): origin.append((Self.tail(key), value))
      default: break
      }
    }
    for (key, value) in line.numbers where value >= 0 && value < 1e15 {
      if key == "from.codebooks" {
        if value == 0 { origin.append(("codebooks", "initialized again")) }
      } else if key.hasPrefix("from.") {
        origin.append((Self.tail(key), String(Int(value))))
      } else {
        numbers[key] = Int(value)
      }
    }
    for (key, range) in line.lists where key.hasPrefix("changes.") {
      let text = String(decoding: journal[range], as: UTF8.self)
      guard case .array(let pair)? = try? JSONValue(parsing: text), pair.count == 2 else {
        continue
      }
      changes.append(
        Change(
          key: String(key.dropFirst("changes.".count)), old: pair[0].compactText,
          new: pair[1].compactText))
    }
  }

  private static func tail(_ key: String) -> String {
    key.hasPrefix("from.") ? String(key.dropFirst("from.".count)) : key
  }
}

/// Paths as they stand on a page that is sent to others: without the folders of one machine.
enum PrivatePath {
  /// A relative path as it is; of an absolute one its last part.
  static func shown(_ path: String) -> String {
    guard isOfMachine(path) else { return path }
    return path.split(separator: "/").last.map(String.init) ?? path
  }

  /// A text in which each of the given folders, where it is one of a machine, is named by its last
  /// part, and so is any other absolute path.
  static func scrubbed(_ text: String, folders: [String]) -> String {
    var text = text
    let known = Set(folders + [NSHomeDirectory(), FileManager.default.currentDirectoryPath])
    for folder in known.sorted(by: { $0.count > $1.count })
    where isOfMachine(folder) && folder.count > 1 {
      let whole = folder.hasSuffix("/") ? String(folder.dropLast()) : folder
      text = text.replacingOccurrences(of: whole, with: shown(folder))
    }
    return text.split(separator: " ", omittingEmptySubsequences: false).map { word in
      let open = word.prefix { "(\"'‘".contains($0) }
      let rest = word.dropFirst(open.count)
      guard rest.hasPrefix("/") || rest.hasPrefix("~/"),
        rest.dropFirst().contains("/")
      else { return String(word) }
      return open + (rest.split(separator: "/").last.map(String.init) ?? "")
    }.joined(separator: " ")
  }

  private static func isOfMachine(_ path: String) -> Bool {
    path.hasPrefix("/") || path.hasPrefix("~") || path.hasPrefix("../")
  }
}

/// How many images a run had seen, and how long it had trained, by its steps.
///
/// Each is a chain of corners between which it grows evenly; empty where it is not known.
public struct RunClock: Sendable, Equatable {
  /// Corners of a chain.
  public typealias Corners = [(step: Double, value: Double)]

  /// Images seen.
  public let images: Corners
  /// Passes over the training images.
  public let epochs: Corners
  /// Hours of training.
  public let hours: Corners

  /// Corners kept at most.
  static let limit = 160

  /// The clock of a run.
  ///
  /// - Parameters:
  ///   - history: its log: `seconds` of its steps, or else their rates.
  ///   - batchSize: images to a step, as configured last; resumptions may have changed it.
  ///   - trainingImages: images of an epoch; nil where that is not known.
  public init(_ history: RunHistory, batchSize: Int?, trainingImages: Int?) {
    let steps = Double(history.lastStep)
    let batches = Self.batches(history, last: batchSize)
    let images = Self.images(batches, until: steps)
    self.images = images
    epochs =
      trainingImages.map { count in
        count > 0 ? images.map { ($0.step, $0.value / Double(count)) } : []
      } ?? []
    hours = Self.thinned(Self.hours(history, batches)).map { ($0.step, $0.value / 3600) }
  }

  /// Two clocks of equal corners.
  public static func == (a: RunClock, b: RunClock) -> Bool {
    zip([a.images, a.epochs, a.hours], [b.images, b.epochs, b.hours]).allSatisfy { a, b in
      a.map(\.step) == b.map(\.step) && a.map(\.value) == b.map(\.value)
    }
  }

  /// Images to a step, from a step on.
  private static func batches(
    _ history: RunHistory, last: Int?
  ) -> [(from: Double, size: Double)] {
    guard var size = last.map(Double.init) else { return [] }
    var batches: [(from: Double, size: Double)] = []
    for session in history.sessions.reversed() {
      guard let change = session.changes.first(where: { $0.key == "training.batchSize" }),
        let old = Double(change.old)
      else { continue }
      batches.insert((Double(session.step), size), at: 0)
      size = old
    }
    return [(0, size)] + batches
  }

  private static func images(_ batches: [(from: Double, size: Double)], until: Double) -> Corners {
    guard !batches.isEmpty, until > 0 else { return [] }
    var corners: Corners = [(0, 0)]
    for (index, batch) in batches.enumerated() {
      let end = index + 1 < batches.count ? min(until, batches[index + 1].from) : until
      guard let last = corners.last, end > last.step else { continue }
      corners.append((end, last.value + (end - last.step) * batch.size))
    }
    return corners
  }

  /// Seconds by step: as told, or else from the images a second of each line.
  private static func hours(
    _ history: RunHistory, _ batches: [(from: Double, size: Double)]
  ) -> Corners {
    let told = history[.step, "seconds"]
    if let first = told.steps.first {
      let start: Corners = first > 0 ? [(0, 0)] : []
      return start + zip(told.steps, told.values).map { (Double($0), $1) }
    }
    let rates = history[.step, "imagesPerSecond"]
    guard !rates.isEmpty, !batches.isEmpty else { return [] }
    var corners: Corners = [(0, 0)]
    for (step, rate) in zip(rates.steps, rates.values) where rate > 0 {
      let (last, now) = (corners[corners.count - 1], Double(step))
      guard now > last.step else { continue }
      let size = batches.last { $0.from <= last.step }?.size ?? 0
      corners.append((now, last.value + (now - last.step) * size / rate))
    }
    return corners.count > 1 ? corners : []
  }

  private static func thinned(_ corners: Corners) -> Corners {
    guard corners.count > limit else { return corners }
    return (0..<limit).map { corners[$0 * (corners.count - 1) / (limit - 1)] }
  }
}

extension RunHistory {
  /// The last step that any line of training or evaluation is of.
  public var lastStep: Int {
    max(
      self[.step, "loss"].steps.last ?? 0, self[.step, "imagesPerSecond"].steps.last ?? 0,
      self[.evaluation, "psnr"].steps.last ?? 0)
  }
}
