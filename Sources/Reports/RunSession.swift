import Configuration

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
