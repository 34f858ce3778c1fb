import Files
import Configuration

/// A value of a configuration that is another than when a run was started.
public struct ConfigurationChange: Sendable, Equatable {
  /// Where: keys with points between them.
  public var key: String
  /// The value that the run was started with; null where it had none.
  public var old: JSONValue
  /// The value it is to continue with; null if it has none.
  public var new: JSONValue

  /// The effect on a run when a value changes.
  enum Effect {
    /// Nothing that is computed of its weights.
    case none
    /// Its further course: it is to be asked for.
    case course
    /// What it is: weights or images would no longer fit what there is.
    case identity
  }

  /// The effect on a run when this value changes.
  var effect: Effect {
    if Self.free.contains(where: covers) { return .none }
    return Self.changeable.contains(where: covers) ? .course : .identity
  }

  /// Whether a key, or a group of them that ends in a point, has this one.
  private func covers(_ name: String) -> Bool {
    name.hasSuffix(".") ? key.hasPrefix(name) : key == name
  }

  /// What shapes no weights.
  static let free = [
    "$schema", "description", "data.train", "data.validation", "data.tokens", "data.latents",
    "data.cacheMegabytes", "data.damagedLimit", "data.threads", "checkpoint",
    "training.steps", "training.patience", "training.minDelta", "training.averaging.save",
    "training.averaging.codebook", "training.averaging.evaluationImages", "monitor.",
  ]

  /// Keys that may change during a run with `--allow-changes`.
  static let changeable =
    [
      "training.optimizer.learningRate", "training.optimizer.beta1", "training.optimizer.beta2",
      "training.optimizer.epsilon", "training.optimizer.weightDecay",
      "training.optimizer.momentum", "training.optimizer.nesterov", "training.schedule.",
      "training.gradientClip",
    ]
    + [
      "codebookWeight", "commitmentWeight", "entropyWeight", "diversity", "temperature",
      "emaDecay", "emaEpsilon", "reviveBelow", "reviveEvery",
    ].map { "quantizer." + $0 }

  /// Differences between two configurations, by key.
  static func between<C: Configurable>(_ old: C, _ new: C) -> [ConfigurationChange] {
    let (before, after) = (leaves(old), leaves(new))
    return Set(before.keys).union(after.keys).sorted().compactMap { key in
      let (old, new) = (before[key] ?? .null, after[key] ?? .null)
      return old == new ? nil : ConfigurationChange(key: key, old: old, new: new)
    }
  }

  /// Every value of a configuration by its key path.
  private static func leaves(_ run: some Configurable) -> [String: JSONValue] {
    var result: [String: JSONValue] = [:]
    func walk(_ value: JSONValue, _ path: String) {
      if case .object(let object) = value {
        for member in object.members {
          walk(member.value, path.isEmpty ? member.key : path + "." + member.key)
        }
      } else {
        result[path] = value
      }
    }
    if let value = try? JSONValue(parsing: run.resolved) { walk(value, "") }
    return result
  }
}

extension Checkpoint {
  /// The configuration that a state was made under.
  func startedConfiguration<C: Configurable>(_ progress: Progress) throws -> C {
    guard let text = progress.configuration else { return try readConfiguration(C.self) }
    return try C.parse(text, file: path(Self.stateFile))
  }

  /// The differences between the configuration of a state and the one to resume with.
  ///
  /// - Parameter allowed: whether the further course of the run may change.
  /// - Throws: `otherConfiguration` for what may not.
  func changes<C: Configurable>(
    to run: C, since progress: Progress, allowed: Bool
  ) throws -> [ConfigurationChange] {
    let changes = ConfigurationChange.between(try startedConfiguration(progress), run)
    let identity = changes.filter { $0.effect == .identity }
    let course = changes.filter { $0.effect == .course }
    if !identity.isEmpty || !(allowed || course.isEmpty) {
      throw TrainingError.otherConfiguration(
        folder: folder, differences: (identity + course).map(\.key).sorted(),
        canBeAllowed: identity.isEmpty)
    }
    return changes.filter { !["$schema", "description"].contains($0.key) }
  }
}

/// What a resumed run may change.
public struct ResumeAllowance: OptionSet, Sendable {
  /// The values of the configuration that its further course depends on; see ``ConfigurationChange``.
  public static let configuration = ResumeAllowance(rawValue: 1)
  /// Which images are trained on.
  public static let images = ResumeAllowance(rawValue: 2)

  /// The bits.
  public let rawValue: Int

  /// A set of its bits.
  public init(rawValue: Int) { self.rawValue = rawValue }
}
